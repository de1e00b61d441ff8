import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, PayloadErased, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkReason } from '../identity/input.ts';
import { type ErasurePlan, type Found, PayloadErasure, type Selection } from '../ledger/payload-erasure.ts';
import type { StoredKind } from '../ledger/payload-seal.ts';
import { byDay, type DueDay, isDue, longest } from '../ledger/retention.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { LegalHold, RetentionPolicy } from '../store/entities.ts';
import { findPrincipal, listLegalHolds } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** What the payload store calls records of no principal. */
const NO_PRINCIPAL = '-';
const ALL_KINDS: readonly StoredKind[] = ['statement', 'parameters', 'record'];
const DAY_MS = 86_400_000;

/** What is to be erased. */
export type ErasureTarget =
  | {
      /** Id of the principal. */
      readonly principal: string;
      /** `YYYY-MM-DD`, UTC. */
      readonly day: string;
    }
  | {
      /** Id of the record that was named. */
      readonly record: string;
      /** Of its texts, in hex. */
      readonly commitments: readonly string[];
    };

export interface ErasurePreview {
  /** Null where the texts are of records of no principal. */
  readonly principal: Ref | null;
  readonly day: string;
  readonly kinds: readonly string[];
  /** How many texts. */
  readonly payloads: number;
  /** Holds that forbid it. */
  readonly holds: readonly LegalHold[];
  /** Journal files that may have the texts in plain: before an erasure, or those that it could not get deleted. */
  readonly journals: readonly string[];
}

export interface Erasure extends ErasurePreview {
  /** Id of the record of it. */
  readonly record: string;
}

export interface RetentionRun {
  readonly erased: readonly (ErasurePreview & { readonly record: string | null })[];
  readonly held: readonly ErasurePreview[];
}

export interface ErasureOptions {
  readonly dataDir: string;
  readonly keys: DataKeys;
  readonly db: StateDb;
  readonly changes: ChangeLog;
  /** Writes a record, durably. Called while no change is under way. */
  readonly write: (record: PayloadErased) => Promise<void>;
  /** Has all writers begin new journals, and those so far taken into the log and deleted. */
  readonly emptyJournals: () => Promise<void>;
}

/**
 * Destroys texts: on the word of an administrator, or because their time is over. Each erasure is a record, written before
 * anything is destroyed; a legal hold forbids it.
 */
export class Erasures {
  readonly #options: ErasureOptions;
  readonly #store: PayloadErasure;

  constructor(options: ErasureOptions) {
    this.#options = options;
    this.#store = PayloadErasure.open(join(options.dataDir, 'payloads.db'), options.keys);
  }

  /** What an erasure would destroy. @throws PosternError POSTERN_NOT_FOUND where there is nothing to destroy */
  async preview(target: ErasureTarget): Promise<ErasurePreview> {
    return this.#describe(this.#found(selectionOf(target)));
  }

