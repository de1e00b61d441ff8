import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import type { ChangeRecord } from '../core/record.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { parseVerifierKeys } from '../ledger/note.ts';
import type { Commitment, StoredKind } from '../ledger/payload-seal.ts';
import { type Erased, PayloadStore } from '../ledger/payloads.ts';
import { readEntry, TileStore } from '../ledger/tiles.ts';
import type { ActivityFilter } from './filter.ts';
import { namingIndexDamage } from './index-damage.ts';
import { LongQuestions } from './long-questions.ts';
import type { ObservedClass } from './observed.ts';
import { type ActivityItem, type ActivityPage, ActivityQuery, type PageOptions } from './query.ts';
import type { ActivitySummary } from './summary.ts';
import type { SourceSeen } from './uses.ts';

/** One record with everything that belongs to it. */
export type RecordDetail = ActivityItem & {
  /** The leaf as it stands in the log. */
  readonly record: object;
  /** The leaf of the outcome, where there is one. */
  readonly outcome: object | null;
  /** Text of the statement; null where it has none or it was erased. Bytes that are no UTF-8 come as U+FFFD. */
  readonly statement: string | null;
  readonly parameters: readonly unknown[] | null;
  /** By kind of text: who destroyed it, when and why. */
  readonly erased: Readonly<Record<string, Erased>>;
};

/** An item of the activity with what was said to the resource. */
export type ToldItem = ActivityItem & Pick<RecordDetail, 'statement' | 'parameters' | 'erased'>;

/** A change record of a principal, or a notice about it, with its leaf. */
export type LifeRecord = ChangeRecord & { readonly leaf: number };

interface Commitments {
  readonly payloads?: Readonly<Partial<Record<StoredKind, Commitment>>>;
}

/** What the API asks the activity: pages and summaries from the index, single records from the log itself. */
export class Activity {
  readonly #logDir: string;
  readonly #query: ActivityQuery;
  readonly #tiles: TileStore;
  readonly #payloads: PayloadStore;
  readonly #long: LongQuestions;

  /** The sequencer's thread must have been started on this directory before, since it makes the files. */
  static open(options: { readonly dataDir: string; readonly keys: DataKeys }): Activity {
    const query = ActivityQuery.open(join(options.dataDir, 'index.db'));
    try {
      return new Activity(
        options.dataDir,
        query,
        PayloadStore.open(join(options.dataDir, 'payloads.db'), options.keys),
      );
    } catch (error) {
      query.close();
      throw error;
    }
  }

  private constructor(dataDir: string, query: ActivityQuery, payloads: PayloadStore) {
    this.#logDir = join(dataDir, 'log');
    this.#long = new LongQuestions(dataDir);
    this.#query = query;
    this.#tiles = new TileStore(this.#logDir);
    this.#payloads = payloads;
  }

