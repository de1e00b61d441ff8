import type { DatabaseSync } from 'node:sqlite';
import type { DataKeys } from '../core/data-keys.ts';
import { asBuffer } from './payload-block.ts';
import { openPayloadDb } from './payload-db.ts';
import { rewrapKey, type StoredKind, wrapperOf } from './payload-seal.ts';

export interface Rewrapped {
  /** How many keys of days were wrapped anew. */
  readonly done: number;
  /** How many could not be opened: they stay as they are. */
  readonly failed: number;
  /** Where to go on; null at the end. */
  readonly after: number | null;
}

/** Wraps the keys of days by the current data key, so that the one before is not needed any more. Beside the store that is in use. */
export class PayloadRewrap {
  readonly #db: DatabaseSync;
  readonly #keys: DataKeys;

  static open(file: string, keys: DataKeys): PayloadRewrap {
    return new PayloadRewrap(openPayloadDb(file), keys);
  }

  private constructor(db: DatabaseSync, keys: DataKeys) {
    this.#db = db;
    this.#keys = keys;
  }

  /** How many keys of days each data key wraps, by its number; -1 for what is no wrapped key. */
  counts(): Map<number, number> {
    const counts = new Map<number, number>();
    const rows = this.#db.prepare(
      'SELECT substr(wrapped, 1, 5) AS head, length(wrapped) AS length, count(*) AS n FROM data_keys ' +
        'WHERE wrapped IS NOT NULL GROUP BY CASE length(wrapped) WHEN 60 THEN NULL ELSE substr(wrapped, 1, 5) END, length(wrapped)',
    );
    for (const { head, length, n } of rows.all()) {
      const sample = Buffer.alloc(Number(length));
      sample.set(asBuffer(head).subarray(0, sample.length));
      const number = wrapperOf(sample) ?? -1;
      counts.set(number, (counts.get(number) ?? 0) + Number(n));
    }
    return counts;
  }

  /** Does the next so many, in one transaction. */
  step(after: number, limit: number): Rewrapped {
    let done = 0;
    let failed = 0;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const rows = this.#db
        .prepare(
          'SELECT n, principal, day, kind, wrapped FROM data_keys WHERE n > ? AND wrapped IS NOT NULL ORDER BY n LIMIT ?',
        )
        .all(after, limit);
      const put = this.#db.prepare('UPDATE data_keys SET wrapped = ? WHERE n = ?');
      for (const row of rows) {
        const wrapped = asBuffer(row.wrapped);
        if (wrapperOf(wrapped) === this.#keys.current) continue;
        const name = {
          principalId: String(row.principal),
          day: String(row.day),
          kind: String(row.kind) as StoredKind,
        };
        const again = rewrapped(this.#keys, name, wrapped);
        if (again === null) failed += 1;
        else {
          put.run(again, Number(row.n));
          done += 1;
        }
      }
      this.#db.exec('COMMIT');
      return { done, failed, after: rows.length < limit ? null : Number(rows.at(-1)?.n) };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Has the file hold nothing any more of what was replaced. */
  tidy(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    this.#db.close();
  }
}

function rewrapped(keys: DataKeys, name: Parameters<typeof rewrapKey>[1], wrapped: Buffer): Buffer | null {
  try {
    return rewrapKey(keys, name, wrapped);
  } catch {
    // It was altered, or wrapped by a key that is no more: its texts are lost, which `postern ledger check` names.
    return null;
  }
}
