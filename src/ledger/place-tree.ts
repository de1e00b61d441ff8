import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { asBuffer } from './payload-block.ts';
import { COMMITMENT_BYTES } from './payload-seal.ts';

/**
 * In which blocks the older payloads are, on disk. Commitments are random, so an index that is kept in order would touch a page
 * of the file for each one that is added. Instead some ten thousand are added at a time, to the root of a tree, as one *run*. A node that
 * has eight runs hands them down to its eight children, by the next three bits of the commitments. So a look-up reads at most
 * some rows of each node on the way down, and the way is as long as the logarithm of the number of payloads.
 *
 * A run is cut into 64 rows by the next six bits. A row is a list of entries, in no order: the first 40 bits of a
 * commitment and the number of the block. That gives candidates: only the block itself says whether it has the payload.
 *
 * Entries move down only, and a look-up goes down: a reader beside the writer misses nothing that moves meanwhile.
 */

const CHILDREN_BITS = 3;
const CHILDREN = 1 << CHILDREN_BITS;
const ROW_BITS = 6;
const ROWS = 1 << ROW_BITS;
/** Runs from which on a node hands them down. */
const FULL_RUNS = 8;
/** Runs that a node can have while it waits for that. */
const MOST_RUNS = 16;
const PREFIX_BYTES = 5;
const BLOCK_BYTES = 5;
const ENTRY_BYTES = PREFIX_BYTES + BLOCK_BYTES;

/** A block as far as the tree is concerned. */
export interface PlacedBlock {
  readonly n: number;
  /** Raw, joined. */
  readonly commitments: Buffer;
}

/** The tree as one connection sees it. What changes it is done within the transaction of the caller. */
export class PlaceTree {
  readonly #rows: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #runs: StatementSync;
  readonly #setRuns: StatementSync;
  readonly #full: StatementSync;
  readonly #last: StatementSync;

