import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { PersonRef, Principal, PrincipalKind } from '../store/entities.ts';
import {
  findPerson,
  findPrincipal,
  found,
  listBindings,
  listCredentials,
  listGrants,
  listPrincipals,
  type Page,
  type PrincipalFilter,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { removedBinding } from './bindings.ts';
import { revokedCredential } from './credentials.ts';
import { checkName, checkReason, checkText, checkTime } from './input.ts';
import { SYSTEM } from './persons.ts';

export const REVIEW_INTERVAL_DEFAULT = 90;

export interface NewPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly owner: string;
  readonly backupOwner?: string | undefined;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewIntervalDays?: number | undefined;
  readonly expiresAt?: string | undefined;
}

type Ending = 'suspended' | 'disabled' | 'retired';
/** From which status each status can be reached. Nothing leads out of `retired`. */
const FROM: Record<Principal['status'], readonly Principal['status'][]> = {
  active: ['suspended', 'disabled'],
  suspended: ['active'],
  disabled: ['active', 'suspended'],
  retired: ['active', 'suspended', 'disabled'],
};

/** The machine identities. A name, once given, stands for that one principal forever. */
export class Principals {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * @throws PosternError POSTERN_CONFLICT when the name is or was in use; POSTERN_INVALID when the owner is not
   *   an active person with the role owner or admin
   */
  create(actor: Actor, input: NewPrincipal): Promise<Principal> {
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'principal');
      const taken = await findPrincipal(db, name);
      if (taken) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `The name ${name} is taken${taken.status === 'retired' ? ' by a retired principal' : ''}; a name is never used again.`,
        );
      }
      const owner = await accountable(db, input.owner, 'owner');
      const backupOwner =
        input.backupOwner === undefined ? null : await accountable(db, input.backupOwner, 'backup owner');
      if (backupOwner?.id === owner.id) {
        throw new PosternError('POSTERN_INVALID', 'The backup owner is someone else than the owner.');
      }
      const interval = input.reviewIntervalDays ?? REVIEW_INTERVAL_DEFAULT;
      if (!Number.isInteger(interval) || interval < 1 || interval > 366) {
        throw new PosternError('POSTERN_INVALID', 'The review interval is 1 to 366 days.');
      }
      const createdAt = rfc3339(nowMicros());
      const expiresAt = input.expiresAt === undefined ? null : checkTime(input.expiresAt, 'expiry');
      if (expiresAt !== null && expiresAt <= createdAt) {
        throw new PosternError('POSTERN_INVALID', 'The expiry lies in the past.');
      }
      const after: Principal = {
        id: uuidv7(),
        name,
        kind: input.kind,
        owner,
        backupOwner,
        purpose: checkText(input.purpose, 'purpose', 1000),
        environment: checkText(input.environment, 'environment', 64),
        reviewIntervalDays: interval,
        expiresAt,
        status: 'active',
        statusReason: null,
        createdAt,
      };
      return {
        changes: [
          { type: 'principal.created', entity: 'principal', before: null, after, principal: ref(after) },
        ],
        result: after,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(refText: string): Promise<Principal> {
    return found(await findPrincipal(this.#db, refText), 'principal', refText);
  }

  list(filter: PrincipalFilter, page?: Page): Promise<Principal[]> {
    return listPrincipals(this.#db, filter, page);
  }

  /** Stops the principal for the time being; its grants keep running towards their end and work again after `resume`. */
  suspend(actor: Actor, refText: string, reason: string): Promise<Principal> {
    return this.#end(actor, refText, 'suspended', reason);
  }

  /** Stops the principal until somebody resumes it. */
  disable(actor: Actor, refText: string, reason: string): Promise<Principal> {
    return this.#end(actor, refText, 'disabled', reason);
  }

  /** Ends the principal for good, with its grants, credentials and bindings. */
  retire(actor: Actor, refText: string, reason: string): Promise<Principal> {
    return this.#end(actor, refText, 'retired', reason);
  }

  /** @throws PosternError POSTERN_CONFLICT when its expiry is over: that needs a new decision, not a resumption */
  resume(actor: Actor, refText: string, reason: string): Promise<Principal> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await movable(db, refText, 'active');
      if (before.expiresAt !== null && Date.parse(before.expiresAt) <= Date.now()) {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} expired at ${before.expiresAt}.`);
      }
      const after: Principal = { ...before, status: 'active', statusReason: why };
      return {
        changes: [
          {
            type: 'principal.resumed',
            entity: 'principal',
            before,
            after,
            principal: ref(after),
            reason: why,
          },
        ],
        result: after,
      };
    });
  }

  /** Disables every principal whose expiry has come. Returns how many. */
  async expire(): Promise<number> {
    const expiredAt = rfc3339(nowMicros());
    const due = await listPrincipals(this.#db, { expiredAt });
    for (const principal of due) await this.#end(SYSTEM, principal.id, 'disabled', 'expired');
    return due.length;
  }

  #end(actor: Actor, refText: string, status: Ending, reason: string): Promise<Principal> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await movable(db, refText, status);
      const after: Principal = { ...before, status, statusReason: why };
      const change: Change = {
        type: `principal.${status}`,
        entity: 'principal',
        before,
        after,
        principal: ref(after),
        reason: why,
      };
      const endings = status === 'retired' ? await endingsOf(db, after) : [];
      return { changes: [change, ...endings], result: after };
    });
  }
}

async function movable(db: StateDb, refText: string, to: Principal['status']): Promise<Principal> {
  const principal = found(await findPrincipal(db, refText), 'principal', refText);
  if (!FROM[to].includes(principal.status)) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      `${principal.name} is ${principal.status}, so it cannot become ${to}.`,
    );
  }
  return principal;
}

async function endingsOf(db: StateDb, principal: Principal): Promise<Change[]> {
  const at = rfc3339(nowMicros());
  const reason = 'principal retired';
  const grants = await listGrants(db, { principal: principal.id, status: 'active' });
  const credentials = await listCredentials(db, { principal: principal.id, status: 'active', at });
  const bindings = await listBindings(db, { principal: principal.id, status: 'open' });
  return [
    ...grants.map(
      (before): Change => ({
        type: 'grant.revoked',
        entity: 'grant',
        before,
        after: { ...before, status: 'revoked', endReason: reason, endedAt: at },
        principal: ref(principal),
        reason,
      }),
    ),
    ...credentials.map((before) => revokedCredential(before, at, reason)),
    ...bindings.map((before) => removedBinding(before, at, reason)),
  ];
}

/** Someone who can answer for a principal. */
async function accountable(db: StateDb, refText: string, what: string): Promise<PersonRef> {
  const person = found(await findPerson(db, refText), 'person', refText);
  if (person.status !== 'active' || !person.roles.some((role) => role === 'owner' || role === 'admin')) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${person.name} cannot be the ${what}: the ${what} is an active person with the role owner or admin.`,
    );
  }
  return { id: person.id, name: person.name, email: person.email };
}

const ref = (principal: Principal): Ref => ({ id: principal.id, name: principal.name });
