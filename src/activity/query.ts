import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import { type Authority, type Delegator, RECORD_TYPES, type Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { type Order, readCursor, writeCursor } from './cursor.ts';
import { idBytes, idText } from './event-tables.ts';
import { type ActivityFilter, type Plan, plan, type Segment } from './filter.ts';
import { Known } from './known.ts';
import { type ObservedClass, observed } from './observed.ts';
import { conditions, source } from './plan-sql.ts';
import { DECISION, INDEX_VERSION } from './schema.ts';
import { type ActivitySummary, summarize } from './summary.ts';
import { historyOf, lastUsesOf, type SourceSeen, sourcesOf } from './uses.ts';

/** One line of the activity. Fields that do not apply to its type are null or empty. */
export type ActivityItem = {
  readonly id: string;
  readonly leaf: number;
  readonly time: string;
  readonly type: string;
  readonly principal: Ref | null;
  /** Who was accountable for the principal at that moment. */
  readonly owner: Ref | null;
  readonly resource: Ref | null;
  readonly grant: string | null;
  readonly authority: Authority | null;
  readonly ticket: string | null;
  readonly session: string | null;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string | null;
  readonly decision: 'allow' | 'deny' | null;
  readonly reason: string | null;
  /** Of the outcome; null where none is in the log (yet). */
  readonly status: string | null;
  /** Native result of the outcome, or Postern's code of the denial. */
  readonly code: string | null;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly durationUs: number | null;
  readonly outcomeLeaf: number | null;
  /** On whose behalf the principal acted, the origin first; empty where on its own. */
  readonly delegation: readonly Delegator[];
  /** What a change record changed. */
  readonly subject: { readonly entity: string; readonly id: string; readonly name: string } | null;
};

export interface ActivityPage {
  readonly items: readonly ActivityItem[];
  readonly next: string | null;
}

export interface PageOptions {
  /** By leaf. Default `desc`, the newest first. */
  readonly order?: Order | undefined;
  /** 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

type Row = Record<string, SQLOutputValue>;

const COLUMNS =
  'e.leaf, e.id, e.time, e.type, e.decision, e.principal, e.resource, e.session, e.grant_n, ' +
  'c.verbs, c.objects, c.fingerprint, o.leaf AS outcome, o.status, o.code AS outcome_code, o.row_count, o.bytes, ' +
  'o.duration, d.code, d.reason, d.subject';
const JOINS =
  'LEFT JOIN classes c ON c.n = e.class LEFT JOIN outcomes o ON o.intent = e.leaf ' +
  'LEFT JOIN details d ON d.leaf = e.leaf';

/** Questions to the activity index. Opens its own read-only connection; any number may read beside the one writer. */
export class ActivityQuery {
  readonly #db: DatabaseSync;
  readonly #known: Known;

  /** @param file path of index.db, which the sequencer's thread has made */
  static open(file: string): ActivityQuery {
    const db = new DatabaseSync(file, { readOnly: true });
    db.exec('PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536;');
    const version = db.prepare('PRAGMA user_version').get()?.user_version;
    if (version !== INDEX_VERSION) {
      db.close();
      throw new PosternError('POSTERN_INTERNAL', 'The activity index is of another version.');
    }
    return new ActivityQuery(db);
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#known = new Known(db);
  }

  /** How many leaves the index holds: what is newer is not yet in the answers. */
  indexedSize(): number {
    return Number(this.#db.prepare("SELECT value FROM meta WHERE key = 'size'").get()?.value ?? 0);
  }

  /**
   * One page of the activity that fits the filter, in the order of the leaves.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND (see `plan` and `readCursor`)
   */
  query(filter: ActivityFilter, page: PageOptions = {}): ActivityPage {
    const order = page.order ?? 'desc';
    const limit = page.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      throw new PosternError('POSTERN_INVALID', 'The limit must be a number from 1 to 1000.');
    }
    const after = page.cursor === undefined ? null : readCursor(page.cursor, order, filter);
    const planned = plan(this.#db, filter);
    const leaves = planned.segments.flatMap((s) => this.#leaves(planned, s, order, limit + 1, after));
    leaves.sort((a, b) => (order === 'asc' ? a - b : b - a));
    const shown = leaves.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: this.#items(shown),
      next: leaves.length > limit && last !== undefined ? writeCursor(last, order, filter) : null,
    };
  }

  /** "What did this job do, and on whose authority?": counts over everything that fits the filter. */
  summary(filter: ActivityFilter): ActivitySummary {
    return summarize(this.#db, this.#known, plan(this.#db, { ...filter, type: 'command' }));
  }

  /** What was seen of whom and where since then; everybody and everywhere where nothing is named. */
  observed(filter: Pick<ActivityFilter, 'principal' | 'resource' | 'since'>): ObservedClass[] {
    const { segments, resource } = plan(this.#db, { principal: filter.principal, resource: filter.resource });
    const principal = filter.principal === undefined ? null : (segments[0]?.principal ?? -1);
    return observed(this.#db, this.#known, { principal, resource, since: filter.since ?? null });
  }

  /** Ids of the resources that any record of the filter names. */
  resources(filter: ActivityFilter): string[] {
    const planned = plan(this.#db, { ...filter, type: 'all' });
    const found = new Set<number>();
    for (const segment of planned.segments) {
      const { sql, values } = conditions(planned, segment);
      const from = source(planned, segment);
      const rows = this.#db.prepare(`SELECT DISTINCT e.resource FROM ${from} WHERE ${sql}`).all(...values);
      for (const row of rows) found.add(Number(row.resource));
    }
    return [...found].flatMap((n) => this.#known.ref(n)?.id ?? []);
  }

  /** The first and the last leaf that fit the filter, of any type; null where none does. */
  range(filter: ActivityFilter): { readonly first: number; readonly last: number } | null {
    const end = (order: Order): number | undefined =>
      this.query({ ...filter, type: 'all' }, { order, limit: 1 }).items[0]?.leaf;
    const [first, last] = [end('asc'), end('desc')];
    return first === undefined || last === undefined ? null : { first, last };
  }

  /** The item of one record by its id, or null where the index has none of that id. */
  item(id: string): ActivityItem | null {
    const row = this.#db.prepare('SELECT leaf FROM events WHERE id = ?').get(idBytes(id));
    return row === undefined ? null : (this.#items([Number(row.leaf)])[0] ?? null);
  }

  /** @see lastUsesOf */
  lastUses(ids: readonly string[]): ReadonlyMap<string, string> {
    return lastUsesOf(this.#db, ids);
  }

  /** @see historyOf */
  history(principal: string, after: number, limit: number): number[] {
    return historyOf(this.#db, principal, after, limit);
  }

  /** @see sourcesOf */
  sources(principal: string): readonly SourceSeen[] {
    return sourcesOf(this.#db, principal);
  }

  close(): void {
    this.#db.close();
  }

  #leaves(planned: Plan, segment: Segment, order: Order, limit: number, after: number | null): number[] {
    const { sql, values } = conditions(planned, segment);
    const past = after === null ? '' : ` AND e.leaf ${order === 'asc' ? '>' : '<'} ${after}`;
    const rows = this.#db
      .prepare(
        `SELECT e.leaf FROM ${source(planned, segment)} WHERE ${sql}${past} ORDER BY e.leaf ${order} LIMIT ?`,
      )
      .all(...values, limit);
    return rows.map((row) => Number(row.leaf));
  }

  #items(leaves: readonly number[]): ActivityItem[] {
    const select = this.#db.prepare(`SELECT ${COLUMNS} FROM events e ${JOINS} WHERE e.leaf = ?`);
    return leaves.map((leaf) => this.#item(select.get(leaf) as Row));
  }

  #item(row: Row): ActivityItem {
    const leaf = Number(row.leaf);
    const principal = this.#known.ref(Number(row.principal));
    const grant = this.#known.ref(Number(row.grant_n))?.id ?? null;
    const authority = grant === null ? null : this.#known.authority(grant);
    const session = this.#known.ref(Number(row.session));
    return {
      id: idText(row.id as Uint8Array),
      leaf,
      time: rfc3339(Number(row.time)),
      type: RECORD_TYPES[Number(row.type)] ?? 'unknown',
      principal,
      owner: principal === null ? null : this.#known.ownerAt(principal.id, leaf),
      resource: this.#known.ref(Number(row.resource)),
      grant,
      authority,
      ticket: authority?.ticket ?? null,
      session: session?.id ?? null,
      delegation: session === null || session.name === '' ? [] : (JSON.parse(session.name) as Delegator[]),
      verbs: row.verbs === null ? [] : (JSON.parse(String(row.verbs)) as string[]),
      objects: row.objects === null ? [] : (JSON.parse(String(row.objects)) as string[]),
      fingerprint: row.fingerprint === null || row.fingerprint === '' ? null : String(row.fingerprint),
      decision: row.decision === DECISION.allow ? 'allow' : row.decision === DECISION.deny ? 'deny' : null,
      reason: textOrNull(row.reason),
      status: textOrNull(row.status),
      code: textOrNull(row.outcome_code) ?? textOrNull(row.code),
      rows: numberOrNull(row.row_count),
      bytes: numberOrNull(row.bytes),
      durationUs: numberOrNull(row.duration),
      outcomeLeaf: numberOrNull(row.outcome),
      subject: row.subject === null ? null : JSON.parse(String(row.subject)),
    };
  }
}

function textOrNull(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
