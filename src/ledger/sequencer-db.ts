import * as fs from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import { namingDamage } from '../store/damage.ts';

/** Where reading of a journal goes on: a frame, and how many of its records are leaves already. */
export interface Position {
  readonly offset: number;
  readonly skip: number;
}

/** The last checkpoint that was signed, released or not. */
export interface Signed {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

/** What the sequencer knows when it starts. */
export interface SavedState {
  readonly size: number;
  readonly root: Buffer;
  /** Whether the last run ended with `close`. */
  readonly clean: boolean;
  readonly signed: Signed | null;
  /** Size of the checkpoint before `signed`, whose partial tiles may still be there. */
  readonly unswept: number;
  readonly positions: Map<string, Position>;
  /** Next `principalSeq`, by principal id. */
  readonly sequences: Map<string, number>;
  /** Entries of the unfinished bundle. */
  readonly tail: Buffer[];
}

/** What one step changes. */
export interface StepChange {
  readonly size: number;
  readonly root: Buffer;
  readonly positions: ReadonlyMap<string, Position>;
  readonly sequences: ReadonlyMap<string, number>;
  /** New entries of the unfinished bundle, from leaf `tailFrom` on. */
  readonly tail: readonly Buffer[];
  readonly tailFrom: number;
}

/** @see https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

const SCHEMA = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32),
    clean INTEGER NOT NULL,
    unswept INTEGER NOT NULL DEFAULT 0,
    signed_size INTEGER,
    signed_root BLOB,
    signed_note TEXT,
    CONSTRAINT signed_tree_never_beyond_the_log CHECK (signed_size IS NULL OR signed_size <= size)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS journals (
    file TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    skip INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sequences (principal TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS tail (leaf INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
  CREATE TRIGGER IF NOT EXISTS log_never_shrinks BEFORE UPDATE OF size ON log
    WHEN new.size < old.size BEGIN SELECT RAISE(ABORT, 'the log must not shrink'); END;
  CREATE TRIGGER IF NOT EXISTS signed_never_shrinks BEFORE UPDATE OF signed_size ON log
    WHEN new.signed_size < old.signed_size BEGIN SELECT RAISE(ABORT, 'a smaller tree must not be signed'); END;
`;

/** A page that was overwritten is found now, not when it is needed. */
function mustBeSound(db: DatabaseSync, file: string): void {
  const found = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (found === 'ok') return;
  throw new PosternError(
    'POSTERN_INTERNAL',
    `${file} is damaged: ${String(found)}.`,
    'Stop, keep a copy of the data directory, and restore the file from a backup of the same state.',
  );
}

/** The sequencer's own memory, `log/sequencer.db`. */
export class SequencerDb {
  readonly #db: DatabaseSync;
  readonly #setLog: StatementSync;
  readonly #setPosition: StatementSync;
  readonly #setSequence: StatementSync;
  readonly #addTail: StatementSync;
  readonly #dropTail: StatementSync;

  constructor(file: string, emptyRoot: Buffer) {
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    this.#db = new DatabaseSync(file, { timeout: 0 });
    try {
      namingDamage(file, () => {
        this.#db.exec(SCHEMA);
        mustBeSound(this.#db, file);
      });
    } catch (error) {
      this.#db.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new PosternError('POSTERN_CONFLICT', `Another process is using ${file}.`, 'Stop it first.');
    }
    this.#db
      .prepare('INSERT INTO log (only, size, root, clean) VALUES (1, 0, ?, 1) ON CONFLICT DO NOTHING')
      .run(emptyRoot);
    this.#setLog = this.#db.prepare('UPDATE log SET size = ?, root = ?, clean = 0');
    this.#setPosition = this.#db.prepare(
      'INSERT INTO journals (file, position, skip) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position, skip = excluded.skip',
    );
    this.#setSequence = this.#db.prepare(
      'INSERT INTO sequences (principal, next) VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next',
    );
    this.#addTail = this.#db.prepare('INSERT INTO tail (leaf, entry) VALUES (?, ?)');
    this.#dropTail = this.#db.prepare('DELETE FROM tail WHERE leaf < ?');
  }

  load(): SavedState {
    const log = this.#db.prepare('SELECT * FROM log').get() as Record<string, unknown>;
    const positions = new Map<string, Position>();
    for (const row of this.#db.prepare('SELECT * FROM journals').all()) {
      positions.set(String(row.file), { offset: Number(row.position), skip: Number(row.skip) });
    }
    const sequences = new Map<string, number>();
    for (const row of this.#db.prepare('SELECT * FROM sequences').all()) {
      sequences.set(String(row.principal), Number(row.next));
    }
    const tail = this.#db.prepare('SELECT entry FROM tail ORDER BY leaf').all();
    const signed =
      log.signed_size === null
        ? null
        : {
            size: Number(log.signed_size),
            root: Buffer.from(log.signed_root as Uint8Array),
            note: String(log.signed_note),
          };
    return {
      size: Number(log.size),
      root: Buffer.from(log.root as Uint8Array),
      clean: log.clean === 1,
      signed,
      unswept: Number(log.unswept),
      positions,
      sequences,
      tail: tail.map((row) => Buffer.from(row.entry as Uint8Array)),
    };
  }

  /** All or nothing, durable on return. */
  saveStep(change: StepChange): void {
    this.#transaction(() => {
      this.#setLog.run(change.size, change.root);
      for (const [file, { offset, skip }] of change.positions) this.#setPosition.run(file, offset, skip);
      for (const [principal, next] of change.sequences) this.#setSequence.run(principal, next);
      this.#dropTail.run(change.size - (change.size % 256));
      for (const [i, entry] of change.tail.entries()) this.#addTail.run(change.tailFrom + i, entry);
    });
  }

  /** Durable on return: from here on no smaller or other tree is signed. */
  saveSigned(signed: Signed): void {
    this.#db
      .prepare(
        'UPDATE log SET unswept = coalesce(signed_size, 0), signed_size = ?, signed_root = ?, signed_note = ?',
      )
      .run(signed.size, signed.root, signed.note);
  }

  forgetJournals(files: readonly string[]): void {
    const forget = this.#db.prepare('DELETE FROM journals WHERE file = ?');
    this.#transaction(() => {
      for (const file of files) forget.run(file);
    });
  }

  saveClean(): void {
    this.#db.exec('UPDATE log SET clean = 1');
  }

  close(): void {
    this.#db.close();
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}
