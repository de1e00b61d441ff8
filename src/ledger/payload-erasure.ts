import type { DatabaseSync } from 'node:sqlite';
import type { Ref } from '../core/record.ts';
import { openPayloadDb } from './payload-db.ts';
import type { StoredKind } from './payloads.ts';

/**
 * Destroys payloads for good. Of a principal's whole day, by destroying its keys (what they sealed is noise from that moment
 * on, wherever a copy of it lies) and then the ciphertexts; of single payloads, by destroying their ciphertexts.
 *
 * The order: what is to be done is stored; in one transaction everything is destroyed, the record of it is written, and only
 * then the transaction is committed. After a crash in between, `unfinished` says what has to be done again.
 */

/** What is to be destroyed. */
export type Selection =
  | {
      readonly principalId: string;
      /** `YYYY-MM-DD` */
      readonly day: string;
      readonly kinds: readonly StoredKind[];
    }
  | {
      /** In hex, all of one principal and day. */
      readonly commitments: readonly string[];
    };

/** What a selection finds. */
export interface Found {
  readonly principalId: string;
  readonly day: string;
  readonly kinds: readonly StoredKind[];
  /** How many payloads that are not destroyed yet. */
  readonly payloads: number;
  /** Null where it is everything of the day. */
  readonly commitments: readonly string[] | null;
}

/** Who wants what destroyed, and why. Kept beside what was destroyed. */
export interface ErasurePlan {
  /** Id of the `payload.erased` record. */
  readonly record: string;
  /** RFC 3339. */
  readonly time: string;
  readonly by: Ref & { readonly kind: 'person' | 'principal' | 'system' };
  readonly reason: string;
  readonly cause: 'request' | 'retention';
  /** The record that was named, where it was one. */
  readonly of: string | null;
  readonly selection: Selection;
}

/** Keys of one principal, day and kind that are not destroyed. */
export interface KeptDay {
  readonly principalId: string;
  readonly day: string;
  readonly kind: StoredKind;
}

/** Ciphertexts overwritten per transaction. */
const CHUNK = 256;

export class PayloadErasure {
  readonly #db: DatabaseSync;

  static open(file: string): PayloadErasure {
    return new PayloadErasure(openPayloadDb(file));
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** What a selection finds; null where it finds nothing that is not destroyed already. */
  find(selection: Selection): Found | null {
    return 'day' in selection ? this.#findDay(selection) : this.#findSome(selection.commitments);
  }

  /** Every principal, day and kind of which there is a key, oldest day first. */
  days(): KeptDay[] {
    const rows = this.#db
      .prepare('SELECT DISTINCT principal, day, kind FROM data_keys WHERE wrapped IS NOT NULL ORDER BY day')
      .all();
    return rows.map(({ principal, day, kind }) => ({
      principalId: String(principal),
      day: String(day),
      kind: String(kind) as StoredKind,
    }));
  }

  /**
   * Destroys what the plan selects. `record` writes the record of it, durably; where it fails nothing is destroyed. Nobody
   * can store payloads meanwhile, and no second call may be made before the first is done.
   *
   * @returns null where there was nothing to destroy; `record` was not called then
   */
  async destroy(plan: ErasurePlan, record: (found: Found) => Promise<void>): Promise<Found | null> {
    if (this.find(plan.selection) === null) return null;
    const insert = this.#db.prepare("INSERT INTO erasures (state, plan) VALUES ('begun', ?)");
    return this.#carryOut(Number(insert.run(JSON.stringify(plan)).lastInsertRowid), plan, record);
  }

  /** Plans that were begun and not carried out: the process ended in between, or the disk failed. */
  unfinished(): { readonly n: number; readonly plan: ErasurePlan }[] {
    const rows = this.#db.prepare("SELECT n, plan FROM erasures WHERE state = 'begun' ORDER BY n").all();
    return rows.map(({ n, plan }) => ({ n: Number(n), plan: JSON.parse(String(plan)) as ErasurePlan }));
  }

  /**
   * Carries out what was begun before. The plan comes with a record id and time of its own, since the record of the first
   * attempt may or may not be in the log.
   */
  async resume(n: number, plan: ErasurePlan, record: (found: Found) => Promise<void>): Promise<Found | null> {
    this.#db.prepare('UPDATE erasures SET plan = ? WHERE n = ?').run(JSON.stringify(plan), n);
    return this.#carryOut(n, plan, record);
  }

  /** Whether something was destroyed of which copies may still be there: ciphertexts, or the journals it came from. */
  get unclean(): boolean {
    return this.#db.prepare("SELECT n FROM erasures WHERE state = 'destroyed'").get() !== undefined;
  }

  /**
   * Overwrites the ciphertexts whose keys were destroyed, and empties the write-ahead file, in which the old pages still
   * are. False where somebody was reading: then it is to be called again.
   *
   * @param journals whether the journals that the texts came from are gone; else it is to be called again as well
   */
  async clean(journals: boolean): Promise<boolean> {
    const open = this.#db.prepare("SELECT n FROM erasures WHERE state = 'destroyed'").all();
    if (open.length === 0) return true;
    for (const { n } of open) {
      const keys = this.#db.prepare('SELECT n FROM data_keys WHERE erasure = ?').all(Number(n));
      for (const key of keys) await this.#overwrite(Number(key.n));
    }
    if (this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 0 || !journals) return false;
    const done = this.#db.prepare("UPDATE erasures SET state = 'done' WHERE n = ?");
    for (const { n } of open) done.run(Number(n));
    return true;
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  async #carryOut(
    n: number,
    plan: ErasurePlan,
    record: (found: Found) => Promise<void>,
  ): Promise<Found | null> {
    let recorded = false;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const found = this.find(plan.selection);
      if (found !== null) {
        this.#destroy(n, found);
        await record(found);
        recorded = true;
      }
      this.#db
        .prepare('UPDATE erasures SET state = ? WHERE n = ?')
        .run(found === null ? 'done' : 'destroyed', n);
      this.#db.exec('COMMIT');
      return found;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      // Recorded but not done: it stays begun, so that it is done.
      if (!recorded) this.#db.prepare("DELETE FROM erasures WHERE n = ? AND state = 'begun'").run(n);
      throw error;
    }
  }

