import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person, Role } from '../store/entities.ts';
import { findPerson, found, listPersons, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason, checkText } from './input.ts';
import { checkRoles, directoryRoles, joinRoles } from './roles.ts';

export interface NewPerson {
  readonly name: string;
  readonly email: string;
  readonly roles: readonly Role[];
}

/** What is to be another; what is absent stays. */
export interface PersonChange {
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  /** The roles given by hand. Those that come with groups of a directory stay. */
  readonly roles?: readonly Role[] | undefined;
}

/** The humans: who administers, owns, approves, reviews, audits. */
export class Persons {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** @throws PosternError POSTERN_INVALID, or POSTERN_CONFLICT when the e-mail address is taken or the roles do not go together */
  create(actor: Actor, input: NewPerson): Promise<Person> {
    return this.#changes.run(actor, async (db) => {
      const person = await newPerson(db, input);
      return {
        changes: [{ type: 'person.created', entity: 'person', before: null, after: person }],
        result: person,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<Person> {
    return found(await findPerson(this.#db, ref), 'person', ref);
  }

  list(page: Page): Promise<Person[]> {
    return listPersons(this.#db, page);
  }

  /**
   * Changes name, address or roles. Nobody changes their own roles, and somebody stays who administers.
   *
   * @throws PosternError POSTERN_FORBIDDEN for one's own roles; POSTERN_CONFLICT for the last active administrator,
   *   roles that do not go together, or an address that is taken
   */
  update(actor: Actor, ref: string, change: PersonChange, reason: string): Promise<Person> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findPerson(db, ref), 'person', ref);
      const after: Person = {
        ...before,
        ...(change.name !== undefined && { name: checkPersonName(change.name) }),
        ...(change.email !== undefined && { email: await freeEmail(db, change.email, before.id) }),
        ...(change.roles !== undefined && (await givenRoles(db, before, change.roles))),
      };
      if (JSON.stringify(after) === JSON.stringify(before)) {
        throw new PosternError('POSTERN_INVALID', `Nothing about ${before.name} would change.`);
      }
      if (actor.id === before.id && after.roles.join() !== before.roles.join()) throw ownRoles();
      await keepAnAdmin(db, before, after);
      return {
        changes: [{ type: 'person.updated', entity: 'person', before, after, reason: why }],
        result: after,
      };
    });
  }

  /**
   * Disables a person; their sessions, API tokens and invitations stop at once.
   *
   * @throws PosternError POSTERN_CONFLICT when disabled already, or the last active administrator
   */
  disable(actor: Actor, ref: string, reason: string): Promise<Person> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findPerson(db, ref), 'person', ref);
      if (before.status === 'disabled') {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is disabled already.`);
      }
      const after: Person = { ...before, status: 'disabled', statusReason: why };
      await keepAnAdmin(db, before, after);
      return {
        changes: [{ type: 'person.disabled', entity: 'person', before, after, reason: why }],
        beside: (tx) => endAccess(tx, before.id),
        result: after,
      };
    });
  }

  /**
   * Takes a disabled person back. They come in again by what they came in before; tokens and sessions stay ended.
   *
   * @throws PosternError POSTERN_CONFLICT when not disabled, or their roles do not go together any more
   */
  enable(actor: Actor, ref: string, reason: string): Promise<Person> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findPerson(db, ref), 'person', ref);
      if (before.status === 'active') {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is not disabled.`);
      }
      checkRoles(before.roles);
      const after: Person = { ...before, status: 'active', statusReason: why };
      return {
        changes: [{ type: 'person.enabled', entity: 'person', before, after, reason: why }],
        result: after,
      };
    });
  }
}

/** What a person who left comes in with no more: sessions, API tokens, invitations. */
export async function endAccess(tx: StateDb, personId: string): Promise<void> {
  for (const table of ['api_tokens', 'person_sessions', 'invitations'] as const) {
    await tx.deleteFrom(table).where('person_id', '=', personId).execute();
  }
}

/** Checks the input and makes the person, without storing anything. */
export async function newPerson(db: StateDb, input: NewPerson): Promise<Person> {
  const name = checkPersonName(input.name);
  const roles = checkRoles(input.roles);
  if (roles.length === 0) throw new PosternError('POSTERN_INVALID', 'A person has at least one role.');
  const email = await freeEmail(db, input.email);
  const createdAt = rfc3339(nowMicros());
  return {
    id: uuidv7(),
    name,
    email,
    roles,
    status: 'active',
    statusReason: null,
    createdAt,
    directory: null,
  };
}

export async function activeAdmins(db: StateDb): Promise<Person[]> {
  const all = await listPersons(db);
  return all.filter((person) => person.status === 'active' && person.roles.includes('admin'));
}

/**
 * Refuses a change after which nobody administers.
 *
 * @throws PosternError POSTERN_CONFLICT
 */
export async function keepAnAdmin(db: StateDb, before: Person, after: Person): Promise<void> {
  if (!(await isLastAdmin(db, before, after))) return;
  throw new PosternError(
    'POSTERN_CONFLICT',
    `${before.name} is the last active administrator.`,
    'Make another administrator first.',
  );
}

/** Whether nobody would administer after this change. */
export async function isLastAdmin(db: StateDb, before: Person, after: Person): Promise<boolean> {
  const admin = (person: Person): boolean => person.status === 'active' && person.roles.includes('admin');
  return admin(before) && !admin(after) && (await activeAdmins(db)).length === 1;
}

export const personActor = (person: Person): Actor => ({ kind: 'person', id: person.id, name: person.name });

/** Postern itself: expiry and first set-up. */
export const SYSTEM: Actor = { kind: 'system', id: 'postern', name: 'postern' };

/** @throws PosternError POSTERN_INVALID */
export function checkPersonName(text: string): string {
  const name = checkText(text, 'name', 100);
  if (!name.includes('@')) return name;
  throw new PosternError(
    'POSTERN_INVALID',
    'A name does not contain "@": it would read as an e-mail address.',
  );
}

/**
 * An address that nobody else has, in the one form in which it is kept.
 *
 * @param own id of the person who may have it already
 * @throws PosternError POSTERN_INVALID, POSTERN_CONFLICT
 */
export async function freeEmail(db: StateDb, text: string, own?: string): Promise<string> {
  const email = checkEmail(text);
  const holder = await findPerson(db, email);
  if (holder === undefined || holder.id === own) return email;
  throw new PosternError('POSTERN_CONFLICT', `There is already a person with the e-mail address ${email}.`);
}

/** @throws PosternError POSTERN_INVALID */
export function checkEmail(email: string): string {
  const lower = checkText(email, 'e-mail address', 254).toLowerCase();
  if (!/^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(lower)) {
    throw new PosternError('POSTERN_INVALID', `${JSON.stringify(lower)} is not an e-mail address.`);
  }
  return lower;
}

async function givenRoles(
  db: StateDb,
  person: Person,
  roles: readonly Role[],
): Promise<Pick<Person, 'roles' | 'directory'>> {
  const given = checkRoles(roles);
  const { directory } = person;
  const all = checkRoles(joinRoles(given, await directoryRoles(db, person)));
  if (all.length === 0) throw new PosternError('POSTERN_INVALID', 'A person has at least one role.');
  return { roles: all, directory: directory === null ? null : { ...directory, given } };
}

const ownRoles = (): PosternError =>
  new PosternError('POSTERN_FORBIDDEN', 'Nobody changes their own roles.', 'Ask another administrator.');