  /**
   * Destroys texts for good.
   *
   * @throws PosternError POSTERN_NOT_FOUND where there is nothing to destroy; POSTERN_CONFLICT where a legal hold forbids
   * it; POSTERN_AUDIT_UNAVAILABLE where it cannot be recorded: then nothing is destroyed
   */
  async erase(actor: Actor, target: ErasureTarget, reason: string): Promise<Erasure> {
    const why = checkReason(reason);
    const selection = selectionOf(target);
    const of = 'record' in target ? target.record : null;
    const done = await this.#options.changes.exclusive(async () => {
      const described = await this.#describe(this.#found(selection));
      if (described.holds[0] !== undefined) throw held(described.holds[0]);
      const plan = planOf(actor, selection, why, 'request', of);
      await this.#store.destroy(plan, (found) => this.#write(plan, found, described.principal));
      return { ...described, record: plan.record };
    });
    const left = await this.#clean();
    return { ...done, journals: left(done.day) };
  }

  /**
   * Destroys the texts whose time is over by the policy. A text is kept as long as the longest time of the classifications
   * of all resources that its principal used on that day, since equal texts of a day are one.
   *
   * @param resourcesOf ids of the resources on which a principal did anything on a day
   */
  async retain(
    actor: Actor,
    policy: RetentionPolicy,
    resourcesOf: (principalId: string, day: string) => Promise<readonly string[]>,
    options: { readonly dryRun: boolean; readonly now?: number; readonly signal?: AbortSignal },
  ): Promise<RetentionRun> {
    const now = options.now ?? Date.now();
    const erased: RetentionRun['erased'][number][] = [];
    const kept: ErasurePreview[] = [];
    for (const candidate of byDay(this.#store.days())) {
      if (options.signal?.aborted) break;
      const due = await this.#due(candidate, policy, resourcesOf, now);
      if (due === null) continue;
      // In turns of its own each, so that nobody who changes anything else waits for all of them.
      await this.#options.changes.exclusive(async () => {
        const { principalId, day, kinds } = due;
        const found = this.#store.find({ principalId, day, kinds });
        if (found === null) return;
        const described = await this.#describe(found);
        if (described.holds.length > 0) kept.push(described);
        else if (options.dryRun) erased.push({ ...described, record: null });
        else {
          const plan = planOf(
            actor,
            { principalId, day, kinds },
            'its time of retention is over',
            'retention',
          );
          await this.#store.destroy(plan, (now_) => this.#write(plan, now_, described.principal));
          erased.push({ ...described, record: plan.record });
        }
      });
    }
    if (options.dryRun) return { erased, held: kept };
    const left = await this.#clean();
    return { erased: erased.map((each) => ({ ...each, journals: left(each.day) })), held: kept };
  }

  /** Carries out what was begun before the last process ended, and empties all files of what was destroyed. */
  async settle(): Promise<void> {
    await this.#options.changes.exclusive(async () => {
      for (const { n, plan } of this.#store.unfinished()) {
        const found = this.#store.find(plan.selection);
        // A hold that was placed since comes first: it is done when that is released.
        if (found !== null && (await this.#describe(found)).holds.length > 0) continue;
        const again = { ...plan, record: uuidv7(), time: rfc3339(nowMicros()) };
        await this.#store.resume(n, again, async (found) =>
          this.#write(again, found, await this.#principal(found.principalId)),
        );
      }
    });
    await this.#clean();
  }

  close(): void {
    this.#store.close();
  }

  /**
   * Removes the copies that are left of what was destroyed. What cannot be removed now is tried again with the next run
   * of retention.
   *
   * @returns tells which journals of a day are still there
   */
  async #clean(): Promise<(day: string) => string[]> {
    if (!this.#store.unclean) return () => [];
    const dir = join(this.#options.dataDir, 'journal');
    const begun = Date.now();
    const emptied = await this.#options.emptyJournals().then(
      () => true,
      // The caller hears which journals are left, and the state of the log says why.
      () => false,
    );
    for (const name of existsSync(dir) ? readdirSync(dir) : []) {
      if (name.endsWith('.torn')) rmSync(join(dir, name));
    }
    const left = (day: string): string[] => journalsOf(dir, day).filter((name) => begunAt(name) < begun);
    await this.#options.changes.exclusive(() => this.#store.clean(emptied));
    return left;
  }

  #found(selection: Selection): Found {
    const found = this.#store.find(selection);
    if (found !== null) return found;
    throw new PosternError(
      'POSTERN_NOT_FOUND',
      'There is no text to erase: there was none, or it is erased already.',
      'What was recorded a moment ago takes up to two seconds to be found.',
    );
  }

  async #describe({ principalId, day, kinds, payloads }: Found): Promise<ErasurePreview> {
    const principal = await this.#principal(principalId);
    const holds = await listLegalHolds(this.#options.db, { status: 'active', on: principalId });
    const journals = journalsOf(join(this.#options.dataDir, 'journal'), day);
    return { principal, day, kinds, payloads, holds, journals };
  }

  async #principal(id: string): Promise<Ref | null> {
    if (id === NO_PRINCIPAL) return null;
    return { id, name: (await findPrincipal(this.#options.db, id))?.name ?? id };
  }

  async #due(
    { principalId, day, kinds }: DueDay,
    policy: RetentionPolicy,
    resourcesOf: (principalId: string, day: string) => Promise<readonly string[]>,
    now: number,
  ): Promise<DueDay | null> {
    const all = [policy, ...Object.values(policy.classifications)];
    if (!kinds.some((kind) => all.some((keep) => isDue(kind, day, keep, now)))) return null;
    const used = await resourcesOf(principalId, day);
    const rows = await this.#options.db
      .selectFrom('resources')
      .select(['id', 'classification'])
      .where('id', 'in', used)
      .execute();
    // Where it is not known what a text was used with, it may have been anything.
    const known = rows.length > 0 && rows.length === used.length;
    const keep = longest(
      known
        ? rows.map(({ classification }) => {
            const own = Object.hasOwn(policy.classifications, classification);
            return (own ? policy.classifications[classification] : undefined) ?? policy;
          })
        : all,
    );
    const due = kinds.filter((kind) => isDue(kind, day, keep, now));
    return due.length === 0 ? null : { principalId, day, kinds: due };
  }

  #write(plan: ErasurePlan, found: Found, principal: Ref | null): Promise<void> {
    const { kinds, payloads, commitments, day } = found;
    return this.#options.write({
      id: plan.record,
      time: plan.time,
      type: 'payload.erased',
      actor: plan.by,
      ...(principal && { principal }),
      erasure: { day, kinds, payloads, commitments, record: plan.of, cause: plan.cause },
      reason: plan.reason,
    });
  }
}

function selectionOf(target: ErasureTarget): Selection {
  if ('commitments' in target) return { commitments: target.commitments };
  return { principalId: target.principal, day: target.day, kinds: ALL_KINDS };
}

function planOf(
  { kind, id, name }: Actor,
  selection: Selection,
  reason: string,
  cause: ErasurePlan['cause'],
  of: string | null = null,
): ErasurePlan {
  const time = rfc3339(nowMicros());
  return { record: uuidv7(), time, by: { kind, id, name }, reason, cause, of, selection };
}

function held(hold: LegalHold): PosternError {
  const on = hold.principal === null ? 'everything' : hold.principal.name;
  return new PosternError(
    'POSTERN_CONFLICT',
    `The legal hold ${hold.id} on ${on} forbids it: ${hold.reason}`,
    'It has to be released first: postern hold release.',
  );
}

/** Names of journal files that were being written on or after that day, and begun before its end. */
function journalsOf(dir: string, day: string): string[] {
  const from = Date.parse(`${day}T00:00:00Z`);
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((name) => {
    const begun = begunAt(name);
    const last = statSync(join(dir, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    // What was recorded just before midnight may be written just after it.
    return begun < from + DAY_MS + 60_000 && last >= from;
  });
}

/** When a journal file was begun, in milliseconds since the epoch; NaN where it is none. */
function begunAt(name: string): number {
  return Number(/-(\d+)\.journal(\.torn)?$/.exec(name)?.[1] ?? Number.NaN);
}
