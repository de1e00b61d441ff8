import { PosternError } from '../core/errors.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { releasedCheckpoint } from './cosigned.ts';
import { splitNote } from './note.ts';
import { cachingReader, consistencyProof, formatTlogProof, inclusionProof } from './proof.ts';
import {
  bundleWidth,
  encodeBundle,
  entries,
  type IndexedEntry,
  readEntry,
  type TileReader,
  TileStore,
} from './tiles.ts';
import { HASH_BYTES, TILE_WIDTH } from './tree.ts';

/** Above this level no tile of a tree of 2^53 leaves has a hash. */
const MAX_LEVEL = 6;

/** A leaf with all it takes to verify it. */
export interface ProvedLeaf {
  readonly leaf: number;
  readonly entry: Buffer;
  /** Content of a `.tlog-proof` file, with the entry as its extra data. */
  readonly proof: string;
}

/** That one tree continues another. */
export interface Consistency {
  readonly old: number;
  readonly size: number;
  readonly proof: readonly Buffer[];
  /** The last released checkpoint, whatever `size` is. */
  readonly checkpoint: string;
}

/**
 * The log as others get to see it: what the last released checkpoint covers, and no more. It reads the files of the log's
 * folder and may do so beside the sequencer.
 */
export class PublishedLog {
  readonly #dir: string;
  readonly #store: TileStore;

  /** @param logDir folder with `checkpoint` and `tile/` */
  constructor(logDir: string) {
    this.#dir = logDir;
    this.#store = new TileStore(logDir);
  }

  /** The last released checkpoint, a note, with the cosignatures that there are of it. */
  checkpoint(): string {
    return releasedCheckpoint(this.#dir);
  }

  /** Leaves under it. */
  get size(): number {
    return this.#read().size;
  }

  /** Hashes of a tile; null where the released tree has no such tile. */
  tile(level: number, n: number, width: number): Buffer | null {
    if (level > MAX_LEVEL) return null;
    const hashes = Math.floor(this.size / TILE_WIDTH ** level);
    return width > 0 && bundleWidth(n, hashes) >= width ? this.#store.readTile(level, n, width) : null;
  }

  /** A bundle of entries; null where the released tree has no such bundle. */
  entries(n: number, width: number): Buffer | null {
    const covered = width > 0 && bundleWidth(n, this.size) >= width;
    return covered ? encodeBundle(this.#store.readEntries(n, width)) : null;
  }

  /** Leaves `[from, to)` as far as the released tree has them. */
  leaves(from: number, to: number): Generator<IndexedEntry, void> {
    return entries(this.#store, from, Math.min(to, this.size));
  }

  /** Proves a leaf under the last released checkpoint. @throws PosternError POSTERN_NOT_FOUND */
  prove(leaf: number): ProvedLeaf {
    const { size, note } = this.#read();
    const entry = readEntry(this.#store, leaf, size);
    const proof = inclusionProof(this.#reader(size), leaf, size);
    return { leaf, entry, proof: formatTlogProof({ extra: entry, index: leaf, proof, checkpoint: note }) };
  }

  /**
   * Proves that the first `size` leaves continue the first `old` ones; `size` is that of the released checkpoint unless given.
   *
   * @throws PosternError POSTERN_INVALID where the released tree has fewer
   */
  consistency(old: number, size?: number): Consistency {
    const released = this.#read();
    const to = size ?? released.size;
    if (to > released.size || old > to) {
      throw new PosternError(
        'POSTERN_INVALID',
        `There is no proof from ${old} to ${to} leaves: the log has ${released.size}.`,
      );
    }
    const proof = consistencyProof(this.#reader(released.size), old, to);
    return { old, size: to, proof, checkpoint: released.note };
  }

  #read(): Checkpoint & { readonly note: string } {
    const note = this.checkpoint();
    return { ...parseCheckpoint(splitNote(note).text), note };
  }

  /** Tiles of trees up to the released one: an unfinished tile of an older tree is the beginning of one of this. */
  #reader(size: number): TileReader {
    return cachingReader((level, n, width) => {
      const has = bundleWidth(n, Math.floor(size / TILE_WIDTH ** level));
      return this.#store.readTile(level, n, Math.max(has, width)).subarray(0, width * HASH_BYTES);
    });
  }
}
