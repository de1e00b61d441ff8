/** Reads entities. A `ref` is an id or a name (for a person also the e-mail address). */
import { sql } from 'kysely';
import { PosternError } from '../core/errors.ts';
import type {
  Binding,
  BindingOf,
  Credential,
  FrameworkParameters,
  Grant,
  LegalHold,
  MaskRule,
  Person,
  PersonRef,
  Principal,
  Resource,
  RetentionPolicy,
  Trust,
} from './entities.ts';
import { type Page, paged } from './paging.ts';
import {
  bindingOf,
  credentialOf,
  grantOf,
  legalHoldOf,
  maskOf,
  personOf,
  principalOf,
  resourceOf,
  retentionOf,
  trustOf,
} from './rows.ts';
import type { ResourceTable } from './schema.ts';
import type { StateDb } from './store.ts';

/** A page of a list, in the order of making. `after` is the id of the last item already seen. */
export type { Page };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Names cannot look like ids (they are too short or refused), so a ref means one thing only. */
export const isId = (ref: string): boolean => UUID.test(ref);

/** @throws PosternError POSTERN_NOT_FOUND naming what was looked for */
export function found<T>(value: T | undefined, what: string, ref: string): T {
  if (value === undefined) {
    throw new PosternError('POSTERN_NOT_FOUND', `There is no ${what} ${JSON.stringify(ref)}.`);
  }
  return value;
}

export async function findPerson(db: StateDb, ref: string): Promise<Person | undefined> {
  const all = db.selectFrom('persons').selectAll();
  if (isId(ref) || ref.includes('@')) {
    const row = await all.where(isId(ref) ? 'id' : 'email', '=', ref.toLowerCase()).executeTakeFirst();
    return row && personOf(row);
  }
  const rows = await all.where('name', '=', ref).limit(2).execute();
  if (rows.length > 1) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      `More than one person is called ${JSON.stringify(ref)}.`,
      'Use the e-mail address.',
    );
  }
  return rows[0] && personOf(rows[0]);
}

export async function listPersons(db: StateDb, page?: Page): Promise<Person[]> {
  const query = db.selectFrom('persons').selectAll().orderBy('id');
  return (await paged(query, 'id', page).execute()).map(personOf);
}

export interface PrincipalFilter {
  readonly status?: Principal['status'] | undefined;
  readonly kind?: Principal['kind'] | undefined;
  /** Person id: owner or backup owner. */
  readonly owner?: string | undefined;
  /** Part of the name or the purpose. */
  readonly q?: string | undefined;
  readonly expiredAt?: string | undefined;
  readonly environment?: string | undefined;
  /** Each as it is. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Those that are not retired and whose owner is disabled. */
  readonly orphaned?: boolean | undefined;
  /** Those that are not retired and of whose owners one is disabled, or that wait for another. */
  readonly unsettled?: boolean | undefined;
  /** Active ones that were made and last resumed before this time. */
  readonly activeBefore?: string | undefined;
}

function principals(db: StateDb) {
  return db
    .selectFrom('principals')
    .innerJoin('persons as o', 'o.id', 'principals.owner_id')
    .leftJoin('persons as b', 'b.id', 'principals.backup_owner_id')
    .selectAll('principals')
    .select(['o.name as owner_name', 'o.email as owner_email'])
    .select(['b.name as backup_name', 'b.email as backup_email']);
}

type PrincipalJoined = Awaited<ReturnType<ReturnType<typeof principals>['executeTakeFirstOrThrow']>>;

function joined(row: PrincipalJoined): Principal {
  const owner: PersonRef = { id: row.owner_id, name: row.owner_name, email: row.owner_email };
  const backup =
    row.backup_owner_id === null
      ? null
      : { id: row.backup_owner_id, name: row.backup_name ?? '', email: row.backup_email ?? '' };
  return principalOf(row, owner, backup);
}

export async function findPrincipal(db: StateDb, ref: string): Promise<Principal | undefined> {
  const row = await principals(db)
    .where(isId(ref) ? 'principals.id' : 'principals.name', '=', ref)
    .executeTakeFirst();
  return row && joined(row);
}

