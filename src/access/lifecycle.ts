import { isDeepStrictEqual } from 'node:util';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { checkReason } from '../identity/input.ts';
import { SYSTEM } from '../identity/persons.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { LifecyclePolicy, Notice, Principal } from '../store/entities.ts';
import { findLifecycle, listNotices, type NoticeFilter } from '../store/notices.ts';
import { findPrincipal, listPrincipals, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { answeredNotices, noticeChanges } from './notices.ts';

/** What applies while nobody has said anything: the unused stay, since nobody was told that they would not. */
const DEFAULT: LifecyclePolicy = { id: 'lifecycle', rehomeDays: 14, unusedDays: null };
const REHOME_DAYS_MAX = 365;
const UNUSED_DAYS_MAX = 3650;
const DAY_MICROS = 86_400_000_000;
/** Principals in one change: others wait for it. */
const AT_ONCE = 100;

export interface LifecycleChange {
  readonly rehomeDays?: number | undefined;
  /** Null: never. */
  readonly unusedDays?: number | null | undefined;
}

/** When each of these principals was last used (RFC 3339 UTC, microseconds); those never used are absent. */
export type LastUses = (ids: readonly string[]) => ReadonlyMap<string, string>;

/** Suspends principals that nobody answers for any more, after a time in which somebody can, and those that nobody uses. */
export class Lifecycle {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#clock = clock;
  }

  async policy(): Promise<LifecyclePolicy> {
    return (await findLifecycle(this.#db)) ?? DEFAULT;
  }

  /** Countdowns that run keep their end. @throws PosternError POSTERN_INVALID */
  set(actor: Actor, input: LifecycleChange, reason: string): Promise<LifecyclePolicy> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = (await findLifecycle(db)) ?? null;
      const { rehomeDays, unusedDays } = input;
      const known = before ?? DEFAULT;
      const after: LifecyclePolicy = {
        id: 'lifecycle',
        rehomeDays: rehomeDays === undefined ? known.rehomeDays : days(rehomeDays, 0, REHOME_DAYS_MAX),
        unusedDays: unusedDays === undefined ? known.unusedDays : unusedAfter(unusedDays),
      };
      if (isDeepStrictEqual(before, after)) return { changes: [], result: after };
      return {
        changes: [{ type: 'config.changed', entity: 'lifecycle', before, after, reason: why }],
        result: after,
      };
    });
  }

  notices(filter: NoticeFilter, page?: Page): Promise<Notice[]> {
    return listNotices(this.#db, filter, page);
  }

  /**
   * Compares who answers for principals with who is there: begins, ends and carries out countdowns, gives and ends notices. What it
   * finds done already it does not do again, so it does not matter when it last ran, or how far that came.
   */
  async sweep(): Promise<void> {
    let after: string | undefined;
    for (;;) {
      const page = await this.#sweepPage(after);
      if (page === undefined) break;
      after = page;
    }
  }

  /**
   * Suspends active principals that were not used for as long as the policy says, counted from when they were made or last
   * resumed where that is later.
   *
   * @param lastUses has to know everything that was recorded so far
   * @returns how many
   */
  async suspendUnused(lastUses: LastUses): Promise<number> {
    const { unusedDays } = await this.policy();
    if (unusedDays === null) return 0;
    const cutoff = rfc3339(this.#clock() - unusedDays * DAY_MICROS);
    const candidates = await listPrincipals(this.#db, { activeBefore: cutoff });
    const uses = candidates.length === 0 ? new Map() : lastUses(candidates.map(({ id }) => id));
    let count = 0;
    for (const { id } of candidates) {
      const last = uses.get(id);
      if (last !== undefined && last > cutoff) continue;
      const since = last === undefined ? 'never used' : `last used ${last.slice(0, 19)}Z`;
      count += await this.#suspendIf(id, cutoff, `not used for ${unusedDays} days (${since})`);
    }
    return count;
  }

  #suspendIf(id: string, cutoff: string, reason: string): Promise<number> {
    return this.#changes.run(SYSTEM, async (db) => {
      const before = await findPrincipal(db, id);
      if (before?.status !== 'active' || before.activeSince > cutoff) return { changes: [], result: 0 };
      return { changes: [suspended(before, reason)], result: 1 };
    });
  }

  /** One page of principals that may need something. @returns where the next begins, undefined after the last */
  async #sweepPage(after: string | undefined): Promise<string | undefined> {
    const page: Page = { limit: AT_ONCE, after };
    const now = this.#clock();
    const { rehomeDays } = await this.policy();
    const times = { at: rfc3339(now), until: rfc3339(now + rehomeDays * DAY_MICROS) };
    // Looked at first without keeping other changes waiting: mostly there is nothing to do.
    const look = async (db: StateDb): Promise<{ changes: Change[]; last: string | undefined }> => {
      const found = await listPrincipals(db, { unsettled: true }, page);
      const changes: Change[] = [];
      const gone = await disabledAmong(db, found);
      const settled = found.map((principal) => {
        const change = countdown(principal, gone, times);
        if (change !== null) changes.push(change.change);
        return change?.after ?? principal;
      });
      changes.push(...(await noticeChanges(db, settled, gone, times.at)));
      // Notices about principals for which all is well again, once.
      if (after === undefined) changes.push(...(await answeredNotices(db, times.at)));
      return { changes, last: found.length < AT_ONCE ? undefined : found.at(-1)?.id };
    };
    const looked = await look(this.#db);
    if (looked.changes.length === 0) return looked.last;
    return this.#changes.run(SYSTEM, async (db) => {
      const { changes, last } = await look(db);
      return { changes, result: last };
    });
  }
}

