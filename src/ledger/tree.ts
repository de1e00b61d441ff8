import { hash as digest } from 'node:crypto';
import type { TileReader } from './tiles.ts';

/**
 * The Merkle tree of RFC 6962, grown one leaf at a time, cut into tiles of height 8.
 *
 * Inside this file and its callers on the hot path a hash is a "binary" string of 32 characters (one per byte):
 * making one costs a third of making a Buffer.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6962#section-2.1
 * @see https://c2sp.org/tlog-tiles
 */

export const HASH_BYTES = 32;
/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;

/** Root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = digest('sha256', '', 'buffer');

const pair = Buffer.alloc(1 + 2 * HASH_BYTES);
pair[0] = 0x01;

/** `SHA-256(0x00 || entry)`. */
export function leafHash(entry: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + entry.length);
  input[0] = 0x00;
  input.set(entry, 1);
  return digest('sha256', input, 'buffer');
}

/** `SHA-256(0x01 || left || right)`. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return digest('sha256', pair, 'buffer');
}

/** {@link leafHash} as a binary string, of bytes that already begin with 0x00. */
export function prefixedLeafHash(zeroAndEntry: Uint8Array): string {
  return digest('sha256', zeroAndEntry, 'binary');
}

function node(left: string, right: string): string {
  pair.write(left, 1, HASH_BYTES, 'latin1');
  pair.write(right, 1 + HASH_BYTES, HASH_BYTES, 'latin1');
  return digest('sha256', pair, 'binary');
}

/** Root of the perfect subtree over `count` (a power of two) consecutive hashes of a tile. */
export function subtreeRoot(hashes: Uint8Array, from: number, count: number): Buffer {
  if (count === 1) return Buffer.from(hashes.subarray(from * HASH_BYTES, (from + 1) * HASH_BYTES));
  let row: string[] = [];
  for (let i = from; i < from + count; i += 2) {
    pair.set(hashes.subarray(i * HASH_BYTES, (i + 2) * HASH_BYTES), 1);
    row.push(digest('sha256', pair, 'binary'));
  }
  while (row.length > 1) {
    const above: string[] = [];
    for (let i = 0; i < row.length; i += 2) above.push(node(row[i] as string, row[i + 1] as string));
    row = above;
  }
  return Buffer.from(row[0] as string, 'latin1');
}

/** Told of each tile the moment it is full. `hashes` (8,192 bytes) belongs to the receiver. */
export type OnFullTile = (level: number, n: number, hashes: Buffer) => void;

interface Edge {
  hashes: Buffer;
  count: number;
}

/** A growing tree that holds its right edge only: the peaks, and the unfinished tile of each level. */
export class Tree {
  #size = 0;
  /** By height: root of the perfect subtree that stands there, or '' where the size has a zero bit. */
  readonly #peaks: string[] = [];
  readonly #edges: Edge[] = [];
  readonly #onFullTile: OnFullTile;

  constructor(onFullTile: OnFullTile) {
    this.#onFullTile = onFullTile;
  }

  /**
   * The tree of `size` leaves, from its full tiles and the leaf hashes of the unfinished level-0 tile. Partial
   * tiles of the levels above are not read but derived from the full tiles below them.
   */
  static restore(size: number, read: TileReader, tail: readonly string[], onFullTile: OnFullTile): Tree {
    const tree = new Tree(onFullTile);
    tree.#size = size;
    let atLevel = size;
    for (let level = 0; atLevel > 0; level++) {
      const count = atLevel % TILE_WIDTH;
      const first = atLevel - count;
      const edge = tree.#edge(level);
      for (let i = 0; i < count; i++) {
        if (level === 0) {
          edge.hashes.write(tail[i] as string, i * HASH_BYTES, HASH_BYTES, 'latin1');
        } else {
          subtreeRoot(read(level - 1, first + i, TILE_WIDTH), 0, TILE_WIDTH).copy(
            edge.hashes,
            i * HASH_BYTES,
          );
        }
      }
      edge.count = count;
      let from = 0;
      for (let bit = TILE_HEIGHT - 1; bit >= 0; bit--) {
        if ((count & (1 << bit)) === 0) continue;
        tree.#peaks[level * TILE_HEIGHT + bit] = subtreeRoot(edge.hashes, from, 1 << bit).toString('latin1');
        from += 1 << bit;
      }
      atLevel = first / TILE_WIDTH;
    }
    return tree;
  }

  get size(): number {
    return this.#size;
  }

  /** Root of all leaves so far. */
  get root(): Buffer {
    let root = '';
    for (const peak of this.#peaks) {
      if (peak) root = root === '' ? peak : node(peak, root);
    }
    return root === '' ? EMPTY_ROOT : Buffer.from(root, 'latin1');
  }

  /** Appends one leaf hash (a binary string). */
  append(leaf: string): void {
    this.#size += 1;
    this.#add(0, leaf);
  }

  /**
   * Appends the 256 leaves of a full tile at once, by the root over them (a binary string).
   *
   * @throws RangeError where the leaves before do not end with a full tile
   */
  appendTile(root: string): void {
    if (this.#size % TILE_WIDTH !== 0) throw new RangeError('The last tile of the tree is not full.');
    this.#size += TILE_WIDTH;
    this.#add(TILE_HEIGHT, root);
  }

  #add(from: number, subtree: string): void {
    this.#push(from / TILE_HEIGHT, subtree);
    let height = from;
    let hash = subtree;
    for (let peak = this.#peaks[height]; peak; peak = this.#peaks[height]) {
      hash = node(peak, hash);
      this.#peaks[height] = '';
      height += 1;
      if (height % TILE_HEIGHT === 0) this.#push(height / TILE_HEIGHT, hash);
    }
    while (this.#peaks.length < height) this.#peaks.push('');
    this.#peaks[height] = hash;
  }

  /** Hashes of the unfinished tile of a level, at most 255; empty where the tree has none there. */
  partial(level: number): Buffer {
    const edge = this.#edges[level];
    return edge ? Buffer.from(edge.hashes.subarray(0, edge.count * HASH_BYTES)) : Buffer.alloc(0);
  }

  #edge(level: number): Edge {
    let edge = this.#edges[level];
    if (!edge) {
      edge = { hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES), count: 0 };
      this.#edges[level] = edge;
    }
    return edge;
  }

  #push(level: number, hash: string): void {
    const edge = this.#edge(level);
    edge.hashes.write(hash, edge.count * HASH_BYTES, HASH_BYTES, 'latin1');
    edge.count += 1;
    if (edge.count < TILE_WIDTH) return;
    const full = edge.hashes;
    edge.hashes = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
    edge.count = 0;
    this.#onFullTile(level, Math.floor(this.#size / TILE_WIDTH ** (level + 1)) - 1, full);
  }
}
