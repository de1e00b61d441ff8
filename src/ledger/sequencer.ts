import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { Actor, RecordType } from '../core/record.ts';
import { type Checkpoint, formatCheckpoint, openCheckpoint } from './checkpoint.ts';
import { writeDurably } from './files.ts';
import { type Incoming, ownRecord, takeRecords } from './journal-merge.ts';
import { type JournalFile, listJournals } from './journal-reader.ts';
import { deleteJournals, retirable } from './journal-retirement.ts';
import { firstTime, JournalWatch } from './journal-watch.ts';
import { recount } from './log-history.ts';
import { type KeyChange, LogKeys } from './log-key.ts';
import { LogState } from './log-state.ts';
import type { PayloadStore } from './payloads.ts';
import { consistencyProof, verifyConsistency } from './proof.ts';
import { RecordScanner } from './record-scan.ts';
import { type Loss, SequencerDb, type Signed } from './sequencer-db.ts';
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
  readonly #watch: JournalWatch;
  /** Who asked for the change of keys that is not recorded yet. */
  #rotatedBy: { readonly actor: Actor; readonly reason: string | undefined } = {
    actor: SYSTEM,
    reason: undefined,
  };
  /** Null after a failure: what is in memory may be ahead of the disk, and is read again. */
  #state: LogState | null = null;
  #signed: Signed | null = null;
  #sealed = true;
  #retiring = false;
  #losses: readonly Loss[] = [];
  #behind = false;

  private constructor(options: SequencerOptions, db: SequencerDb, keys: LogKeys) {
    this.#journalDir = join(options.dir, 'journal');
    this.#logDir = join(options.dir, 'log');
    this.#payloads = options.payloads;
    this.#db = db;
    this.#keys = keys;
    this.#store = new TileStore(this.#logDir);
    this.#watch = new JournalWatch(this.#store);
  }

  /**
   * Opens the log of a data directory, begins it where there is none, and records an unclean end of the last run.
   *
   * @throws PosternError where another process has it open, or where what is on disk contradicts what was signed
   */
  static open(options: SequencerOptions): Sequencer {
    const logDir = join(options.dir, 'log');
    fs.mkdirSync(logDir, { recursive: true, mode: 0o700 });
    const db = new SequencerDb(
      join(logDir, 'sequencer.db'),
      EMPTY_ROOT,
      options.payloads.dataKeys.sequencerSeal,
    );
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

  /** Journals that were gone, or shorter, before all of them was in the log: what they had more is lost. */
  get losses(): readonly Loss[] {
    return this.#losses;
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
    if (this.#retiring) this.#forgetRetired(state);
    this.#recordLosses(state, this.#watch.look(state, listJournals(this.#journalDir)));
    const { records, faults, journals, more } = takeRecords(
      this.#journalDir,
      state.positions,
      maxRecords,
      this.#scanner,
    );
    this.#behind = more;
    if (records.length > 0) this.#sequence(state, records);
    this.#recordRepeats(state);
    if (!more) {
      this.#caughtUp(state);
      this.#retire(state, journals);
    }
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

  /** All journals were read to their ends: nothing that was read before can come again. */
  #caughtUp(state: LogState): void {
    this.#watch.release();
    if (this.#db.sealing) return;
    this.#db.sealing = true;
    this.#db.seal(state.size, state.tree.root);
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
    if (size > 0) this.#checkMemory(state);
    if (size === 0) {
      this.#sequence(state, [this.#ownRecord('ledger.opened', { vkey: this.vkey })]);
    } else if (!clean) {
      const journals = listJournals(this.#journalDir).map(({ path }) => basename(path));
      this.#sequence(state, [this.#ownRecord('ledger.recovered', { size, journals })]);
    }
    this.#recordKeys();
  }

  /** Puts right what somebody else may have changed in `sequencer.db`, and says what is missing of the journals. */
  #checkMemory(state: LogState): void {
    this.#db.sealing = this.#sealed;
    this.#forgetRetired(state);
    const journals = listJournals(this.#journalDir);
    const losses = this.#watch.look(state, journals);
    if (this.#sealed) losses.push(...this.#watch.shorter(state, journals));
    this.#recordLosses(state, losses);
    if (this.#sealed) return;
    const times = journals.flatMap(({ path }) => firstTime(path) ?? []);
    const { sequences, ids } = recount(state, this.#store, times.sort()[0] ?? null);
    const corrected = state.correct(sequences);
    this.#watch.startOver(state, journals, ids);
    if (corrected > 0) this.#sequence(state, [this.#ownRecord('ledger.recovered', { corrected })]);
    else this.#db.saveStep(state.takeChange());
  }

  /** Forgets the journals that were deleted on purpose, where the last deletion was cut short. */
  #forgetRetired(state: LogState): void {
    const files = this.#db.retired().filter((file) => !fs.existsSync(join(this.#journalDir, file)));
    this.#db.forgetJournals(files, state.size, state.tree.root);
    for (const file of files) state.positions.delete(file);
    this.#retiring = false;
  }

  /** What is lost is said in the log, so that nobody takes the log for whole; everything else goes on. */
  #recordLosses(state: LogState, lost: readonly Loss[]): void {
    if (lost.length === 0) return;
    this.#sequence(state, [this.#ownRecord('ledger.recovered', { lost })]);
    this.#losses = [...this.#losses, ...lost];
  }

  #recordRepeats(state: LogState): void {
    const repeated = this.#watch.takeRepeats();
    if (repeated.length === 0) return;
    this.#sequence(state, [this.#ownRecord('ledger.recovered', { repeated })]);
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
    return ownRecord({ type, actor, origin: this.origin, ...more });
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
    this.#sealed = saved.sealed;
    this.#losses = saved.losses;
    this.#checkPublished(saved.signed);
    if (saved.signed) this.#sweep(saved.unswept, saved.signed.size);
    this.#state = state;
    return state;
  }

  #sequence(state: LogState, records: readonly Incoming[]): void {
    try {
      this.#payloads.begin();
      for (const incoming of records) {
        if (incoming.from && this.#watch.isRepeat(incoming))
          state.move(incoming.from.file, incoming.from.next);
        else state.add(incoming);
      }
      this.#payloads.commit();
      this.#store.commit();
      if (this.#watch.unsure) this.#db.sealing = false;
      this.#db.saveStep(state.takeChange());
      this.#watch.settle(state, true);
    } catch (error) {
      this.#watch.settle(state, false);
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

  /** Deletes journals that are done with; noted before, so that their absence is no loss, and forgotten after. */
  #retire(state: LogState, journals: readonly JournalFile[]): void {
    const done = retirable(state, journals);
    if (done.length === 0) return;
    this.#retiring = true;
    this.#db.retireJournals(done.map(({ file }) => file));
    deleteJournals(this.#journalDir, done);
    this.#forgetRetired(state);
  }
}

function contradiction(what: string): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The log contradicts itself: ${what}.`,
    'Stop, keep a copy of the data directory, and find out who changed it.',
  );
}
