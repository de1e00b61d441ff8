/** Reads the lifecycle policy and the notices. */
import type { LifecyclePolicy, Notice } from './entities.ts';
import type { Page } from './queries.ts';
import { lifecycleOf, noticeOf } from './rows.ts';
import type { StateDb } from './store.ts';

export interface NoticeFilter {
  readonly status?: Notice['status'] | undefined;
  /** Person id. */
  readonly to?: string | undefined;
  /** Principal id. */
  readonly principal?: string | undefined;
}

export async function listNotices(db: StateDb, filter: NoticeFilter, page?: Page): Promise<Notice[]> {
  let query = db
    .selectFrom('notices')
    .innerJoin('principals', 'principals.id', 'notices.principal_id')
    .leftJoin('persons', 'persons.id', 'notices.to_id')
    .selectAll('notices')
    .select(['principals.name as principal_name', 'persons.name as to_name', 'persons.email as to_email'])
    .orderBy('notices.id');
  const { status, to, principal } = filter;
  if (status !== undefined) query = query.where('notices.status', '=', status);
  if (to !== undefined) query = query.where('notices.to_id', '=', to);
  if (principal !== undefined) query = query.where('notices.principal_id', '=', principal);
  if (page?.after !== undefined) query = query.where('notices.id', '>', page.after);
  if (page) query = query.limit(page.limit);
  return (await query.execute()).map((row) =>
    noticeOf(
      row,
      row.to_id === null ? null : { id: row.to_id, name: row.to_name ?? '', email: row.to_email ?? '' },
    ),
  );
}

/** The policy as last changed; undefined while nobody has. */
export async function findLifecycle(db: StateDb): Promise<LifecyclePolicy | undefined> {
  const row = await db.selectFrom('lifecycle').selectAll().executeTakeFirst();
  return row && lifecycleOf(row);
}