/** What the countdown of a principal comes to, if anything. */
function countdown(
  before: Principal,
  gone: ReadonlySet<string>,
  { at, until }: { readonly at: string; readonly until: string },
): { readonly change: Change; readonly after: Principal } | null {
  if (before.status !== 'active') return null;
  const { owner, rehomeBy } = before;
  if (!gone.has(owner.id)) {
    if (rehomeBy === null) return null;
    const after: Principal = { ...before, rehomeBy: null };
    return { change: updated(before, after, `${owner.name}, who answers for it, is active again`), after };
  }
  const left = `${owner.name}, who answered for it, was disabled`;
  if (rehomeBy === null && until > at) {
    const after: Principal = { ...before, rehomeBy: until };
    return { change: updated(before, after, left), after };
  }
  if (rehomeBy !== null && rehomeBy > at) return null;
  const reason = rehomeBy === null ? left : `${left}, and nobody took it over by ${rehomeBy.slice(0, 19)}Z`;
  const change = suspended(before, reason);
  return { change, after: change.after as Principal };
}

/** The change that suspends a principal. */
export function suspended(before: Principal, reason: string): Change {
  const after: Principal = { ...before, status: 'suspended', statusReason: reason, rehomeBy: null };
  return { ...updated(before, after, reason), type: 'principal.suspended' };
}

function updated(before: Principal, after: Principal, reason: string): Change {
  const principal = { id: after.id, name: after.name };
  return { type: 'principal.updated', entity: 'principal', before, after, principal, reason };
}

/** Ids of the owners and backup owners that are disabled. */
async function disabledAmong(db: StateDb, principals: readonly Principal[]): Promise<ReadonlySet<string>> {
  const ids = new Set(
    principals.flatMap(({ owner, backupOwner }) => [owner.id, backupOwner?.id ?? owner.id]),
  );
  const query = db
    .selectFrom('persons')
    .select('id')
    .where('id', 'in', [...ids]);
  return new Set((await query.where('status', '=', 'disabled').execute()).map(({ id }) => id));
}

const unusedAfter = (value: number | null): number | null =>
  value === null ? null : days(value, 1, UNUSED_DAYS_MAX);

function days(value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PosternError('POSTERN_INVALID', `That takes a number of days from ${least} to ${most}.`);
}