  constructor(db: DatabaseSync) {
    this.#rows = db.prepare('SELECT entries FROM place_rows WHERE n BETWEEN ? AND ? ORDER BY n DESC');
    this.#insert = db.prepare('INSERT INTO place_rows (n, entries) VALUES (?, ?)');
    this.#delete = db.prepare('DELETE FROM place_rows WHERE n BETWEEN ? AND ?');
    this.#runs = db.prepare('SELECT runs FROM place_nodes WHERE n = ?');
    this.#setRuns = db.prepare(
      'INSERT INTO place_nodes (n, runs) VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET runs = excluded.runs',
    );
    this.#full = db.prepare(
      `SELECT n FROM place_nodes WHERE runs >= ${FULL_RUNS} ORDER BY runs DESC, n LIMIT 1`,
    );
    this.#last = db.prepare('SELECT max(n) AS n FROM place_nodes');
  }

  /** Adds the payloads of some blocks, as one run. */
  add(blocks: readonly PlacedBlock[]): void {
    const rows = Array.from({ length: ROWS }, () => new RowWriter());
    const block = Buffer.alloc(BLOCK_BYTES);
    for (const { n, commitments } of blocks) {
      block.writeUIntBE(n, 0, BLOCK_BYTES);
      for (let at = 0; at < commitments.length; at += COMMITMENT_BYTES) {
        rows[bitsAt(commitments, at, 0, ROW_BITS)]?.add(commitments, at, block, 0);
      }
    }
    const runs = this.#runsOf(0);
    for (const [row, writer] of rows.entries()) this.#write(0, row, runs, writer.bytes);
    this.#setRuns.run(0, runs + 1);
    // One node at a time: so no step takes long, and it is still more than what has to be handed down in the long run.
    const full = this.#full.get()?.n;
    if (full !== undefined) this.#handDown(Number(full));
  }

  /** Blocks that may have a payload. @param commitment raw */
  *find(commitment: Buffer): Generator<number, void> {
    const prefix = commitment.subarray(0, PREFIX_BYTES);
    let last = -1;
    for (let node = 0, depth = 0; ; depth++) {
      if (node > last) {
        // Asked after the nodes above were read: what was moved out of them meanwhile is in nodes that are there by now.
        last = Number(this.#last.get()?.n ?? -1);
        if (node > last) return;
      }
      const bits = bitsAt(commitment, 0, depth * CHILDREN_BITS, ROW_BITS);
      const from = rowNumber(node, bits, 0);
      for (const { entries } of this.#rows.all(from, from + MOST_RUNS - 1))
        yield* inRow(asBuffer(entries), prefix);
      node = childOf(node, bits >>> (ROW_BITS - CHILDREN_BITS));
    }
  }

  #handDown(node: number): void {
    const depth = depthOf(node);
    const runs: number[] = [];
    for (let child = 0; child < CHILDREN; child++) {
      if (this.#runsOf(childOf(node, child)) >= MOST_RUNS) this.#handDown(childOf(node, child));
      runs.push(this.#runsOf(childOf(node, child)));
    }
    for (let row = 0; row < ROWS; row++) {
      const from = rowNumber(node, row, 0);
      const all = this.#rows.all(from, from + MOST_RUNS - 1).map(({ entries }) => asBuffer(entries));
      this.#delete.run(from, from + MOST_RUNS - 1);
      const child = row >>> (ROW_BITS - CHILDREN_BITS);
      for (const [i, bytes] of split(all, depth).entries()) {
        const childRow = ((row << CHILDREN_BITS) & (ROWS - 1)) | i;
        this.#write(childOf(node, child), childRow, runs[child] as number, bytes);
      }
    }
    this.#setRuns.run(node, 0);
    for (const [child, before] of runs.entries()) this.#setRuns.run(childOf(node, child), before + 1);
  }

  #runsOf(node: number): number {
    return Number(this.#runs.get(node)?.runs ?? 0);
  }

  #write(node: number, row: number, run: number, entries: Buffer): void {
    if (entries.length > 0) this.#insert.run(rowNumber(node, row, run), entries);
  }
}

/** Entries of a row that is being made. */
class RowWriter {
  #bytes = Buffer.allocUnsafe(ENTRY_BYTES * 64);
  #used = 0;

  /** @param from has {@link PREFIX_BYTES} of a commitment at `at` @param block has the number of the block at `blockAt` */
  add(from: Buffer, at: number, block: Buffer, blockAt: number): void {
    if (this.#used === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * this.#used);
    for (let i = 0; i < PREFIX_BYTES; i++) this.#bytes[this.#used++] = from[at + i] as number;
    for (let i = 0; i < BLOCK_BYTES; i++) this.#bytes[this.#used++] = block[blockAt + i] as number;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }
}

/** The entries of one row of a node, by the bits that follow. */
function split(rows: readonly Buffer[], depth: number): Buffer[] {
  const parts = Array.from({ length: CHILDREN }, () => new RowWriter());
  for (const entries of rows) {
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      const bits = bitsAt(entries, at, depth * CHILDREN_BITS + ROW_BITS, CHILDREN_BITS);
      parts[bits]?.add(entries, at, entries, at + PREFIX_BYTES);
    }
  }
  return parts.map(({ bytes }) => bytes);
}

function* inRow(entries: Buffer, prefix: Buffer): Generator<number, void> {
  for (let at = entries.indexOf(prefix); at >= 0; at = entries.indexOf(prefix, at + 1)) {
    if (at % ENTRY_BYTES === 0) yield entries.readUIntBE(at + PREFIX_BYTES, BLOCK_BYTES);
  }
}

/** At most nine bits of a commitment. */
function bitsAt(bytes: Buffer, at: number, first: number, count: number): number {
  const two = bytes.readUInt16BE(at + (first >>> 3));
  return (two >>> (16 - (first & 7) - count)) & ((1 << count) - 1);
}

/** Nodes are numbered level by level. */
function childOf(node: number, child: number): number {
  return node * CHILDREN + 1 + child;
}

function depthOf(node: number): number {
  let depth = 0;
  for (let above = node; above > 0; above = Math.floor((above - 1) / CHILDREN)) depth += 1;
  return depth;
}

function rowNumber(node: number, row: number, run: number): number {
  return (node * ROWS + row) * MOST_RUNS + run;
}