export async function listPrincipals(
  db: StateDb,
  filter: PrincipalFilter,
  page?: Page,
): Promise<Principal[]> {
  let query = principals(db).orderBy('principals.id');
  const { status, kind, owner, q, expiredAt } = filter;
  if (status !== undefined) query = query.where('principals.status', '=', status);
  if (kind !== undefined) query = query.where('principals.kind', '=', kind);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  if (q !== undefined) {
    query = query.where(
      sql<boolean>`(instr(lower(principals.name), lower(${q})) > 0 or instr(lower(principals.purpose), lower(${q})) > 0)`,
    );
  }
  const { environment, tags = {}, orphaned, unsettled, activeBefore } = filter;
  if (environment !== undefined) query = query.where('principals.environment', '=', environment);
  for (const [key, value] of Object.entries(tags)) {
    query = query.where(
      sql<boolean>`exists (select 1 from json_each(principals.tags) t where t.key = ${key} and t.value = ${value})`,
    );
  }
  if (orphaned === true) {
    query = query.where('o.status', '=', 'disabled').where('principals.status', '<>', 'retired');
  }
  if (unsettled === true) {
    query = query.where('principals.status', '<>', 'retired').where((e) => {
      const disabled = e.selectFrom('persons').select('persons.id').where('persons.status', '=', 'disabled');
      return e.or([
        e('principals.owner_id', 'in', disabled),
        e('principals.backup_owner_id', 'in', disabled),
        e('principals.rehome_by', 'is not', null),
      ]);
    });
  }
  if (activeBefore !== undefined) {
    query = query
      .where('principals.status', '=', 'active')
      .where('principals.active_since', '<=', activeBefore);
  }
  if (expiredAt !== undefined) {
    query = query
      .where('principals.expires_at', '<=', expiredAt)
      .where('principals.status', 'in', ['active', 'suspended']);
  }
  return (await paged(query, 'principals.id', page).execute()).map(joined);
}

function resources(db: StateDb) {
  return db
    .selectFrom('resources')
    .leftJoin('persons as o', 'o.id', 'resources.owner_id')
    .selectAll('resources')
    .select(['o.name as owner_name', 'o.email as owner_email']);
}

const resourceWithOwner = (
  row: ResourceTable & { readonly owner_name: string | null; readonly owner_email: string | null },
): Resource => {
  const { owner_id: id, owner_name: name, owner_email: email } = row;
  return resourceOf(row, id === null || name === null || email === null ? null : { id, name, email });
};

export async function findResource(db: StateDb, ref: string): Promise<Resource | undefined> {
  const column = isId(ref) ? 'resources.id' : 'resources.name';
  const row = await resources(db).where(column, '=', ref).executeTakeFirst();
  return row && resourceWithOwner(row);
}

export async function listResources(
  db: StateDb,
  filter: { readonly status?: Resource['status'] | undefined },
  page?: Page,
): Promise<Resource[]> {
  let query = resources(db).orderBy('resources.id');
  if (filter.status !== undefined) query = query.where('resources.status', '=', filter.status);
  return (await paged(query, 'resources.id', page).execute()).map(resourceWithOwner);
}

export interface GrantFilter {
  readonly principal?: string | undefined;
  readonly resource?: string | undefined;
  readonly status?: Grant['status'] | undefined;
  /** Person id: owner or backup owner of the principal. */
  readonly owner?: string | undefined;
  /** Only those whose end is at or before this time. */
  readonly endedBy?: string | undefined;
  /** Only those whose end is after this time. */
  readonly endsAfter?: string | undefined;
}

function grants(db: StateDb) {
  return db
    .selectFrom('grants')
    .innerJoin('principals', 'principals.id', 'grants.principal_id')
    .innerJoin('resources', 'resources.id', 'grants.resource_id')
    .selectAll('grants')
    .select(['principals.name as principal_name', 'resources.name as resource_name']);
}

export async function findGrant(db: StateDb, id: string): Promise<Grant | undefined> {
  const row = await grants(db).where('grants.id', '=', id).executeTakeFirst();
  return row && grantOf(row);
}

export async function listGrants(db: StateDb, filter: GrantFilter, page?: Page): Promise<Grant[]> {
  let query = grants(db).orderBy('grants.id');
  const { principal, resource, status, owner, endedBy, endsAfter } = filter;
  if (principal !== undefined) query = query.where('grants.principal_id', '=', principal);
  if (resource !== undefined) query = query.where('grants.resource_id', '=', resource);
  if (status !== undefined) query = query.where('grants.status', '=', status);
  if (endedBy !== undefined) query = query.where('grants.end_at', '<=', endedBy);
  if (endsAfter !== undefined) query = query.where('grants.end_at', '>', endsAfter);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  return (await paged(query, 'grants.id', page).execute()).map(grantOf);
}