  #destroy(n: number, { principalId, day, kinds, commitments }: Found): void {
    if (commitments === null) {
      for (const kind of kinds) {
        const which = 'WHERE principal = ? AND day = ? AND kind = ? AND wrapped IS NOT NULL';
        // The same length, so that it is written over the key itself; then the key is gone from the row as well.
        this.#db
          .prepare(`UPDATE data_keys SET wrapped = zeroblob(length(wrapped)) ${which}`)
          .run(principalId, day, kind);
        this.#db
          .prepare(`UPDATE data_keys SET wrapped = NULL, open = 0, erasure = ? ${which}`)
          .run(n, principalId, day, kind);
      }
      return;
    }
    const list = JSON.stringify(commitments);
    const which = 'WHERE commitment IN (SELECT unhex(value) FROM json_each(?)) AND sealed IS NOT NULL';
    this.#db
      .prepare(`UPDATE data_keys SET open = 0 WHERE open = 1 AND n IN (SELECT key FROM payloads ${which})`)
      .run(list);
    this.#db.prepare(`UPDATE payloads SET sealed = zeroblob(length(sealed)) ${which}`).run(list);
    this.#db.prepare(`UPDATE payloads SET sealed = NULL, erasure = ? ${which}`).run(n, list);
  }

  async #overwrite(key: number): Promise<void> {
    const next = this.#db.prepare(
      `SELECT max(n) AS last FROM (SELECT n FROM payloads WHERE key = ? AND n > ? ORDER BY n LIMIT ${CHUNK})`,
    );
    const drop = this.#db.prepare(
      'UPDATE payloads SET sealed = NULL WHERE key = ? AND n > ? AND n <= ? AND sealed IS NOT NULL',
    );
    for (let from = 0; ; ) {
      const last = next.get(key, from)?.last;
      if (typeof last !== 'number') return;
      drop.run(key, from, last);
      from = last;
      await new Promise((done) => setImmediate(done));
    }
  }

  #findDay(selection: Extract<Selection, { day: string }>): Found | null {
    const { principalId, day } = selection;
    const rows = this.#db
      .prepare(
        'SELECT k.kind, sum(p.sealed IS NOT NULL) AS payloads FROM data_keys k LEFT JOIN payloads p ON p.key = k.n ' +
          'WHERE k.principal = ? AND k.day = ? AND k.wrapped IS NOT NULL ' +
          'AND k.kind IN (SELECT value FROM json_each(?)) GROUP BY k.kind ORDER BY k.kind',
      )
      .all(principalId, day, JSON.stringify(selection.kinds));
    if (rows.length === 0) return null;
    const kinds = rows.map(({ kind }) => String(kind) as StoredKind);
    const payloads = rows.reduce((sum, row) => sum + Number(row.payloads), 0);
    return { principalId, day, kinds, payloads, commitments: null };
  }

  #findSome(wanted: readonly string[]): Found | null {
    const rows = this.#db
      .prepare(
        'SELECT lower(hex(p.commitment)) AS commitment, k.principal, k.day, k.kind FROM payloads p ' +
          'JOIN data_keys k ON k.n = p.key WHERE p.commitment IN (SELECT unhex(value) FROM json_each(?)) ' +
          'AND p.sealed IS NOT NULL AND k.wrapped IS NOT NULL ORDER BY p.n',
      )
      .all(JSON.stringify(wanted));
    const [first] = rows;
    if (first === undefined) return null;
    const same = rows.filter(({ principal, day }) => principal === first.principal && day === first.day);
    if (same.length < rows.length) throw new RangeError('The payloads are not of one principal and day.');
    return {
      principalId: String(first.principal),
      day: String(first.day),
      kinds: [...new Set(rows.map(({ kind }) => String(kind) as StoredKind))],
      payloads: rows.length,
      commitments: rows.map(({ commitment }) => String(commitment)),
    };
  }
}
