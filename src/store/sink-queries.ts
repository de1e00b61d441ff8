import type { Sink } from './entities.ts';
import { isId } from './queries.ts';
import type { StateDb } from './store.ts';

const parsed = (row: { readonly body: string }): Sink => JSON.parse(row.body) as Sink;

export async function findSink(db: StateDb, ref: string): Promise<Sink | undefined> {
  const row = await db
    .selectFrom('sinks')
    .select('body')
    .where(isId(ref) ? 'id' : 'name', '=', ref)
    .executeTakeFirst();
  return row && parsed(row);
}

/** Sinks in the order of making. */
export async function listSinks(db: StateDb): Promise<Sink[]> {
  return (await db.selectFrom('sinks').select('body').orderBy('id').execute()).map(parsed);
}