export interface CredentialFilter {
  readonly principal?: string | undefined;
  readonly grant?: string | undefined;
  readonly status?: 'active' | 'expired' | 'revoked' | undefined;
  /** Person id: owner or backup owner of the principal. */
  readonly owner?: string | undefined;
  /** Id of what it was exchanged for: a binding, or a bearer token. */
  readonly proof?: string | undefined;
  /** Only those used on behalf of others. */
  readonly delegated?: true;
  /** RFC 3339: the instant at which `active` and `expired` are told apart. */
  readonly at: string;
}

function credentials(db: StateDb) {
  return db
    .selectFrom('credentials')
    .innerJoin('principals', 'principals.id', 'credentials.principal_id')
    .selectAll('credentials')
    .select('principals.name as principal_name');
}

export async function findCredential(db: StateDb, id: string): Promise<Credential | undefined> {
  const row = await credentials(db).where('credentials.id', '=', id).executeTakeFirst();
  return row && credentialOf(row);
}

export async function listCredentials(
  db: StateDb,
  filter: CredentialFilter,
  page?: Page,
): Promise<Credential[]> {
  let query = credentials(db).orderBy('credentials.id');
  const { principal, grant, status, owner, proof, delegated, at } = filter;
  if (principal !== undefined) query = query.where('credentials.principal_id', '=', principal);
  if (grant !== undefined) query = query.where('credentials.grant_id', '=', grant);
  if (status !== undefined) {
    query = query.where('credentials.status', '=', status === 'revoked' ? 'revoked' : 'active');
    if (status === 'active') query = query.where('credentials.expires_at', '>', at);
    if (status === 'expired') query = query.where('credentials.expires_at', '<=', at);
  }
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  if (proof !== undefined)
    query = query.where(sql<string>`json_extract(credentials.exchange, '$.binding')`, '=', proof);
  if (delegated) query = query.where('credentials.delegation', '<>', '[]');
  return (await paged(query, 'credentials.id', page).execute()).map(credentialOf);
}

function bindings(db: StateDb) {
  return db
    .selectFrom('bindings')
    .innerJoin('principals', 'principals.id', 'bindings.principal_id')
    .selectAll('bindings')
    .select('principals.name as principal_name');
}

export async function findBinding(db: StateDb, id: string): Promise<Binding | undefined> {
  const row = await bindings(db).where('bindings.id', '=', id).executeTakeFirst();
  return row && bindingOf(row);
}

export interface BindingFilter {
  /** `open`: active, or waiting for somebody. */
  readonly status?: Binding['status'] | 'open';
  /** Principal id. */
  readonly principal?: string;
}

export async function listBindings(db: StateDb, { status, principal }: BindingFilter): Promise<Binding[]> {
  let query = bindings(db).orderBy('bindings.id');
  if (status === 'open') query = query.where('bindings.status', 'in', ['requested', 'active']);
  else if (status !== undefined) query = query.where('bindings.status', '=', status);
  if (principal !== undefined) query = query.where('bindings.principal_id', '=', principal);
  return (await query.execute()).map(bindingOf);
}

/** The active bindings of one kind. */
export async function bindingsOfKind<K extends Binding['kind']>(
  db: StateDb,
  kind: K,
): Promise<BindingOf<K>[]> {
  const query = bindings(db).where('bindings.status', '=', 'active').where('bindings.kind', '=', kind);
  return (await query.orderBy('bindings.id').execute()).map((row) => bindingOf(row) as BindingOf<K>);
}

/** Enrolled keys of the principal of that name, those that are locked included. */
export async function keyBindings(db: StateDb, name: string): Promise<BindingOf<'key'>[]> {
  const rows = await bindings(db)
    .where('principals.name', '=', name)
    .where('bindings.kind', '=', 'key')
    .where('bindings.status', 'in', ['active', 'locked'])
    .orderBy('bindings.id')
    .execute();
  return rows.map((row) => bindingOf(row) as BindingOf<'key'>);
}

