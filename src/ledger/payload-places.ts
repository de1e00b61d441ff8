import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { asBuffer } from './payload-block.ts';
import type { PayloadLimits } from './payload-limits.ts';
import { COMMITMENT_BYTES } from './payload-seal.ts';
import { type PlacedBlock, PlaceTree } from './place-tree.ts';
import { RecentPlaces } from './recent-places.ts';

/**
 * Where the payload of a commitment is: in memory for the newest blocks and those that came lately, in a tree on disk for
 * all but the newest. Both give candidates; only the block itself says whether it has the payload.
 */

/** The places as one connection sees them. */
export class PayloadPlaces {
  readonly #tree: PlaceTree;
  readonly #recent: RecentPlaces;
  /** Of blocks that were found in the tree: who asks for a payload often asks for its neighbours next. */
  readonly #found: RecentPlaces;
  readonly #runPayloads: number;
  readonly #newBlocks: StatementSync;
  readonly #placed: StatementSync;
  readonly #setPlaced: StatementSync;
  #lastBlock = 0;
  /** The last block whose payloads are in the tree. */
  #lastPlaced = 0;
  /** Whether the last candidate is from the tree. */
  #inTree = false;
  /** Payloads in memory that may not be in the tree. */
  #newest = 0;

  constructor(db: DatabaseSync, { runPayloads, recentPayloads }: PayloadLimits) {
    this.#tree = new PlaceTree(db);
    // What is in memory alone has to stay there until it is in the tree.
    this.#recent = new RecentPlaces(Math.max(recentPayloads, runPayloads));
    this.#found = new RecentPlaces(recentPayloads);
    this.#runPayloads = runPayloads;
    this.#newBlocks = db.prepare('SELECT n, commitments FROM blocks WHERE n > ? ORDER BY n');
    this.#placed = db.prepare('SELECT last_block FROM placed');
    this.#setPlaced = db.prepare('UPDATE placed SET last_block = ?');
  }

  /** Takes in what other connections added, and says whether that was anything. */
  refresh(): boolean {
    const before = this.#lastBlock;
    this.#lastPlaced = Number(this.#placed.get()?.last_block);
    this.#lastBlock = Math.max(before, this.#lastPlaced);
    for (const { n, commitments } of this.#blocks(this.#lastBlock)) {
      for (let at = 0; at < commitments.length; at += COMMITMENT_BYTES) {
        this.#recent.add(commitments.readUInt32BE(at), n);
        this.#newest += 1;
      }
      this.#lastBlock = n;
    }
    this.#recent.settle();
    return this.#lastBlock > before;
  }

  /** Forgets everything: a transaction was rolled back. To be refreshed before it is used again. */
  reset(): void {
    this.#recent.clear();
    this.#found.clear();
    this.#lastBlock = 0;
    this.#newest = 0;
  }

  /** The number of a block that is to be written. */
  nextBlock(): number {
    this.#lastBlock += 1;
    return this.#lastBlock;
  }

  /**
   * Says that a payload is in a block, or will be when the transaction ends.
   *
   * @param hash the first 32 bits of its commitment
   */
  add(hash: number, block: number): void {
    this.#recent.add(hash, block);
    this.#newest += 1;
  }

  /** Brings the newest payloads into the tree where there are enough of them. Within the transaction that wrote the blocks. */
  makeRuns(): void {
    if (this.#newest >= this.#runPayloads) this.makeAllRuns();
    this.#recent.settle();
  }

  /** The same, whether or not the newest blocks are in memory. */
  makeAllRuns(): void {
    let gathered: PlacedBlock[] = [];
    let payloads = 0;
    for (const block of this.#blocks(this.#lastPlaced)) {
      gathered.push(block);
      payloads += block.commitments.length / COMMITMENT_BYTES;
      if (payloads < this.#runPayloads) continue;
      this.#tree.add(gathered);
      this.#lastPlaced = block.n;
      [gathered, payloads] = [[], 0];
    }
    this.#setPlaced.run(this.#lastPlaced);
    this.#newest = payloads;
  }

  /** Blocks that may have a payload, the likeliest first. @param commitment raw */
  *candidates(commitment: Buffer): Generator<number, void> {
    this.#inTree = false;
    const hash = commitment.readUInt32BE(0);
    yield* this.#recent.find(hash);
    yield* this.#found.find(hash);
    this.#inTree = true;
    yield* this.#tree.find(commitment);
  }

  /** Says that the last candidate had it, and what else it has. @param commitments raw, joined */
  foundIn(block: number, commitments: Buffer): void {
    if (!this.#inTree) return;
    for (let at = 0; at < commitments.length; at += COMMITMENT_BYTES) {
      this.#found.add(commitments.readUInt32BE(at), block);
    }
    this.#found.settle();
  }

  *#blocks(after: number): Generator<PlacedBlock, void> {
    for (const { n, commitments } of this.#newBlocks.iterate(after)) {
      yield { n: Number(n), commitments: asBuffer(commitments) };
    }
  }
}
