/** Reads what concerns people coming in: authenticators, identity providers, directories and their groups. */
import type {
  Authenticator,
  Directory,
  Group,
  IdentityProvider,
  Person,
  SignInSettings,
} from './entities.ts';
import { type Page, paged } from './paging.ts';
import { isId } from './queries.ts';
import { identifierOf, personOf } from './rows.ts';
import type { StateDb } from './store.ts';

const parsed = <T>(row: { readonly body: string }): T => JSON.parse(row.body) as T;

/** The active one by which this login comes in. */
export async function findActiveAuthenticator(
  db: StateDb,
  shown: Pick<Authenticator & { kind: 'oidc' }, 'issuer' | 'subject'> | { readonly credentialId: string },
): Promise<Authenticator | undefined> {
  const identifier = identifierOf(
    ('issuer' in shown ? { kind: 'oidc', ...shown } : { kind: 'passkey', ...shown }) as Authenticator,
  );
  const row = await db
    .selectFrom('authenticators')
    .select('body')
    .where('identifier', '=', identifier)
    .where('status', '=', 'active')
    .executeTakeFirst();
  return row && parsed<Authenticator>(row);
}

export async function findAuthenticator(db: StateDb, id: string): Promise<Authenticator | undefined> {
  const row = await db.selectFrom('authenticators').select('body').where('id', '=', id).executeTakeFirst();
  return row && parsed<Authenticator>(row);
}

/** Those of a person, in the order of making. */
export async function listAuthenticators(
  db: StateDb,
  personId: string,
  status?: Authenticator['status'],
): Promise<Authenticator[]> {
  let query = db.selectFrom('authenticators').select('body').where('person_id', '=', personId).orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  return (await query.execute()).map(parsed<Authenticator>);
}

export async function findIdentityProvider(db: StateDb, ref: string): Promise<IdentityProvider | undefined> {
  const row = await db
    .selectFrom('identity_providers')
    .select('body')
    .where(isId(ref) ? 'id' : 'name', '=', ref)
    .executeTakeFirst();
  return row && parsed<IdentityProvider>(row);
}

export async function listIdentityProviders(
  db: StateDb,
  status?: IdentityProvider['status'],
): Promise<IdentityProvider[]> {
  let query = db.selectFrom('identity_providers').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  return (await query.execute()).map(parsed<IdentityProvider>);
}

export async function findDirectory(db: StateDb, ref: string): Promise<Directory | undefined> {
  const row = await db
    .selectFrom('directories')
    .select('body')
    .where(isId(ref) ? 'id' : 'name', '=', ref)
    .executeTakeFirst();
  return row && parsed<Directory>(row);
}

export async function listDirectories(db: StateDb): Promise<Directory[]> {
  return (await db.selectFrom('directories').select('body').orderBy('id').execute()).map(parsed<Directory>);
}

export async function findGroup(db: StateDb, id: string): Promise<Group | undefined> {
  const row = await db.selectFrom('groups').select('body').where('id', '=', id).executeTakeFirst();
  return row && parsed<Group>(row);
}

/** The groups that a directory has now, in the order of making. */
export async function listGroups(db: StateDb, directoryId: string): Promise<Group[]> {
  const rows = await db
    .selectFrom('groups')
    .select('body')
    .where('directory_id', '=', directoryId)
    .where('status', '=', 'active')
    .orderBy('id')
    .execute();
  return rows.map(parsed<Group>);
}

/** People that a directory told of, in the order of making. */
export async function listDirectoryPersons(db: StateDb, directoryId: string, page?: Page): Promise<Person[]> {
  let query = db.selectFrom('persons').selectAll().where('directory', 'is not', null).orderBy('id');
  query = query.where((e) => e(e.fn('json_extract', ['directory', e.val('$.id')]), '=', directoryId));
  return (await paged(query, 'id', page).execute()).map(personOf);
}

/** As last changed; undefined while nobody has. */
export async function findSignIn(db: StateDb): Promise<SignInSettings | undefined> {
  const row = await db.selectFrom('sign_in').select('settings').executeTakeFirst();
  return row && (JSON.parse(row.settings) as SignInSettings);
}
