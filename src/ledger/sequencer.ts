import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, RecordType } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { type Checkpoint, formatCheckpoint, openCheckpoint } from './checkpoint.ts';
import { syncDirectory, writeDurably } from './files.ts';
import { type Incoming, takeRecords } from './journal-merge.ts';
import { type JournalFile, listJournals, readJournal } from './journal-reader.ts';
import { type KeyChange, LogKeys } from './log-key.ts';
import { LogState } from './log-state.ts';
import type { PayloadStore } from './payloads.ts';
import { consistencyProof, verifyConsistency } from './proof.ts';
import { RecordScanner } from './record-scan.ts';
import { SequencerDb, type Signed } from './sequencer-db.ts';
import { encodeBundle, partialTiles, TileStore } from './tiles.ts';
import { EMPTY_ROOT, TILE_WIDTH } from './tree.ts';

/**
 * The one writer of the log (DESIGN section 3, "Sequencer"): journals in, leaves and signed checkpoints out.
 *
 * Each step makes durable, in this order: payloads; full bundles and tiles; then, in one transaction, the new size
 * and root, the positions in the journals, the sequence numbers and the entries of the unfinished bundle. That
 * transaction is the moment the records become leaves: what was written before it, without it, is written again.
 */

export interface SequencerOptions {
  /** The data directory. */
  readonly dir: string;
  readonly payloads: PayloadStore;
  /** Text of the signing keys where they are not in `log/log.key`. */
  readonly logKey?: string | null;
}

const STEP_RECORDS = 5_000;
const SYSTEM: Actor = { kind: 'system', id: 'postern', name: 'postern' };

