import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import { type Person, ROLES, type Role } from '../store/entities.ts';
import { findPerson, found, listPersons, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason, checkText } from './input.ts';

export interface NewPerson {
  readonly name: string;
  readonly email: string;
  readonly roles: readonly Role[];
}

/** The humans: who administers, owns, approves, reviews, audits. */
export class Persons {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** @throws PosternError POSTERN_INVALID, or POSTERN_CONFLICT when the e-mail address is taken */
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
   * Disables a person; their API tokens stop at once.
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
      if (before.roles.includes('admin') && (await activeAdmins(db)).length === 1) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `${before.name} is the last active administrator.`,
          'Make another administrator first.',
        );
      }
      const after: Person = { ...before, status: 'disabled', statusReason: why };
      return {
        changes: [{ type: 'person.disabled', entity: 'person', before, after, reason: why }],
        beside: async (tx) => {
          await tx.deleteFrom('api_tokens').where('person_id', '=', before.id).execute();
        },
        result: after,
      };
    });
  }
}

/** Checks the input and makes the person, without storing anything. */
export async function newPerson(db: StateDb, input: NewPerson): Promise<Person> {
  const name = checkText(input.name, 'name', 100);
  const email = checkEmail(input.email);
  const roles = ROLES.filter((role) => input.roles.includes(role));
  if (name.includes('@')) {
    throw new PosternError(
      'POSTERN_INVALID',
      'A name does not contain "@": it would read as an e-mail address.',
    );
  }
  if (roles.length === 0) throw new PosternError('POSTERN_INVALID', 'A person has at least one role.');
  if (roles.length !== new Set(input.roles).size) {
    throw new PosternError('POSTERN_INVALID', `The roles are ${ROLES.join(', ')}.`);
  }
  if (await findPerson(db, email)) {
    throw new PosternError('POSTERN_CONFLICT', `There is already a person with the e-mail address ${email}.`);
  }
  const createdAt = rfc3339(nowMicros());
  return { id: uuidv7(), name, email, roles, status: 'active', statusReason: null, createdAt };
}

export async function activeAdmins(db: StateDb): Promise<Person[]> {
  const all = await listPersons(db);
  return all.filter((person) => person.status === 'active' && person.roles.includes('admin'));
}

export const personActor = (person: Person): Actor => ({ kind: 'person', id: person.id, name: person.name });

/** Postern itself: expiry and first set-up. */
export const SYSTEM: Actor = { kind: 'system', id: 'postern', name: 'postern' };

function checkEmail(email: string): string {
  const lower = checkText(email, 'e-mail address', 254).toLowerCase();
  if (!/^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(lower)) {
    throw new PosternError('POSTERN_INVALID', `${JSON.stringify(lower)} is not an e-mail address.`);
  }
  return lower;
}
