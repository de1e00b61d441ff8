import { join } from 'node:path';
import { entries, type IndexedEntry, TileStore } from '../ledger/tiles.ts';
import { isDamage } from '../store/damage.ts';
import { ActivityIndex } from './activity-index.ts';
import { removeIndex } from './schema.ts';

/** Leaves per transaction of the index. */
const BATCH = 8192;

/**
 * Keeps the index up with the log: reads leaves from the log's files, from the first that the index does not have. The log
 * never waits for it, and it needs nothing but these files to find back after whatever happened.
 */
export class IndexFollower {
  readonly #index: ActivityIndex;
  readonly #store: TileStore;

  /**
   * Opens the index of a data directory and takes in what it lacks. Everything in it comes from the log: what is damaged, or
   * has more leaves than the log (which was put back from a copy, then), is made anew.
   *
   * @param size how many leaves are under the released checkpoint
   */
  static open(dataDir: string, size: number): IndexFollower {
    const file = join(dataDir, 'index.db');
    const store = new TileStore(join(dataDir, 'log'));
    try {
      const follower = IndexFollower.#open(file, store, size);
      if (follower.size === size) return follower;
      follower.close();
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    removeIndex(file);
    return IndexFollower.#open(file, store, size);
  }

  static #open(file: string, store: TileStore, size: number): IndexFollower {
    const follower = new IndexFollower(ActivityIndex.open(file), store);
    try {
      while (!follower.step(size));
      return follower;
    } catch (error) {
      follower.close();
      throw error;
    }
  }

  private constructor(index: ActivityIndex, store: TileStore) {
    this.#index = index;
    this.#store = store;
  }

  /** How many leaves, from leaf 0 on, are in the index. */
  get size(): number {
    return this.#index.indexedSize();
  }

  /**
   * Takes in what follows, one transaction of it, and answers whether that was all.
   *
   * @param size a size at which a checkpoint was released, or one at which all bundles are full
   */
  step(size: number): boolean {
    const from = this.size;
    if (from >= size) return true;
    const to = Math.min(size, from + BATCH);
    const leaves: IndexedEntry[] = [];
    // The width of the last bundle follows from the size at which its file was written.
    for (const leaf of entries(this.#store, from, size)) {
      if (leaf.index >= to) break;
      leaves.push(leaf);
    }
    this.#index.consume(leaves);
    return to === size;
  }

  close(): void {
    this.#index.close();
  }
}
