import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { asBuffer, commitmentsIn } from './payload-block.ts';
import { COMMITMENT_BYTES } from './payload-seal.ts';

/**
 * Where the payload of a commitment is. Commitments are random, so an index of all of them would touch a page of the file for
 * each one that is added. Instead the newest blocks are held in memory, and the commitments of older ones stand in sorted runs
 * that are written once and never changed. A run gives candidates: only the block itself says whether it has the payload.
 *
 * An entry of a run is a number of 53 bits: the first 40 of the commitment, and how many blocks behind the first of the run.
 */

/** Payloads from which on the newest blocks become a run. */
const RUN_PAYLOADS = 32_768;
/** Blocks of a run at most. */
const RUN_BLOCKS = 8192;
const PREFIX_BYTES = 5;
const ENTRY_BYTES = 8;
/** Entries of a row: as many as leave it on one page of the file. */
const ROW_ENTRIES = 500;
/** Rows of a run at most, for the numbers of rows: a block more than {@link RUN_PAYLOADS} fits. */
const RUN_ROWS = 128;

/** What is held in memory of a run. */
interface Run {
  readonly n: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** The first entry of each row. */
  readonly firsts: Float64Array;
}

interface Block {
  readonly n: number;
  readonly commitments: Buffer;
}

/** The places as one connection sees them. */
export class PayloadPlaces {
  readonly #db: DatabaseSync;
  readonly #row: StatementSync;
  readonly #newRuns: StatementSync;
  readonly #newBlocks: StatementSync;
  readonly #runs: Run[] = [];
  /** Blocks by commitment, in hex, that are in no run. */
  #newest = new Map<string, number>();
  /** What became the last run. */
  #before = new Map<string, number>();
  #lastBlock = 0;
  /** Index of the run that had what was asked for last: neighbours in the log are neighbours here. */
  #near = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#row = db.prepare('SELECT entries FROM places WHERE n = ?');
    this.#newRuns = db.prepare('SELECT n, first_block, last_block, firsts FROM runs WHERE n > ? ORDER BY n');
    this.#newBlocks = db.prepare('SELECT n, commitments FROM blocks WHERE n > ? ORDER BY n');
  }

  /** Takes in what other connections added. */
  refresh(): void {
    const known = this.#runs.length;
    for (const row of this.#newRuns.all(this.#runs.at(-1)?.n ?? 0)) this.#runs.push(runOf(row));
    if (this.#runs.length > known) {
      this.#newest = new Map();
      this.#lastBlock = this.#runs.at(-1)?.lastBlock ?? 0;
    }
    for (const { n, commitments } of this.#blocks(this.#lastBlock)) {
      for (const commitment of commitmentsIn(commitments)) this.#newest.set(commitment, n);
      this.#lastBlock = n;
    }
  }

  /** Forgets everything: a transaction was rolled back. To be refreshed before it is used again. */
  reset(): void {
    this.#runs.length = 0;
    this.#newest.clear();
    this.#before.clear();
    this.#lastBlock = 0;
    this.#near = 0;
  }

  /** The number of a block that is to be written. */
  nextBlock(): number {
    this.#lastBlock += 1;
    return this.#lastBlock;
  }

  /** Says that a payload is in a block, or will be when the transaction ends. */
  add(commitment: string, block: number): void {
    this.#newest.set(commitment, block);
  }

  /** Whether a payload is known to be stored lately. False where it was long ago. */
  isRecent(commitment: string): boolean {
    return this.#newest.has(commitment) || this.#before.has(commitment);
  }

  /** Makes runs of the newest blocks where there are enough of them. Within the transaction that wrote the blocks. */
  makeRuns(): void {
    if (this.#newest.size >= RUN_PAYLOADS) this.makeAllRuns();
  }

  /** The same, whether or not the newest blocks are in memory. */
  makeAllRuns(): void {
    let gathered: Block[] = [];
    let payloads = 0;
    this.#before = this.#newest;
    for (const block of this.#blocks(this.#runs.at(-1)?.lastBlock ?? 0)) {
      const [first = block] = gathered;
      if (payloads >= RUN_PAYLOADS || block.n - first.n >= RUN_BLOCKS) {
        this.#runs.push(this.#write(gathered));
        [gathered, payloads] = [[], 0];
      }
      gathered.push(block);
      payloads += block.commitments.length / COMMITMENT_BYTES;
    }
    this.#newest = new Map();
    for (const { n, commitments } of gathered) {
      for (const commitment of commitmentsIn(commitments)) this.#newest.set(commitment, n);
    }
  }

  /** Blocks that may have a payload, the likeliest first. */
  *candidates(commitment: string): Generator<number, void> {
    const newest = this.#newest.get(commitment);
    if (newest !== undefined) yield newest;
    const from = prefixOf(Buffer.from(commitment, 'hex')) * RUN_BLOCKS;
    const start = Math.min(this.#near, Math.max(0, this.#runs.length - 1));
    for (let away = 0; away < this.#runs.length; away++) {
      for (const at of away === 0 ? [start] : [start - away, start + away]) {
        const run = this.#runs[at];
        if (run === undefined) continue;
        for (const block of this.#inRun(run, from)) {
          this.#near = at;
          yield block;
        }
      }
    }
  }

  #inRun(run: Run, from: number): number[] {
    const { n, firsts, firstBlock } = run;
    const found: number[] = [];
    const to = from + RUN_BLOCKS;
    for (let row = Math.max(0, firstFrom(firsts.length, from, (i) => firsts[i] as number) - 1); ; row++) {
      if (row >= firsts.length || (firsts[row] as number) >= to) return found;
      const blob = this.#row.get(n * RUN_ROWS + row)?.entries;
      if (blob === undefined) continue;
      const entries = asBuffer(blob);
      const count = entries.length / ENTRY_BYTES;
      const entryAt = (i: number): number => entries.readDoubleLE(i * ENTRY_BYTES);
      for (let i = firstFrom(count, from, entryAt); i < count && entryAt(i) < to; i++) {
        found.push(firstBlock + (entryAt(i) - from));
      }
    }
  }

  #write(blocks: readonly Block[]): Run {
    const n = (this.#runs.at(-1)?.n ?? 0) + 1;
    const firstBlock = blocks[0]?.n ?? 0;
    const lastBlock = blocks.at(-1)?.n ?? 0;
    const entries = entriesOf(blocks, firstBlock);
    const rows = Math.ceil(entries.length / ROW_ENTRIES);
    const insert = this.#db.prepare('INSERT INTO places (n, entries) VALUES (?, ?)');
    for (let row = 0; row < rows; row++) {
      insert.run(n * RUN_ROWS + row, encoded(entries.subarray(row * ROW_ENTRIES, (row + 1) * ROW_ENTRIES)));
    }
    const firsts = Float64Array.from({ length: rows }, (_, row) => entries[row * ROW_ENTRIES] as number);
    this.#db
      .prepare('INSERT INTO runs (n, first_block, last_block, firsts) VALUES (?, ?, ?, ?)')
      .run(n, firstBlock, lastBlock, encoded(firsts));
    return { n, firstBlock, lastBlock, firsts };
  }

  *#blocks(after: number): Generator<Block, void> {
    for (const { n, commitments } of this.#newBlocks.iterate(after)) {
      yield { n: Number(n), commitments: asBuffer(commitments) };
    }
  }
}

