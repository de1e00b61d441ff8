import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Authenticator, IdentityProvider, Person } from '../store/entities.ts';
import { findActiveAuthenticator, listAuthenticators } from '../store/people-queries.ts';
import { findPerson } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { addedAuthenticator } from './authenticators.ts';
import { invited, spendInvitation } from './invitations.ts';
import type { OidcClaims } from './oidc-client.ts';
import { checkPersonName, freeEmail, isLastAdmin, personActor } from './persons.ts';
import { checkRoles, joinRoles, rolesOfGroups } from './roles.ts';

/** Who somebody is that an OpenID provider vouches for. */
export class Logins {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * The person whom these claims are of: by issuer and subject, which never change. Where these are new, they are linked
   * once: to the person of the invitation; else to the one with the same verified address, of a domain of the provider,
   * who has no other way in yet; else, where the provider makes people, to a new one.
   *
   * @returns id of the person
   * @throws PosternError POSTERN_UNAUTHORIZED for somebody unknown, with one message for every reason
   */
  async byClaims(provider: IdentityProvider, claims: OidcClaims, invitation: string | null): Promise<string> {
    const known = await findActiveAuthenticator(this.#db, claims);
    if (known !== undefined) {
      if (invitation !== null) await this.#sameAs(known, invitation);
      await this.#takeGroups(provider, claims, known.person.id);
      return known.person.id;
    }
    const person =
      invitation === null ? await this.#byEmail(provider, claims) : await invited(this.#db, invitation);
    if (person === null) return this.#create(provider, claims);
    await this.#link(provider, claims, person, invitation);
    await this.#takeGroups(provider, claims, person.id);
    return person.id;
  }

  /** An invitation of one person is not used up by another. */
  async #sameAs(known: Authenticator, invitation: string): Promise<void> {
    if ((await invited(this.#db, invitation)).id !== known.person.id) throw unknown();
  }

  async #byEmail(provider: IdentityProvider, claims: OidcClaims): Promise<Person | null> {
    const email = emailOf(provider, claims);
    if (email === null) throw unknown();
    const person = await findPerson(this.#db, email);
    if (person === undefined) {
      if (!provider.creates) throw unknown();
      return null;
    }
    return person;
  }

  #link(
    provider: IdentityProvider,
    claims: OidcClaims,
    found: Person,
    invitation: string | null,
  ): Promise<unknown> {
    const { id } = found;
    return this.#changes.run(personActor(found), async (db) => {
      const person = invitation === null ? await findPerson(db, id) : await invited(db, invitation);
      if (person?.id !== id || person.status !== 'active') throw unknown();
      // An address can be given to somebody else; who has a way in already is linked by an invitation alone.
      const linked = await listAuthenticators(db, id, 'active');
      if (invitation === null && (linked.length > 0 || person.email !== claims.email)) throw unknown();
      const change = await addedAuthenticator(db, person, authenticatorOf(provider, claims), provider.name);
      return {
        changes: [change],
        ...(invitation !== null && { beside: (tx) => spendInvitation(tx, invitation) }),
        result: undefined,
      };
    });
  }

  #create(provider: IdentityProvider, claims: OidcClaims): Promise<string> {
    return this.#changes.run(providerActor(provider), async (db) => {
      const email = await freeEmail(db, emailOf(provider, claims) ?? '');
      const roles = checkRoles(rolesOfGroups(provider.groups?.roles ?? {}, claims.groups));
      if (roles.length === 0) throw unknown();
      const person: Person = {
        id: uuidv7(),
        name: nameOf(claims, email),
        email,
        roles,
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
        directory: directoryOf(provider, claims, []),
      };
      const created: Change = { type: 'person.created', entity: 'person', before: null, after: person };
      const linked = await addedAuthenticator(db, person, authenticatorOf(provider, claims), provider.name);
      return { changes: [created, linked], result: person.id };
    });
  }

  /** Brings the roles of somebody up to date with the groups of which the provider tells, where these give roles. */
  async #takeGroups(provider: IdentityProvider, claims: OidcClaims, id: string): Promise<void> {
    const { groups } = provider;
    if (groups === null) return;
    const person = await findPerson(this.#db, id);
    if (person?.status !== 'active' || afterGroups(provider, groups, claims, person) === null) return;
    await this.#changes.run(providerActor(provider), async (db) => {
      const before = await findPerson(db, id);
      const after = before && afterGroups(provider, groups, claims, before);
      if (!before || !after) return { changes: [], result: undefined };
      checkRoles(after.roles);
      // The last administrator stays one, whatever the provider says, and comes in.
      if (await isLastAdmin(db, before, after)) return { changes: [], result: undefined };
      const reason = `groups at ${provider.name}`;
      return {
        changes: [{ type: 'person.updated', entity: 'person', before, after, reason }],
        result: undefined,
      };
    });
  }
}

/** The person with the roles that their groups give; null where nothing changes, or a directory says what roles they have. */
function afterGroups(
  provider: IdentityProvider,
  groups: NonNullable<IdentityProvider['groups']>,
  claims: OidcClaims,
  before: Person,
): Person | null {
  if (before.directory !== null && before.directory.id !== provider.id) return null;
  const given = before.directory?.given ?? before.roles;
  const roles = joinRoles(given, rolesOfGroups(groups.roles, claims.groups));
  if (roles.join() === before.roles.join()) return null;
  return { ...before, roles, directory: directoryOf(provider, claims, given) };
}

const directoryOf = (
  { id, name }: IdentityProvider,
  { subject }: OidcClaims,
  given: Person['roles'],
): NonNullable<Person['directory']> => ({
  id,
  name,
  userName: subject,
  externalId: null,
  state: 'present',
  given,
});

const authenticatorOf = ({ id, name }: IdentityProvider, { issuer, subject }: OidcClaims) => ({
  kind: 'oidc' as const,
  provider: { id, name },
  issuer,
  subject,
});

const providerActor = ({ id, name }: IdentityProvider): Actor => ({ kind: 'directory', id, name });

/** The verified address, where it is of a domain that the provider may vouch for. */
function emailOf({ domains }: IdentityProvider, { email }: OidcClaims): string | null {
  const domain = email?.slice(email.lastIndexOf('@') + 1);
  return email !== null && domain !== undefined && domains.includes(domain) ? email : null;
}

function nameOf({ name }: OidcClaims, email: string): string {
  try {
    return checkPersonName(name ?? '');
  } catch {
    return email.slice(0, email.lastIndexOf('@')).slice(0, 100);
  }
}

const unknown = (): PosternError =>
  new PosternError(
    'POSTERN_UNAUTHORIZED',
    'Nobody here is linked to this login.',
    'Ask an administrator to add you, or for an invitation: postern person invite YOU',
  );
