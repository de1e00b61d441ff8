import type { EvidenceSchedule } from './entities.ts';
import { type Page, paged } from './paging.ts';
import { isId } from './queries.ts';
import type { StateDb } from './store.ts';

/** @param ref id or name */
export async function findEvidenceSchedule(db: StateDb, ref: string): Promise<EvidenceSchedule | undefined> {
  const query = db.selectFrom('evidence_schedules').select('body');
  const row = await query.where(isId(ref) ? 'id' : 'name', '=', ref).executeTakeFirst();
  return row && (JSON.parse(row.body) as EvidenceSchedule);
}

export async function listEvidenceSchedules(
  db: StateDb,
  { status }: { readonly status?: EvidenceSchedule['status'] | undefined },
  page?: Page,
): Promise<EvidenceSchedule[]> {
  let query = db.selectFrom('evidence_schedules').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  const rows = await paged(query, 'id', page).execute();
  return rows.map(({ body }) => JSON.parse(body) as EvidenceSchedule);
}
