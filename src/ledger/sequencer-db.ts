import * as fs from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import { namingDamage } from '../store/damage.ts';
import { Seal } from './seal.ts';

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
  /** Whether positions and sequences are as they were saved. */
  readonly sealed: boolean;
  /** What was found missing in journals, ever. */
  readonly losses: readonly Loss[];
}

/** A journal that was gone, or shorter, before all of it was in the log. */
export interface Loss {
  readonly file: string;
  /** Up to there, and `skip` records further, it is in the log. */
  readonly offset: number;
  readonly skip: number;
  /** Whether the file is gone, or ends before `offset`. */
  readonly what: 'missing' | 'shorter';
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
  /** Journals that are gone, whose positions are to be forgotten. */
  readonly gone: readonly string[];
  readonly losses: readonly Loss[];
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
  CREATE TABLE IF NOT EXISTS retired (file TEXT PRIMARY KEY) STRICT;
  CREATE TABLE IF NOT EXISTS losses (n INTEGER PRIMARY KEY, loss TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS seal (only INTEGER PRIMARY KEY CHECK (only = 1), tag BLOB NOT NULL) STRICT;
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
  readonly #forgetPosition: StatementSync;
  readonly #addLoss: StatementSync;
  readonly #setTag: StatementSync;
  readonly #sealKey: Uint8Array;
  #seal: Seal;
  /** Rows as they are in the file. */
  readonly #rows = new Map<string, string>();
  /** Whether what is saved is to be trusted at the next start without looking into the log. */
  sealing = true;
  #resealed: { readonly seal: Seal; readonly changed: readonly Row[] } | null = null;

  /** @param sealKey shows that nobody else changed the positions and the sequence numbers */
  constructor(file: string, emptyRoot: Buffer, sealKey: Uint8Array) {
    this.#sealKey = sealKey;
    this.#seal = new Seal(sealKey);
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
    this.#forgetPosition = this.#db.prepare('DELETE FROM journals WHERE file = ?');
    this.#addLoss = this.#db.prepare('INSERT INTO losses (loss) VALUES (?)');
    this.#setTag = this.#db.prepare(
      'INSERT INTO seal (only, tag) VALUES (1, ?) ON CONFLICT DO UPDATE SET tag = excluded.tag',
    );
  }

  load(): SavedState {
    this.#rows.clear();
    this.#seal = new Seal(this.#sealKey);
    const log = this.#db.prepare('SELECT * FROM log').get() as Record<string, unknown>;
    const positions = new Map<string, Position>();
    for (const row of this.#db.prepare('SELECT * FROM journals').all()) {
      positions.set(String(row.file), { offset: Number(row.position), skip: Number(row.skip) });
    }
    const sequences = new Map<string, number>();
    for (const row of this.#db.prepare('SELECT * FROM sequences').all()) {
      sequences.set(String(row.principal), Number(row.next));
    }
    for (const [file, position] of positions) this.#rows.set(...positionRow(file, position));
    for (const [principal, next] of sequences) this.#rows.set(...sequenceRow(principal, next));
    for (const [name, value] of this.#rows) this.#seal.add(`${name}\n${value}`);
    const size = Number(log.size);
    const root = Buffer.from(log.root as Uint8Array);
    const tag = this.#db.prepare('SELECT tag FROM seal').get()?.tag as Uint8Array | undefined;
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
      size,
      root,
      clean: log.clean === 1,
      signed,
      unswept: Number(log.unswept),
      positions,
      sequences,
      tail: tail.map((row) => Buffer.from(row.entry as Uint8Array)),
      sealed: tag !== undefined && this.#seal.tag(boundTo(size, root)).equals(tag),
      losses: this.#db
        .prepare('SELECT loss FROM losses ORDER BY n')
        .all()
        .map(({ loss }) => JSON.parse(String(loss)) as Loss),
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
      for (const file of change.gone) this.#forgetPosition.run(file);
      for (const loss of change.losses) this.#addLoss.run(JSON.stringify(loss));
      this.#reseal(change.size, change.root, [
        ...[...change.positions].map(([file, position]) => positionRow(file, position)),
        ...[...change.sequences].map(([principal, next]) => sequenceRow(principal, next)),
        ...change.gone.map(noPosition),
      ]);
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

  /** Says that journals are about to be deleted, since all of them is in the log. Then their absence is no loss. */
  retireJournals(files: readonly string[]): void {
    const retire = this.#db.prepare('INSERT INTO retired (file) VALUES (?) ON CONFLICT DO NOTHING');
    this.#transaction(() => {
      for (const file of files) retire.run(file);
    });
  }

  /** Journals that were about to be deleted when the last run ended. */
  retired(): string[] {
    return this.#db
      .prepare('SELECT file FROM retired')
      .all()
      .map(({ file }) => String(file));
  }

  /** Forgets journals that were deleted, and that any others were to be. */
  forgetJournals(files: readonly string[], size: number, root: Buffer): void {
    this.#transaction(() => {
      for (const file of files) this.#forgetPosition.run(file);
      this.#db.exec('DELETE FROM retired');
      this.#reseal(size, root, files.map(noPosition));
    });
  }

  /** Seals positions and sequences as they are. */
  seal(size: number, root: Buffer): void {
    this.#transaction(() => this.#reseal(size, root, []));
  }

  saveClean(): void {
    this.#db.exec('UPDATE log SET clean = 1');
  }

  close(): void {
    this.#db.close();
  }

  /** Within a transaction; counts once that is committed. */
  #reseal(size: number, root: Buffer, changed: readonly Row[]): void {
    const seal = new Seal(this.#sealKey, this.#seal.sum);
    for (const [name, value] of changed) {
      const before = this.#rows.get(name);
      if (before !== undefined) seal.remove(`${name}\n${before}`);
      if (value !== null) seal.add(`${name}\n${value}`);
    }
    if (this.sealing) this.#setTag.run(seal.tag(boundTo(size, root)));
    else this.#db.exec('DELETE FROM seal');
    this.#resealed = { seal, changed };
  }

  #transaction(work: () => void): void {
    this.#resealed = null;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
      this.#keepSeal();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #keepSeal(): void {
    if (this.#resealed === null) return;
    const { seal, changed } = this.#resealed;
    this.#seal = seal;
    for (const [name, value] of changed) {
      if (value === null) this.#rows.delete(name);
      else this.#rows.set(name, value);
    }
  }
}

/** Name and value of a row that the seal covers; null where it is deleted. */
type Row<V = string | null> = readonly [name: string, value: V];

function positionRow(file: string, { offset, skip }: Position): Row<string> {
  return [`journal ${file}`, `${offset} ${skip}`];
}

function noPosition(file: string): Row {
  return [`journal ${file}`, null];
}

function sequenceRow(principal: string, next: number): Row<string> {
  return [`sequence ${principal}`, String(next)];
}

function boundTo(size: number, root: Buffer): string {
  return `${size} ${root.toString('hex')}`;
}
