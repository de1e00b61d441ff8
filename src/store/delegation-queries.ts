/** Reads delegations. */
import { sql } from 'kysely';
import type { Delegation } from './entities.ts';
import type { Page } from './queries.ts';
import { delegationOf } from './rows.ts';
import type { StateDb } from './store.ts';

function delegations(db: StateDb) {
  return db
    .selectFrom('delegations')
    .innerJoin('principals', 'principals.id', 'delegations.actor_id')
    .selectAll('delegations')
    .select('principals.name as actor_name');
}

export async function findDelegation(db: StateDb, id: string): Promise<Delegation | undefined> {
  const row = await delegations(db).where('delegations.id', '=', id).executeTakeFirst();
  return row && delegationOf(row);
}

export interface DelegationFilter {
  readonly status?: 'active' | 'expired' | 'revoked' | undefined;
  /** Id of the person or principal whose word it is. */
  readonly subject?: string | undefined;
  /** Id of the principal that acts. */
  readonly actor?: string | undefined;
  /** Person id: theirs, or to a principal that they own or back up. */
  readonly of?: string | undefined;
  /** RFC 3339: the instant at which `active` and `expired` are told apart. */
  readonly at: string;
}

export async function listDelegations(
  db: StateDb,
  { status, subject, actor, of, at }: DelegationFilter,
  page?: Page,
): Promise<Delegation[]> {
  let query = delegations(db).orderBy('delegations.id');
  const who = sql<string>`json_extract(delegations.subject, '$.id')`;
  if (status !== undefined) {
    query = query.where('delegations.status', '=', status === 'revoked' ? 'revoked' : 'active');
    if (status === 'active') query = query.where('delegations.expires_at', '>', at);
    if (status === 'expired') query = query.where('delegations.expires_at', '<=', at);
  }
  if (subject !== undefined) query = query.where(who, '=', subject);
  if (actor !== undefined) query = query.where('delegations.actor_id', '=', actor);
  if (of !== undefined) {
    query = query.where((e) =>
      e.or([e(who, '=', of), e('principals.owner_id', '=', of), e('principals.backup_owner_id', '=', of)]),
    );
  }
  if (page?.after !== undefined) query = query.where('delegations.id', '>', page.after);
  if (page) query = query.limit(page.limit);
  return (await query.execute()).map(delegationOf);
}
