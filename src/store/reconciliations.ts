/** Reads reconciliations, and what is at resources that is not Postern's. */
import { sql } from 'kysely';
import type { Reconciliation, Unmanaged } from './entities.ts';
import { type Page, paged } from './paging.ts';
import type { StateDb } from './store.ts';

const bodies = <T>(rows: readonly { readonly body: string }[]): T[] =>
  rows.map(({ body }) => JSON.parse(body) as T);

export interface ReconciliationFilter {
  /** Id. */
  readonly resource?: string | undefined;
}

/** The latest first. */
export async function listReconciliations(
  db: StateDb,
  { resource }: ReconciliationFilter,
  page: Page,
): Promise<Reconciliation[]> {
  let query = db.selectFrom('reconciliations').select('body').orderBy('id', 'desc').limit(page.limit);
  if (resource !== undefined) query = query.where('resource_id', '=', resource);
  if (page.after !== undefined) query = query.where('id', '<', page.after);
  return bodies(await query.execute());
}

/** The last one of a resource; with `counted`, the last one in which statements were counted. */
export async function lastReconciliation(
  db: StateDb,
  resource: string,
  counted = false,
): Promise<Reconciliation | undefined> {
  let query = db.selectFrom('reconciliations').select('body').where('resource_id', '=', resource);
  if (counted) query = query.where(sql`json_extract(body, '$.counts')`, 'is not', null);
  const row = await query.orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row && (JSON.parse(row.body) as Reconciliation);
}

export interface UnmanagedFilter {
  /** Id. */
  readonly resource?: string | undefined;
  readonly kind?: Unmanaged['kind'] | undefined;
  readonly status?: Unmanaged['status'] | undefined;
}

export async function listUnmanaged(
  db: StateDb,
  { resource, kind, status }: UnmanagedFilter,
  page?: Page,
): Promise<Unmanaged[]> {
  let query = db.selectFrom('unmanaged').select('body').orderBy('id');
  if (resource !== undefined) query = query.where('resource_id', '=', resource);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (status !== undefined) query = query.where('status', '=', status);
  return bodies(await paged(query, 'id', page).execute());
}

export async function findUnmanaged(db: StateDb, id: string): Promise<Unmanaged | undefined> {
  const row = await db.selectFrom('unmanaged').select('body').where('id', '=', id).executeTakeFirst();
  return row && (JSON.parse(row.body) as Unmanaged);
}
