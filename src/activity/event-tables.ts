import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { BulkInsert } from './bulk-insert.ts';

/** How many intents that wait for their outcome are held in memory; older ones are found through the index. */
const WAITING = 100_000;
/** How many statement classes are held in memory. */
const CLASSES = 50_000;

/** From which leaf to which one principal did things of one class on one resource, within one batch. */
export interface Use {
  readonly principal: number;
  readonly resource: number;
  readonly class: number;
  readonly first: number;
  last: number;
  /** Commands that were let through, and that were not. */
  allowed: number;
  denied: number;
  /** Leaf of the last command that was let through; -1 where none was. */
  lastAllowed: number;
}

/** What stands in a row of `events`, beside the leaf. The numbers are those of the dictionaries; 0 for none. */
export interface EventRow {
  readonly id: string;
  /** Microseconds since the Unix epoch. */
  readonly time: number;
  readonly type: number;
  readonly kind: number;
  readonly decision: number;
  readonly principal: number;
  readonly resource: number;
  readonly session: number;
  readonly grant: number;
  readonly class: number;
}

/** An outcome as its record has it. */
export interface OutcomeRow {
  readonly intent: string;
  readonly status: string;
  readonly code: string;
  readonly rows: number;
  readonly bytes: number;
  readonly durationUs: number;
}

/** A record id as the index stores it: the 16 bytes of the UUID. */
export function idBytes(id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

/** A record id as text, from its 16 bytes. */
export function idText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The value of a query with one column and at most one row; 0 where it has none. */
export function one(db: DatabaseSync, sql: string, ...values: SQLInputValue[]): number {
  const row = db.prepare(sql).get(...values);
  return row === undefined ? 0 : Number(Object.values(row)[0] ?? 0);
}

/** The tables that grow with the log. What is added is written with {@link flush}, at the latest. */
export class EventTables {
  readonly #db: DatabaseSync;
  readonly #events: BulkInsert;
  readonly #outcomes: BulkInsert;
  readonly #details: BulkInsert;
  readonly #classes = new Map<string, number>();
  readonly #waiting = new Map<string, number>();
  readonly #uses = new Map<string, Use>();
  readonly #statements: Record<'findClass' | 'putClass' | 'findEvent' | 'putUse' | 'putBlock', StatementSync>;
  #nextClass: number;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#events = new BulkInsert(db, 'events', [
      ...['leaf', 'id', 'time', 'type', 'kind', 'decision', 'principal', 'resource', 'session', 'grant_n'],
      'class',
    ]);
    this.#outcomes = new BulkInsert(db, 'outcomes', [
      ...['intent', 'leaf', 'status', 'code', 'row_count', 'bytes', 'duration'],
    ]);
    this.#details = new BulkInsert(db, 'details', ['leaf', 'code', 'reason', 'subject']);
    this.#statements = {
      findClass: db.prepare('SELECT n FROM classes WHERE fingerprint = ? AND objects = ? AND verbs = ?'),
      putClass: db.prepare('INSERT INTO classes (n, verbs, objects, fingerprint) VALUES (?, ?, ?, ?)'),
      findEvent: db.prepare('SELECT leaf FROM events WHERE id = ?'),
      putUse: db.prepare(
        'INSERT INTO uses (principal, resource, class, first, last, allowed, denied, last_allowed) ' +
          'VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = max(last, excluded.last), ' +
          'allowed = allowed + excluded.allowed, denied = denied + excluded.denied, ' +
          'last_allowed = max(last_allowed, excluded.last_allowed)',
      ),
      putBlock: db.prepare(
        'INSERT INTO blocks (block, min_time, max_time) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ' +
          'min_time = min(min_time, excluded.min_time), max_time = max(max_time, excluded.max_time)',
      ),
    };
    this.#nextClass = one(db, 'SELECT max(n) FROM classes') + 1;
  }

  addEvent(leaf: number, row: EventRow): void {
    const { time, type, kind, decision, principal, resource, session, grant } = row;
    const id = idBytes(row.id);
    this.#events.add(leaf, id, time, type, kind, decision, principal, resource, session, grant, row.class);
  }

  /** Says that a leaf is of the principal, resource and class; where others of the batch are, they share what is answered. */
  use(leaf: number, principal: number, resource: number, classNumber: number): Use {
    const key = `${principal} ${resource} ${classNumber}`;
    let use = this.#uses.get(key);
    if (use === undefined) {
      const none = { allowed: 0, denied: 0, lastAllowed: -1 };
      use = { principal, resource, class: classNumber, first: leaf, last: leaf, ...none };
      this.#uses.set(key, use);
    }
    if (leaf > use.last) use.last = leaf;
    return use;
  }

  /** An intent whose outcome is to come. */
  wait(intent: string, leaf: number): void {
    this.#waiting.set(intent, leaf);
    if (this.#waiting.size > WAITING) this.#waiting.delete(this.#waiting.keys().next().value as string);
  }

  addOutcome(leaf: number, { intent, status, code, rows, bytes, durationUs }: OutcomeRow): void {
    const waiting = this.#waiting.get(intent);
    this.#waiting.delete(intent);
    const of = waiting ?? (this.#statements.findEvent.get(idBytes(intent))?.leaf as number | undefined);
    // An outcome whose intent is not in the log is no answer to any question; verification reports it.
    if (of !== undefined) this.#outcomes.add(of, leaf, status, code, rows, bytes, durationUs);
  }

  addDetail(leaf: number, code: string | null, reason: string | null, subject: string | null): void {
    this.#details.add(leaf, code, reason, subject);
  }

  putBlock(block: number, minTime: number, maxTime: number): void {
    this.#statements.putBlock.run(block, minTime, maxTime);
  }

  /** The number of a statement class. */
  class(verbList: readonly string[], objectList: readonly string[], fingerprint: string): number {
    const verbs = JSON.stringify(verbList);
    const objects = JSON.stringify(objectList);
    const key = `${fingerprint} ${verbs} ${objects}`;
    let n = this.#classes.get(key);
    if (n === undefined) {
      n = this.#statements.findClass.get(fingerprint, objects, verbs)?.n as number | undefined;
      if (n === undefined) {
        n = this.#nextClass++;
        this.#statements.putClass.run(n, verbs, objects, fingerprint);
      }
      this.#classes.set(key, n);
    }
    return n;
  }

  /** Writes what was added. Within the transaction of the batch. */
  flush(): void {
    for (const table of [this.#events, this.#outcomes, this.#details]) table.flush();
    for (const {
      principal,
      resource,
      class: n,
      first,
      last,
      allowed,
      denied,
      lastAllowed,
    } of this.#uses.values()) {
      this.#statements.putUse.run(principal, resource, n, first, last, allowed, denied, lastAllowed);
    }
    this.#uses.clear();
    if (this.#classes.size > CLASSES) this.#classes.clear();
  }

  /** After a batch that failed, nothing in memory may claim to be in the file. */
  drop(): void {
    for (const table of [this.#events, this.#outcomes, this.#details]) table.drop();
    this.#classes.clear();
    this.#waiting.clear();
    this.#uses.clear();
    this.#nextClass = one(this.#db, 'SELECT max(n) FROM classes') + 1;
  }
}
