import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { entries, TileStore } from '../ledger/tiles.ts';
import type { ActivityFilter } from './filter.ts';
import { ActivityQuery } from './query.ts';
import type { ActivitySummary } from './summary.ts';

/** Questions that may have to look at millions of rows. */
export type LongQuestion =
  | { readonly kind: 'summary'; readonly filter: ActivityFilter }
  | { readonly kind: 'resources'; readonly principal: string; readonly day: string }
  | {
      readonly kind: 'sharing';
      readonly principal: string;
      readonly day: string;
      /** In hex. */
      readonly commitments: readonly string[];
      /** Leaves of the log as published. */
      readonly size: number;
    };

/** What each question is answered with, by its kind. */
export interface LongAnswers {
  readonly summary: ActivitySummary;
  /** Ids of the resources on which the principal did anything on that day. */
  readonly resources: readonly string[];
  /** How many records of the principal on that day have one of the texts. */
  readonly sharing: number;
}

const DAY_MS = 86_400_000;

/** Answers long questions, on the calling thread. */
export class LongReader {
  readonly #query: ActivityQuery;
  readonly #tiles: TileStore;

  constructor(dataDir: string) {
    this.#query = ActivityQuery.open(join(dataDir, 'index.db'));
    this.#tiles = new TileStore(join(dataDir, 'log'));
  }

  answer(question: LongQuestion): LongAnswers[LongQuestion['kind']] {
    if (question.kind === 'summary') return this.#query.summary(question.filter);
    const of = { principal: question.principal, ...dayOf(question.day) };
    if (question.kind === 'resources') return known(() => this.#query.resources(of)) ?? [];
    const range = known(() => this.#query.range(of)) ?? null;
    return range === null ? 0 : this.#sharing(question.commitments, range.first, range.last, question.size);
  }

  #sharing(commitments: readonly string[], first: number, last: number, size: number): number {
    const marks = commitments.map((commitment) => Buffer.from(`"commitment":"${commitment}"`));
    let found = 0;
    for (const { index, entry } of entries(this.#tiles, first, size)) {
      if (index > last) break;
      if (marks.some((mark) => entry.includes(mark))) found += 1;
    }
    return found;
  }
}

function dayOf(day: string): { since: string; until: string } {
  const since = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(since)) throw new PosternError('POSTERN_INVALID', 'Not a day.', 'Write it 2026-11-21.');
  return { since: `${day}T00:00:00Z`, until: new Date(since + DAY_MS).toISOString() };
}

/** Undefined where the log does not know the principal. */
function known<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof PosternError && error.code === 'POSTERN_NOT_FOUND') return undefined;
    throw error;
  }
}
