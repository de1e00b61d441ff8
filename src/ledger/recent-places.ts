/**
 * In which blocks the payloads are that were added lately, by the first four bytes of their commitments: candidates, of which
 * the block itself says whether it has the payload. Twelve bytes for each, and not an object: there are millions.
 */

/** A place of a table is taken up to that share of them. */
const MOST_TAKEN = 0.75;
const FIRST_SLOTS = 1024;

/** Open addressing: what has no room in its place is in the next one that was free. */
class Table {
  #hashes = new Uint32Array(FIRST_SLOTS);
  /** Numbers of blocks, which begin with 1; 0 where nothing is. */
  #blocks = new Float64Array(FIRST_SLOTS);
  size = 0;

  add(hash: number, block: number): void {
    if (this.size >= this.#hashes.length * MOST_TAKEN) this.#grow();
    this.#put(hash, block);
    this.size += 1;
  }

  *find(hash: number): Generator<number, void> {
    const mask = this.#hashes.length - 1;
    for (let at = hash & mask; this.#blocks[at] !== 0; at = (at + 1) & mask) {
      if (this.#hashes[at] === hash) yield this.#blocks[at] as number;
    }
  }

  #put(hash: number, block: number): void {
    const mask = this.#hashes.length - 1;
    let at = hash & mask;
    while (this.#blocks[at] !== 0) at = (at + 1) & mask;
    this.#hashes[at] = hash;
    this.#blocks[at] = block;
  }

  #grow(): void {
    const [hashes, blocks] = [this.#hashes, this.#blocks];
    this.#hashes = new Uint32Array(hashes.length * 2);
    this.#blocks = new Float64Array(hashes.length * 2);
    for (const [at, block] of blocks.entries()) {
      if (block !== 0) this.#put(hashes[at] as number, block);
    }
  }
}

/** Two tables, of which the older one is dropped when the younger one is full. */
export class RecentPlaces {
  readonly #max: number;
  #young = new Table();
  #old = new Table();

  /** @param max payloads of a table from which on {@link settle} begins the next */
  constructor(max: number) {
    this.#max = max;
  }

  /** @param hash any 32 bits of the commitment, always the same ones */
  add(hash: number, block: number): void {
    this.#young.add(hash, block);
  }

  /** The blocks that may have it, the newer ones first. */
  *find(hash: number): Generator<number, void> {
    yield* this.#young.find(hash);
    yield* this.#old.find(hash);
  }

  /** Forgets the oldest where there are enough newer ones. */
  settle(): void {
    if (this.#young.size < this.#max) return;
    this.#old = this.#young;
    this.#young = new Table();
  }

  clear(): void {
    this.#young = new Table();
    this.#old = new Table();
  }
}