function prefixOf(commitment: Buffer, offset = 0): number {
  return commitment.readUIntBE(offset, PREFIX_BYTES);
}

function entriesOf(blocks: readonly Block[], firstBlock: number): Float64Array {
  const entries: number[] = [];
  for (const { n, commitments } of blocks) {
    for (let at = 0; at < commitments.length; at += COMMITMENT_BYTES) {
      entries.push(prefixOf(commitments, at) * RUN_BLOCKS + (n - firstBlock));
    }
  }
  return Float64Array.from(entries).sort();
}

/** Index of the first of so many ascending numbers that is not below `from`. */
function firstFrom(count: number, from: number, at: (i: number) => number): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1;
    if (at(middle) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encoded(numbers: Float64Array): Buffer {
  const bytes = Buffer.allocUnsafe(numbers.length * ENTRY_BYTES);
  for (const [i, number] of numbers.entries()) bytes.writeDoubleLE(number, i * ENTRY_BYTES);
  return bytes;
}

function runOf(row: Readonly<Record<string, unknown>>): Run {
  const firsts = asBuffer(row.firsts);
  return {
    n: Number(row.n),
    firstBlock: Number(row.first_block),
    lastBlock: Number(row.last_block),
    firsts: Float64Array.from({ length: firsts.length / ENTRY_BYTES }, (_, i) =>
      firsts.readDoubleLE(i * ENTRY_BYTES),
    ),
  };
}