  /** @see ActivityQuery.query */
  query(filter: ActivityFilter, page: PageOptions = {}): ActivityPage {
    return namingIndexDamage(() => this.#query.query(filter, page));
  }

  /**
   * Asked on a thread of its own: it may have to look at everything.
   *
   * @see ActivityQuery.summary
   */
  summary(filter: ActivityFilter): Promise<ActivitySummary> {
    return this.#long.ask({ kind: 'summary', filter });
  }

  /** Ids of the resources on which a principal did anything on a day (`YYYY-MM-DD`, UTC). */
  resourcesOf(principal: string, day: string): Promise<readonly string[]> {
    return this.#long.ask({ kind: 'resources', principal, day });
  }

  /** How many published records of a principal on a day have one of the texts, given by their commitments. */
  sharing(principal: string, day: string, commitments: readonly string[]): Promise<number> {
    return this.#long.ask({ kind: 'sharing', principal, day, commitments, size: this.#size() });
  }

  /**
   * When principals were last used, by id, as far as the index has come; those never used are absent.
   *
   * @see lastUsesOf
   */
  lastUses(ids: readonly string[]): ReadonlyMap<string, string> {
    return namingIndexDamage(() => this.#query.lastUses(ids));
  }

  /**
   * What became of a principal (id), in the order of the log and as published: its change records, and the notices about it.
   *
   * @param after leaf of the last record seen; -1 to begin
   */
  history(principal: string, after: number, limit: number): readonly LifeRecord[] {
    const size = this.#size();
    const leaves = namingIndexDamage(() => this.#query.history(principal, after, limit));
    return leaves
      .filter((leaf) => leaf < size)
      .map((leaf) => ({ ...(this.#leaf(leaf, size) as ChangeRecord), leaf }));
  }

  /** What was seen of whom and where, by class of statement, as far as the index has come. */
  observed(filter: Pick<ActivityFilter, 'principal' | 'resource' | 'since'>): readonly ObservedClass[] {
    return namingIndexDamage(() => this.#query.observed(filter));
  }

  /** Networks from which sessions of a principal (id) were opened, as far as the index has come. */
  sources(principal: string): readonly SourceSeen[] {
    return namingIndexDamage(() => this.#query.sources(principal));
  }

  /**
   * One record by its id: an intent or denial with statement, parameters and outcome, or a session or change
   * record. It is read from the log as published, so flush the ledger first to see what is newest.
   *
   * @throws PosternError POSTERN_NOT_FOUND
   */
  record(id: string): RecordDetail {
    const item = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
      ? namingIndexDamage(() => this.#query.item(id))
      : null;
    const size = this.#size();
    if (item === null || item.leaf >= size) {
      throw new PosternError(
        'POSTERN_NOT_FOUND',
        'The log has no record of that id.',
        'Records appear within two seconds.',
      );
    }
    const record = this.#leaf(item.leaf, size);
    return {
      ...item,
      record,
      outcome:
        item.outcomeLeaf === null || item.outcomeLeaf >= size ? null : this.#leaf(item.outcomeLeaf, size),
      ...this.#texts(record),
    };
  }

  /** Adds to each item its statement and parameters, as far as they are in the log as published and not erased. */
  withTexts(items: readonly ActivityItem[]): ToldItem[] {
    const size = this.#size();
    const nothing = { statement: null, parameters: null, erased: {} };
    return items.map((item) => ({
      ...item,
      ...(item.leaf < size ? this.#texts(this.#leaf(item.leaf, size)) : nothing),
    }));
  }

  async close(): Promise<void> {
    await this.#long.close();
    this.#query.close();
    this.#payloads.close();
  }

  #size(): number {
    const vkeys = parseVerifierKeys(readFileSync(join(this.#logDir, 'log.vkey'), 'utf8'));
    return openCheckpoint(readFileSync(join(this.#logDir, 'checkpoint')), vkeys).size;
  }

  #leaf(leaf: number, size: number): object {
    return JSON.parse(readEntry(this.#tiles, leaf, size).toString('utf8')) as object;
  }

  #texts(record: object): Pick<RecordDetail, 'statement' | 'parameters' | 'erased'> {
    const { payloads = {} } = record as Commitments;
    const parameters = this.#payload(payloads.parameters);
    return {
      statement: this.#payload(payloads.statement),
      parameters: parameters === null ? null : (JSON.parse(parameters) as unknown[]),
      erased: this.#erased(payloads),
    };
  }

  #payload(committed: Commitment | undefined): string | null {
    if (committed === undefined) return null;
    const payload = this.#payloads.get(committed.commitment);
    return payload === null || payload === 'erased' ? null : payload.data.toString('utf8');
  }

  #erased(payloads: Readonly<Record<string, Commitment>>): Record<string, Erased> {
    const erased: Record<string, Erased> = {};
    for (const [kind, { commitment }] of Object.entries(payloads)) {
      const found = this.#payloads.erasure(commitment);
      if (found !== null) erased[kind] = found;
    }
    return erased;
  }
}