export class Sequencer {
  readonly #journalDir: string;
  readonly #logDir: string;
  readonly #db: SequencerDb;
  readonly #store: TileStore;
  readonly #payloads: PayloadStore;
  readonly #keys: LogKeys;
  readonly #scanner = new RecordScanner();
  /** Who asked for the change of keys that is not recorded yet. */
  #rotatedBy: { readonly actor: Actor; readonly reason: string | undefined } = {
    actor: SYSTEM,
    reason: undefined,
  };
  /** Null after a failure: what is in memory may be ahead of the disk, and is read again. */
  #state: LogState | null = null;
  #signed: Signed | null = null;
  #behind = false;

  private constructor(options: SequencerOptions, db: SequencerDb, keys: LogKeys) {
    this.#journalDir = join(options.dir, 'journal');
    this.#logDir = join(options.dir, 'log');
    this.#payloads = options.payloads;
    this.#db = db;
    this.#keys = keys;
    this.#store = new TileStore(this.#logDir);
  }

  /**
   * Opens the log of a data directory, begins it where there is none, and records an unclean end of the last run.
   *
   * @throws PosternError where another process has it open, or where what is on disk contradicts what was signed
   */
  static open(options: SequencerOptions): Sequencer {
    const logDir = join(options.dir, 'log');
    fs.mkdirSync(logDir, { recursive: true, mode: 0o700 });
    const db = new SequencerDb(join(logDir, 'sequencer.db'), EMPTY_ROOT);
    try {
      const { size, clean } = db.load();
      const sequencer = new Sequencer(options, db, LogKeys.open(logDir, size === 0, options.logKey));
      sequencer.#begin(size, clean);
      return sequencer;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Number of leaves. */
  get size(): number {
    return this.#load().size;
  }

  /** Root over all leaves, signed or not. */
  get root(): Buffer {
    return this.#load().tree.root;
  }

  /** Whether the journals had more than the last {@link step} took. */
  get behind(): boolean {
    return this.#behind;
  }

  get origin(): string {
    return this.#keys.origin;
  }

  /** The log's verifier key; while one takes over from another, both, newest first, one a line. */
  get vkey(): string {
    return this.#keys.vkeys;
  }

  /** The last signed checkpoint, a note; null before the first. */
  get checkpoint(): string | null {
    this.#load();
    return this.#signed?.note ?? null;
  }

  /**
   * Makes leaves of what the journals have, at most `maxRecords`, and returns how many. It may be called again after
   * any error: nothing is lost or doubled. A damaged journal holds up itself alone; it is thrown when there is
   * nothing else to do.
   */
  step(maxRecords: number = STEP_RECORDS): number {
    const state = this.#load();
    const { records, faults, journals, more } = takeRecords(
      this.#journalDir,
      state.positions,
      maxRecords,
      this.#scanner,
    );
    this.#behind = more;
    if (records.length > 0) this.#sequence(state, records);
    if (!more) this.#retire(state, journals);
    if (records.length === 0 && faults[0]) throw faults[0];
    return records.length;
  }

  /**
   * Signs and releases the tree as it is, and returns the note. Without new leaves it is the note of last time.
   *
   * @throws PosternError `POSTERN_INTERNAL` where the tree does not continue the last one signed: that is never signed
   */
  checkpointNow(): string {
    if (this.#signed) this.#keys.retire(this.#signed.note);
    this.#recordKeys();
    const state = this.#load();
    const before = this.#signed;
    if (before && before.size === state.size) return before.note;
    const root = state.tree.root;
    this.#mustContinue(before, state, root);
    for (const { level, n, width } of partialTiles(state.size)) {
      this.#store.writeTile(level, n, state.tree.partial(level));
      if (level === 0) this.#store.writeEntries(n, width, encodeBundle(state.tail));
    }
    this.#orReload(() => this.#store.commit());
    const note = this.#keys.sign(formatCheckpoint({ origin: this.origin, size: state.size, root }));
    const signed = { size: state.size, root, note };
    this.#db.saveSigned(signed);
    this.#signed = signed;
    this.#orReload(() => this.#publish(note));
    if (before) this.#sweep(before.size, state.size);
    return note;
  }

  /**
   * Makes a new signing key; the old one signs beside it for so long. The change is a leaf, under a checkpoint of both.
   *
   * @throws PosternError POSTERN_CONFLICT where the keys are provided from outside
   */
  rotateKey(actor: Actor, overlapMs: number, reason: string | undefined): KeyChange {
    const before = this.vkey.split('\n');
    this.#keys.rotate(overlapMs);
    this.#rotatedBy = { actor, reason };
    this.checkpointNow();
    return { before, after: this.vkey.split('\n') };
  }

  /** Signs what there is and ends cleanly. The journals keep what was not sequenced. */
  close(): void {
    try {
      this.checkpointNow();
      this.#db.saveClean();
    } finally {
      this.#db.close();
    }
  }

  #begin(size: number, clean: boolean): void {
    const state = this.#load();
    if (size === 0) {
      this.#sequence(state, [this.#ownRecord('ledger.opened', { vkey: this.vkey })]);
    } else if (!clean) {
      const journals = listJournals(this.#journalDir).map(({ path }) => basename(path));
      this.#sequence(state, [this.#ownRecord('ledger.recovered', { size, journals })]);
    }
    this.#recordKeys();
  }

  /** Makes a leaf of a change of the signing keys, then lets the readers know of it. A crash in between records it twice. */
  #recordKeys(): void {
    const change = this.#keys.pending;
    if (change === null) return;
    const state = this.#load();
    const { actor, reason } = this.#rotatedBy;
    this.#sequence(state, [this.#ownRecord('ledger.key.rotated', { ...change, reason }, actor)]);
    this.#keys.settle();
    this.#rotatedBy = { actor: SYSTEM, reason: undefined };
  }

  #ownRecord(type: RecordType, more: object, actor: Actor = SYSTEM): Incoming {
    const time = rfc3339(nowMicros());
    const record = { id: uuidv7(), time, type, actor, origin: this.origin, ...more };
    return {
      bytes: Buffer.from(JSON.stringify(record)),
      payloads: [],
      time,
      principalId: undefined,
      from: null,
    };
  }

  #load(): LogState {
    if (this.#state) return this.#state;
    const saved = this.#db.load();
    const due = saved.size % TILE_WIDTH;
    if (saved.tail.length !== due) {
      const has = `sequencer.db has ${saved.tail.length} entries of the unfinished bundle`;
      throw contradiction(`${has}, and of ${saved.size} leaves ${due} are in it`);
    }
    const state = new LogState(saved, this.#store, this.#payloads);
    if (!state.tree.root.equals(saved.root)) {
      throw contradiction(
        `the tiles below ${this.#logDir} do not give the root that was saved for ${saved.size} leaves`,
      );
    }
    this.#mustContinue(saved.signed, state, saved.root);
    this.#signed = saved.signed;
    this.#checkPublished(saved.signed);
    if (saved.signed) this.#sweep(saved.unswept, saved.signed.size);
    this.#state = state;
    return state;
  }

  #sequence(state: LogState, records: readonly Incoming[]): void {
    try {
      this.#payloads.begin();
      for (const incoming of records) state.add(incoming);
      this.#payloads.commit();
      this.#store.commit();
      this.#db.saveStep(state.takeChange());
    } catch (error) {
      this.#state = null;
      this.#store.discard();
      this.#payloads.rollback();
      throw error;
    }
  }

  #orReload(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#state = null;
      throw error;
    }
  }

  #mustContinue(before: Signed | null, state: LogState, root: Buffer): void {
    if (!before) return;
    if (before.size > state.size) {
      throw contradiction(`a tree of ${before.size} leaves was signed, and the log has ${state.size}`);
    }
    const proof = consistencyProof(state.readTile, before.size, state.size);
    if (!verifyConsistency(before.size, before.root, state.size, root, proof)) {
      throw contradiction(
        `the tree of ${state.size} leaves does not continue the signed one of ${before.size}`,
      );
    }
  }

  /** A released checkpoint that is newer than our memory means that the memory was set back. */
  #checkPublished(signed: Signed | null): void {
    const file = join(this.#logDir, 'checkpoint');
    const published = fs.existsSync(file) ? fs.readFileSync(file) : null;
    if (!published) {
      if (signed) this.#publish(signed.note);
      return;
    }
    const { size, root } = this.#open(file, published);
    if (!signed || size > signed.size || (size === signed.size && !root.equals(signed.root))) {
      throw contradiction(`${file} is a checkpoint of ${size} leaves, of which sequencer.db knows nothing`);
    }
    if (size < signed.size) this.#publish(signed.note);
  }

  #open(file: string, note: Buffer): Checkpoint {
    try {
      return openCheckpoint(note, this.#keys.verifiers);
    } catch (error) {
      throw contradiction(`${file} is not a checkpoint of this log (${(error as Error).message})`);
    }
  }

  #publish(note: string): void {
    writeDurably([{ path: join(this.#logDir, 'checkpoint'), data: Buffer.from(note) }]);
  }

  /** Removes the partial tiles of an older tree whose full tiles have come. */
  #sweep(oldSize: number, size: number): void {
    for (const { level, n } of partialTiles(oldSize)) {
      if ((n + 1) * TILE_WIDTH ** (level + 1) <= size) this.#store.dropPartials(level, n);
    }
  }

  /**
   * Deletes journals whose records are all leaves and to which nobody writes any more: their writer has begun a newer
   * file. (The list of files was made before they were read to the end.) An unfinished frame at the end was never
   * acknowledged; the file is kept beside, as `.torn`, for whoever wants to look.
   */
  #retire(state: LogState, journals: readonly JournalFile[]): void {
    const done: string[] = [];
    for (const [i, { path, name }] of journals.entries()) {
      const file = basename(path);
      const position = state.positions.get(file) ?? { offset: 0, skip: 0 };
      if (journals[i + 1]?.name !== name || position.skip > 0) continue;
      const rest = readJournal(path, position.offset, 1);
      if (rest.records.length > 0 || rest.state === 'corrupt') continue;
      if (rest.state === 'torn') fs.renameSync(path, `${path}.torn`);
      else fs.rmSync(path);
      done.push(file);
    }
    if (done.length === 0) return;
    syncDirectory(this.#journalDir);
    this.#db.forgetJournals(done);
    for (const file of done) state.positions.delete(file);
  }
}

function contradiction(what: string): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The log contradicts itself: ${what}.`,
    'Stop, keep a copy of the data directory, and find out who changed it.',
  );
}
