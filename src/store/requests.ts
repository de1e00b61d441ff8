/** Reads the access policy, requests, and who is in which group. */
import type { AccessPolicy, AccessRequest, Group } from './entities.ts';
import { isId, type Page } from './queries.ts';
import { policyOf, requestOf } from './rows.ts';
import type { StateDb } from './store.ts';

export async function findPolicy(db: StateDb, ref: string): Promise<AccessPolicy | undefined> {
  const query = db.selectFrom('policies').selectAll();
  const row = await query.where(isId(ref) ? 'id' : 'name', '=', ref).executeTakeFirst();
  return row && policyOf(row);
}

/** In the order in which their rules are tried. */
export async function listPolicies(
  db: StateDb,
  { status }: { readonly status?: AccessPolicy['status'] | undefined },
): Promise<AccessPolicy[]> {
  let query = db.selectFrom('policies').selectAll().orderBy('name');
  if (status !== undefined) query = query.where('status', '=', status);
  return (await query.execute()).map(policyOf);
}

export interface RequestFilter {
  readonly status?: AccessRequest['status'] | undefined;
  /** Principal id. */
  readonly principal?: string | undefined;
  /** Resource id. */
  readonly resource?: string | undefined;
  /** Person id: requests for principals that they own or back up. */
  readonly owner?: string | undefined;
  /** Only those that waited no longer than until then. */
  readonly expiredAt?: string | undefined;
  /** Only those whose time to wait was not over then, whatever became of them. */
  readonly expiresAfter?: string | undefined;
}

export async function findRequest(db: StateDb, id: string): Promise<AccessRequest | undefined> {
  const row = await db.selectFrom('requests').selectAll().where('id', '=', id).executeTakeFirst();
  return row && requestOf(row);
}

export async function listRequests(
  db: StateDb,
  filter: RequestFilter,
  page?: Page,
): Promise<AccessRequest[]> {
  let query = db
    .selectFrom('requests')
    .innerJoin('principals', 'principals.id', 'requests.principal_id')
    .selectAll('requests')
    .orderBy('requests.id');
  const { status, principal, resource, owner, expiredAt, expiresAfter } = filter;
  if (status !== undefined) query = query.where('requests.status', '=', status);
  if (principal !== undefined) query = query.where('requests.principal_id', '=', principal);
  if (resource !== undefined) query = query.where('requests.resource_id', '=', resource);
  if (expiredAt !== undefined) query = query.where('requests.expires_at', '<=', expiredAt);
  if (expiresAfter !== undefined) query = query.where('requests.expires_at', '>', expiresAfter);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  if (page?.after !== undefined) query = query.where('requests.id', '>', page.after);
  if (page) query = query.limit(page.limit);
  return (await query.execute()).map(requestOf);
}

/** The active groups of all directories. */
export async function listActiveGroups(db: StateDb): Promise<Group[]> {
  const rows = await db.selectFrom('groups').selectAll().where('status', '=', 'active').execute();
  return rows.map(({ body }) => JSON.parse(body) as Group);
}