/** Ids of static secrets whose end has come by this time, and of key pairs that nobody joined by it. */
export async function dueBindings(db: StateDb, at: string): Promise<string[]> {
  const end = sql<string>`coalesce(json_extract(details, '$.expiresAt'), json_extract(details, '$.joinBy'))`;
  const rows = await db
    .selectFrom('bindings')
    .select('id')
    .where((e) =>
      e.or([
        e.and([e('kind', '=', 'secret'), e('status', 'in', ['requested', 'active'])]),
        e.and([e('kind', '=', 'key'), e('status', '=', 'requested')]),
      ]),
    )
    .where(end, '<=', at)
    .execute();
  return rows.map(({ id }) => id);
}

/** @param ref id, or the name of one that is active */
export async function findTrust(db: StateDb, kind: Trust['kind'], ref: string): Promise<Trust | undefined> {
  const all = db.selectFrom('trust').selectAll().where('kind', '=', kind);
  const row = await (isId(ref)
    ? all.where('id', '=', ref)
    : all.where('name', '=', ref).where('status', '=', 'active')
  ).executeTakeFirst();
  return row && trustOf(row);
}

/** Those that are active. */
export async function listTrust(db: StateDb, kind?: Trust['kind'], page?: Page): Promise<Trust[]> {
  let query = db.selectFrom('trust').selectAll().where('status', '=', 'active').orderBy('id');
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (page?.after !== undefined) query = query.where('id', '>', page.after);
  if (page) query = query.limit(page.limit);
  return (await query.execute()).map(trustOf);
}

export interface MaskFilter {
  readonly status?: MaskRule['status'] | undefined;
  /** Resource id: rules for it, and those for every resource. */
  readonly resource?: string | undefined;
  /** Principal id: rules for it, and those for every principal. */
  readonly principal?: string | undefined;
}

function masks(db: StateDb) {
  return db
    .selectFrom('masks')
    .leftJoin('resources', 'resources.id', 'masks.resource_id')
    .leftJoin('principals', 'principals.id', 'masks.principal_id')
    .selectAll('masks')
    .select(['resources.name as resource_name', 'principals.name as principal_name']);
}

export async function findMask(db: StateDb, ref: string): Promise<MaskRule | undefined> {
  const row = await masks(db)
    .where(isId(ref) ? 'masks.id' : 'masks.name', '=', ref)
    .executeTakeFirst();
  return row && maskOf(row);
}

export async function listMasks(db: StateDb, filter: MaskFilter, page?: Page): Promise<MaskRule[]> {
  let query = masks(db).orderBy('masks.id');
  const { status, resource, principal } = filter;
  if (status !== undefined) query = query.where('masks.status', '=', status);
  if (resource !== undefined) {
    query = query.where((e) =>
      e.or([e('masks.resource_id', 'is', null), e('masks.resource_id', '=', resource)]),
    );
  }
  if (principal !== undefined) {
    query = query.where((e) =>
      e.or([e('masks.principal_id', 'is', null), e('masks.principal_id', '=', principal)]),
    );
  }
  return (await paged(query, 'masks.id', page).execute()).map(maskOf);
}

export interface LegalHoldFilter {
  readonly id?: string | undefined;
  readonly status?: LegalHold['status'] | undefined;
  /** Principal id: holds on it, and those on everything. */
  readonly on?: string | undefined;
}

export async function listLegalHolds(
  db: StateDb,
  { id, status, on }: LegalHoldFilter,
  page?: Page,
): Promise<LegalHold[]> {
  let query = db
    .selectFrom('legal_holds')
    .leftJoin('principals', 'principals.id', 'legal_holds.principal_id')
    .selectAll('legal_holds')
    .select('principals.name as principal_name')
    .orderBy('legal_holds.id');
  if (id !== undefined) query = query.where('legal_holds.id', '=', id);
  if (status !== undefined) query = query.where('legal_holds.status', '=', status);
  if (on !== undefined) {
    query = query.where((e) =>
      e.or([e('legal_holds.principal_id', 'is', null), e('legal_holds.principal_id', '=', on)]),
    );
  }
  return (await paged(query, 'legal_holds.id', page).execute()).map(legalHoldOf);
}

/** The institution's parameters as last set; undefined while nobody has. */
export function findFrameworkParameters(db: StateDb): Promise<FrameworkParameters | undefined> {
  return db.selectFrom('framework_parameters').selectAll().executeTakeFirst();
}

/** The policy as last changed; undefined while nobody has. */
export async function findRetention(db: StateDb): Promise<RetentionPolicy | undefined> {
  const row = await db.selectFrom('retention').selectAll().executeTakeFirst();
  return row && retentionOf(row);
}
