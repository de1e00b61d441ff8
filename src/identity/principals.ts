import { isDeepStrictEqual } from 'node:util';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Principal, PrincipalKind } from '../store/entities.ts';
import { findPrincipal, found, listPrincipals, type Page, type PrincipalFilter } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkName, checkReason, checkTime } from './input.ts';
import { SYSTEM } from './persons.ts';
import { endingsOf } from './principal-endings.ts';
import {
  answerable,
  checkEnvironment,
  checkExpiry,
  checkInterval,
  checkPurpose,
  checkSponsor,
  patchedTags,
  type TagPatch,
} from './principal-input.ts';

export const REVIEW_INTERVAL_DEFAULT = 90;

export interface NewPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly owner: string;
  readonly backupOwner: string;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewIntervalDays?: number | undefined;
  readonly expiresAt?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly sponsor?: string | undefined;
}

/** What is to be otherwise; what is absent stays. Name and kind never change. */
export interface PrincipalChange {
  readonly owner?: string | undefined;
  readonly backupOwner?: string | undefined;
  readonly purpose?: string | undefined;
  readonly environment?: string | undefined;
  readonly reviewIntervalDays?: number | undefined;
  /** Null: it does not expire. */
  readonly expiresAt?: string | null | undefined;
  readonly tags?: TagPatch | undefined;
  /** Null: it is nobody else's. */
  readonly sponsor?: string | null | undefined;
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
      const owners = await answerable(db, input.owner, input.backupOwner);
      const createdAt = rfc3339(nowMicros());
      const after: Principal = {
        id: uuidv7(),
        name,
        kind: input.kind,
        ...owners,
        purpose: checkPurpose(input.purpose),
        environment: checkEnvironment(input.environment),
        reviewIntervalDays: checkInterval(input.reviewIntervalDays ?? REVIEW_INTERVAL_DEFAULT),
        expiresAt: input.expiresAt === undefined ? null : checkExpiry(input.expiresAt, createdAt),
        tags: patchedTags({}, input.tags ?? {}),
        sponsor: input.sponsor === undefined ? null : checkSponsor(input.sponsor),
        rehomeBy: null,
        activeSince: createdAt,
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

  /**
   * Changes what is said of a principal. Who is named to answer for it must be able to; two active people are the end of
   * the countdown that began when the owner was disabled. A change that comes to nothing leaves no record.
   *
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID; POSTERN_CONFLICT when it is retired
   */
  update(actor: Actor, refText: string, input: PrincipalChange, reason: string): Promise<Principal> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findPrincipal(db, refText), 'principal', refText);
      if (before.status === 'retired') {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is retired.`);
      }
      const after = await changed(db, before, input);
      if (isDeepStrictEqual(before, after)) return { changes: [], result: before };
      const change = { type: 'principal.updated', entity: 'principal', before, after, reason: why } as const;
      return { changes: [{ ...change, principal: ref(after) }], result: after };
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

  /**
   * @throws PosternError POSTERN_CONFLICT when its expiry is over, which needs a new decision and not a resumption, or when not two
   *   people who can answer for it are named
   */
  resume(actor: Actor, refText: string, reason: string): Promise<Principal> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await movable(db, refText, 'active');
      if (before.expiresAt !== null && Date.parse(before.expiresAt) <= Date.now()) {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} expired at ${before.expiresAt}.`);
      }
      await answerable(db, before.owner.id, before.backupOwner?.id).catch((error: unknown) => {
        throw error instanceof PosternError
          ? new PosternError(
              'POSTERN_CONFLICT',
              error.message,
              `Name who answers for it first: postern principal update ${before.name} --owner ... --backup-owner ...`,
            )
          : error;
      });
      const activeSince = rfc3339(nowMicros());
      const after: Principal = { ...before, status: 'active', statusReason: why, activeSince };
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
      const after: Principal = { ...before, status, statusReason: why, rehomeBy: null };
      const change: Change = {
        type: `principal.${status}`,
        entity: 'principal',
        before,
        after,
        principal: ref(after),
        reason: why,
      };
      const own = status === 'retired' ? await endingsOf(db, after) : [];
      return { changes: [change, ...own], result: after };
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

async function changed(db: StateDb, before: Principal, input: PrincipalChange): Promise<Principal> {
  const { owner, backupOwner, purpose, environment, reviewIntervalDays, expiresAt, tags, sponsor } = input;
  const owners =
    owner === undefined && backupOwner === undefined
      ? {}
      : {
          ...(await answerable(db, owner ?? before.owner.id, backupOwner ?? before.backupOwner?.id)),
          rehomeBy: null,
        };
  const at = rfc3339(nowMicros());
  return {
    ...before,
    ...owners,
    ...(purpose !== undefined && { purpose: checkPurpose(purpose) }),
    ...(environment !== undefined && { environment: checkEnvironment(environment) }),
    ...(reviewIntervalDays !== undefined && { reviewIntervalDays: checkInterval(reviewIntervalDays) }),
    ...(expiresAt !== undefined && { expiresAt: expiryOf(before, expiresAt, at) }),
    ...(tags !== undefined && { tags: patchedTags(before.tags, tags) }),
    ...(sponsor !== undefined && { sponsor: sponsor === null ? null : checkSponsor(sponsor) }),
  };
}

/** What was said before may be said again, also where it is over: then nothing changes. */
function expiryOf(before: Principal, text: string | null, at: string): string | null {
  if (text === null) return null;
  return checkTime(text, 'expiry') === before.expiresAt ? before.expiresAt : checkExpiry(text, at);
}

const ref = (principal: Principal): Ref => ({ id: principal.id, name: principal.name });
