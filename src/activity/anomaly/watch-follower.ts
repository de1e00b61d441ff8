import { join } from 'node:path';
import type { Finding } from '../../core/alert-finding.ts';
import { entries, TileStore } from '../../ledger/tiles.ts';
import { isDamage } from '../../store/damage.ts';
import { Detector } from './detector.ts';
import { Watch } from './watch.ts';
import { WatchStore } from './watch-store.ts';

/** Leaves per transaction. */
const BATCH = 8192;

/**
 * Follows the log by its files, from the first leaf that was not looked at yet, and keeps what is found until it is taken.
 * Neither the log nor the index waits for it.
 */
export class WatchFollower {
  readonly #tiles: TileStore;
  #store: WatchStore;
  #detector: Detector;
  #watch: Watch;
  #size = 0;

  /**
   * Opens what is known of a data directory. What is damaged, or knows of more leaves than the log has (which was put back from a copy,
   * then), is made anew from the log.
   *
   * @param size how many leaves are under the released checkpoint
   */
  static open(dataDir: string, size: number): WatchFollower {
    const file = join(dataDir, 'watch.db');
    try {
      const follower = new WatchFollower(dataDir, file);
      if (follower.size <= size) return follower;
      follower.close();
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    WatchStore.remove(file);
    return new WatchFollower(dataDir, file);
  }

  private constructor(dataDir: string, file: string) {
    this.#tiles = new TileStore(join(dataDir, 'log'));
    this.#store = WatchStore.open(file);
    try {
      ({ detector: this.#detector, watch: this.#watch } = this.#known());
    } catch (error) {
      this.#store.close();
      throw error;
    }
  }

  /** How many leaves were looked at. */
  get size(): number {
    return this.#size;
  }

  /**
   * Looks at what follows, one transaction of it, and answers whether that was all.
   *
   * @param size a size at which a checkpoint was released
   */
  step(size: number): boolean {
    const from = this.#size;
    if (from >= size) return true;
    const to = Math.min(size, from + BATCH);
    try {
      // The width of the last bundle follows from the size at which its file was written.
      for (const leaf of entries(this.#tiles, from, size)) {
        if (leaf.index >= to) break;
        this.#watch.take(leaf);
      }
      this.#save(to);
    } catch (error) {
      // What was looked at and is not kept must not count: it would be found twice.
      ({ detector: this.#detector, watch: this.#watch } = this.#known());
      throw error;
    }
    return to === size;
  }

  /** @see WatchStore.findings */
  findings(after: number, about: number): Finding[] {
    return this.#store.findings(after, about);
  }

  /** @see WatchStore.taken */
  taken(leaf: number): void {
    this.#store.taken(leaf);
  }

  close(): void {
    this.#store.close();
  }

  #save(size: number): void {
    const { changed, profiles, voice } = this.#detector;
    this.#store.save({
      ...{ size, lastTime: this.#watch.lastTime, inForce: voice.inForce, findings: voice.found },
      profiles: [...changed].flatMap((id) => profiles.get(id) ?? []),
    });
    changed.clear();
    voice.found = [];
    this.#size = size;
  }

  #known(): { readonly detector: Detector; readonly watch: Watch } {
    const { size, lastTime, inForce } = this.#store.position();
    this.#size = size;
    const detector = new Detector(this.#store.profiles(), inForce);
    return { detector, watch: new Watch(detector, lastTime) };
  }
}
