import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import { PRIVILEGED_VERBS } from '../core/privileged.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkOptionalText, checkReason } from '../identity/input.ts';
import type { ChangeLog } from '../store/changes.ts';
import { listDelegations } from '../store/delegation-queries.ts';
import type { Grant, LogReview, Principal } from '../store/entities.ts';
import { type LogReviewFilter, listLogReviews } from '../store/log-reviews.ts';
import { findPrincipal, found, listGrants, listPrincipals, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { verbsOf } from './scopes.ts';

/** Principals of one statement: each gets a record. */
const MOST = 1000;

export interface LogReviewInput {
  /** Ids or names; absent: all that have or had privileged access, except those that the reviewer answers for. */
  readonly principals?: readonly string[] | undefined;
  /** Leaf indexes, both included. */
  readonly from: number;
  readonly to: number;
  readonly finding: string;
  readonly ticket?: string | undefined;
  /** The log as the reviewer could see it. */
  readonly log: { readonly size: number; readonly root: string };
  /** Whether the reviewer answered for a principal (id) at any of these leaves. */
  readonly answered: (principal: string) => Promise<boolean>;
}

export interface LogReviewsMade {
  readonly reviews: readonly LogReview[];
  /** Principals with privileged access that the reviewer may not review. */
  readonly leftOut: readonly { readonly id: string; readonly name: string; readonly reason: string }[];
}

/**
 * That people looked at what principals did. A statement is one record for each principal, is never changed, and says of
 * which log: nobody reviews what is not there yet.
 */
export class LogReviews {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  list(filter: LogReviewFilter, page?: Page): Promise<LogReview[]> {
    return listLogReviews(this.#db, filter, page);
  }

  /**
   * States that the reviewer looked at a range of the log.
   *
   * @throws PosternError POSTERN_INVALID for a range that is none or goes beyond the log; POSTERN_NOT_FOUND; POSTERN_FORBIDDEN for
   *   a principal that was named and that the reviewer does not stand apart from
   */
  async create(reviewer: Actor, input: LogReviewInput): Promise<LogReviewsMade> {
    const { from, to, log } = input;
    const finding = checkReason(input.finding);
    const ticket = checkOptionalText(input.ticket, 'ticket', 200);
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from) {
      throw new PosternError('POSTERN_INVALID', 'The range must go from a leaf to the same or a later one.');
    }
    if (to >= log.size) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The log has ${log.size} leaves: what is not there yet cannot have been reviewed.`,
        `The last leaf is ${log.size - 1}.`,
      );
    }
    const named = input.principals !== undefined;
    if (input.principals?.length === 0 || (input.principals?.length ?? 0) > MOST) {
      throw new PosternError('POSTERN_INVALID', `Name at least one principal, and at most ${MOST}.`);
    }
    const asked = named ? await byName(this.#db, input.principals ?? []) : await privileged(this.#db);
    // Questions to the index take their time, in which other changes go on.
    const answered = new Set<string>();
    for (const { id } of asked) if (await input.answered(id)) answered.add(id);
    return this.#changes.run(reviewer, async (db) => {
      const principals = await byName(
        db,
        asked.map(({ id }) => id),
      );
      const refused = new Map<string, string>();
      for (const principal of principals) {
        const reason = await dependence(db, reviewer, principal, answered);
        if (reason !== null) refused.set(principal.id, reason);
      }
      const [first] = refused;
      if (named && first !== undefined) {
        throw new PosternError('POSTERN_FORBIDDEN', first[1], 'Have somebody else review it.');
      }
      const createdAt = rfc3339(nowMicros());
      const reviews = principals
        .filter(({ id }) => !refused.has(id))
        .map(
          ({ id, name }): LogReview => ({
            id: uuidv7(),
            principal: { id, name },
            reviewer: { id: reviewer.id, name: reviewer.name },
            fromLeaf: from,
            toLeaf: to,
            privileged: !named,
            finding,
            ticket,
            logSize: log.size,
            logRoot: log.root,
            createdAt,
          }),
        );
      const leftOut = principals
        .filter(({ id }) => refused.has(id))
        .map(({ id, name }) => ({ id, name, reason: refused.get(id) ?? '' }));
      return {
        changes: reviews.map((after) => ({
          type: 'activity.reviewed',
          entity: 'log_review',
          before: null,
          after,
          principal: after.principal,
          reason: finding,
        })),
        result: { reviews, leftOut },
      };
    });
  }
}

async function byName(db: StateDb, refs: readonly string[]): Promise<readonly Principal[]> {
  const all = new Map<string, Principal>();
  for (const ref of refs) {
    const principal = found(await findPrincipal(db, ref), 'principal', ref);
    all.set(principal.id, principal);
  }
  return [...all.values()];
}

/** Principals with a grant of which they may do more than read and write rows, or that somebody took in an emergency; ended ones too. */
async function privileged(db: StateDb): Promise<readonly Principal[]> {
  const ids = new Set((await listGrants(db, {})).filter(isPrivileged).map(({ principal }) => principal.id));
  const all = (await listPrincipals(db, {})).filter(({ id }) => ids.has(id));
  if (all.length > MOST) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${all.length} principals have privileged access; one statement is of ${MOST} at most.`,
      'Name them.',
    );
  }
  return all;
}

function isPrivileged({ scope, authority }: Grant): boolean {
  return authority.kind === 'emergency' || verbsOf(scope).some((verb) => PRIVILEGED_VERBS.has(verb));
}

/** Why somebody does not stand apart from what a principal did; null where they do. */
async function dependence(
  db: StateDb,
  { id, name }: Actor,
  principal: Principal,
  answered: ReadonlySet<string>,
): Promise<string | null> {
  if (principal.owner.id === id || principal.backupOwner?.id === id) {
    return `${name} answers for ${principal.name} and cannot review what it did.`;
  }
  if (answered.has(principal.id)) {
    return `${name} answered for ${principal.name} in that time and cannot review what it did.`;
  }
  const words = await listDelegations(db, { actor: principal.id, at: rfc3339(nowMicros()) });
  if (words.some(({ subject, chain }) => [subject, ...chain].some((each) => each.id === id))) {
    return `${principal.name} acted on behalf of ${name}, who cannot review what it did.`;
  }
  return null;
}
