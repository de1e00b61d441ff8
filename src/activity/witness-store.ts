import { DatabaseSync } from 'node:sqlite';
import { touchPrivate } from '../store/files.ts';

/** A stretch of time in which a witness cosigned whenever it was asked. */
export interface WitnessPeriod {
  /** First and last cosignature, seconds since the epoch in the words of the witness. */
  readonly from: number;
  readonly to: number;
  /** The checkpoints that they are of. */
  readonly fromSize: number;
  readonly toSize: number;
}

export interface KeptCosignature {
  readonly size: number;
  readonly time: number;
  /** The checkpoint with the signatures of the log and this cosignature, a note. */
  readonly note: string;
}

/** Periods that are shown of a witness, the latest. */
const SHOWN = 100;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS cosignatures (
    witness TEXT NOT NULL,
    hour INTEGER NOT NULL,
    size INTEGER NOT NULL,
    time INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (witness, hour)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS periods (
    id INTEGER PRIMARY KEY,
    witness TEXT NOT NULL,
    from_time INTEGER NOT NULL,
    to_time INTEGER NOT NULL,
    from_size INTEGER NOT NULL,
    to_size INTEGER NOT NULL,
    open INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS periods_of_witness ON periods (witness, id);
`;

/**
 * What witnesses have cosigned, `witness.db`. Of each witness the last cosignature of every hour is kept: a cosignature speaks
 * for everything before it as well, so the earlier ones of the hour add nothing but bulk. Witnesses go by their verifier keys.
 */
export class WitnessStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    touchPrivate(file);
    this.#db = new DatabaseSync(file);
    this.#db.exec(SCHEMA);
  }

  /** Keeps a cosignature and lengthens the period that is under way, or begins one. */
  cosigned(witness: string, { size, time, note }: KeptCosignature): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      this.#db
        .prepare(
          'INSERT OR REPLACE INTO cosignatures (witness, hour, size, time, note) VALUES (?, ?, ?, ?, ?)',
        )
        .run(witness, Math.floor(time / 3600), size, time, note);
      const { changes } = this.#db
        .prepare(
          'UPDATE periods SET to_time = max(to_time, ?), to_size = max(to_size, ?) WHERE witness = ? AND open = 1',
        )
        .run(time, size, witness);
      if (Number(changes) === 0) {
        this.#db
          .prepare(
            'INSERT INTO periods (witness, from_time, to_time, from_size, to_size, open) VALUES (?, ?, ?, ?, ?, 1)',
          )
          .run(witness, time, time, size, size);
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Ends the period that is under way: the witness was asked and did not cosign. */
  interrupted(witness: string): void {
    this.#db.prepare('UPDATE periods SET open = 0 WHERE witness = ? AND open = 1').run(witness);
  }

  /** The last cosignature; null before the first. */
  last(witness: string): KeptCosignature | null {
    const row = this.#db
      .prepare('SELECT size, time, note FROM cosignatures WHERE witness = ? ORDER BY hour DESC LIMIT 1')
      .get(witness);
    return row === undefined
      ? null
      : { size: Number(row.size), time: Number(row.time), note: String(row.note) };
  }

  /** The latest periods, newest first. */
  periods(witness: string): WitnessPeriod[] {
    return this.#db
      .prepare(
        'SELECT from_time, to_time, from_size, to_size FROM periods WHERE witness = ? ORDER BY id DESC LIMIT ?',
      )
      .all(witness, SHOWN)
      .map((row) => ({
        from: Number(row.from_time),
        to: Number(row.to_time),
        fromSize: Number(row.from_size),
        toSize: Number(row.to_size),
      }));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}
