import { PosternError } from '../core/errors.ts';
import { parseDecimal } from './checkpoint.ts';
import { decodeBase64, MAX_NOTE_BYTES } from './note.ts';
import { bundleWidth, type TileReader } from './tiles.ts';
import { EMPTY_ROOT, HASH_BYTES, nodeHash, subtreeRoot, TILE_WIDTH } from './tree.ts';

/**
 * Proofs that a leaf is in a tree, and that one tree continues another.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1
 * @see https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2
 */

/** A proof in a tree of 2^53 leaves has at most this many hashes (a consistency proof one more). */
const MAX_PROOF = 64;

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}

/** Largest power of two below `n` (`n` at least 2). */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Keeps the tiles last read, for callers that make many proofs. */
export function cachingReader(read: TileReader, maxTiles = 64): TileReader {
  const tiles = new Map<string, Buffer>();
  return (level, n, width) => {
    const key = `${level}/${n}/${width}`;
    const known = tiles.get(key);
    if (known) return known;
    const tile = read(level, n, width);
    const oldest = tiles.keys().next();
    if (tiles.size >= maxTiles && !oldest.done) tiles.delete(oldest.value);
    tiles.set(key, tile);
    return tile;
  };
}

/** Hash of the perfect subtree over leaves `[from, from + count)` of a tree of `size`. */
function perfect(read: TileReader, size: number, from: number, count: number): Buffer {
  let level = 0;
  let span = 1;
  while (span * TILE_WIDTH <= count) {
    span *= TILE_WIDTH;
    level += 1;
  }
  const first = from / span;
  const n = Math.floor(first / TILE_WIDTH);
  const tile = read(level, n, bundleWidth(n, Math.floor(size / span)));
  return subtreeRoot(tile, first % TILE_WIDTH, count / span);
}

/** Hash over leaves `[from, to)`, where `from` is a multiple of the largest perfect subtree inside. */
function range(read: TileReader, size: number, from: number, to: number): Buffer {
  const count = to - from;
  const k = count === 1 ? 1 : split(count);
  if (count === 1 || k * 2 === count) return perfect(read, size, from, count);
  return nodeHash(range(read, size, from, from + k), range(read, size, from + k, to));
}

/** Root of the first `size` leaves, from tiles. */
export function rootFromTiles(read: TileReader, size: number): Buffer {
  return size === 0 ? EMPTY_ROOT : range(read, size, 0, size);
}

/** Audit path of leaf `index` in the tree of `size`, from the leaf's sibling upwards. */
export function inclusionProof(read: TileReader, index: number, size: number): Buffer[] {
  if (!(index >= 0 && index < size)) throw invalid(`There is no leaf ${index} in a tree of ${size}.`);
  const proof: Buffer[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      proof.push(range(read, size, middle, to));
      to = middle;
    } else {
      proof.push(range(read, size, from, middle));
      from = middle;
    }
  }
  return proof.reverse();
}

/** Whether `proof` leads from a leaf hash to the root. Never throws, whatever it is given. */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if (!wellFormed([leaf, root, ...proof])) return false;
  let position = index;
  let last = size - 1;
  let hash: Uint8Array = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash);
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && Buffer.compare(hash, root) === 0;
}

/** Proof that the tree of `n` leaves begins with the tree of `m`. Empty for `m` = 0 and `m` = `n`. */
export function consistencyProof(read: TileReader, m: number, n: number): Buffer[] {
  if (!(m >= 0 && m <= n)) throw invalid(`A tree of ${n} cannot continue one of ${m}.`);
  const proof: Buffer[] = [];
  if (m === 0 || m === n) return proof;
  let from = 0;
  let to = n;
  while (m < to) {
    const middle = from + split(to - from);
    if (m <= middle) {
      proof.push(range(read, n, middle, to));
      to = middle;
    } else {
      proof.push(range(read, n, from, middle));
      from = middle;
    }
  }
  if (from !== 0) proof.push(range(read, n, from, to));
  return proof.reverse();
}

/**
 * Whether `proof` shows that the tree of `n` begins with the tree of `m`. Never throws.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.2
 */
export function verifyConsistency(
  m: number,
  rootM: Uint8Array,
  n: number,
  rootN: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(m) || !Number.isSafeInteger(n) || m < 0 || m > n) return false;
  if (!wellFormed([rootM, rootN, ...proof])) return false;
  if (m === n) return proof.length === 0 && Buffer.compare(rootM, rootN) === 0;
  if (m === 0) return proof.length === 0 && Buffer.compare(rootM, EMPTY_ROOT) === 0;
  let position = m - 1;
  let last = n - 1;
  while (position % 2 === 1) {
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  // Where the old tree is perfect, its root is the first hash and the proof leaves it out.
  const [first, ...rest] = position === 0 ? [rootM, ...proof] : proof;
  if (!first) return false;
  let oldHash: Uint8Array = first;
  let newHash: Uint8Array = first;
  for (const hash of rest) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldHash = nodeHash(hash, oldHash);
      newHash = nodeHash(hash, newHash);
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = nodeHash(newHash, hash);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && Buffer.compare(oldHash, rootM) === 0 && Buffer.compare(newHash, rootN) === 0;
}

function wellFormed(hashes: readonly Uint8Array[]): boolean {
  return hashes.length <= MAX_PROOF + 2 && hashes.every((hash) => hash.length === HASH_BYTES);
}

/** Content of a `.tlog-proof` file. */
export interface TlogProof {
  /** Not authenticated. */
  readonly extra?: Buffer;
  readonly index: number;
  readonly proof: readonly Buffer[];
  /** The signed checkpoint, a note. */
  readonly checkpoint: string;
}

const TLOG_PROOF = 'c2sp.org/tlog-proof@v1';

/** @see https://c2sp.org/tlog-proof */
export function formatTlogProof({ extra, index, proof, checkpoint }: TlogProof): string {
  const lines = [TLOG_PROOF];
  if (extra) lines.push(`extra ${extra.toString('base64')}`);
  lines.push(`index ${index}`, ...proof.map((hash) => hash.toString('base64')), '', checkpoint);
  return lines.join('\n');
}

/** Reads a `.tlog-proof`. Proves nothing by itself. @throws PosternError `POSTERN_INVALID` */
export function parseTlogProof(text: string): TlogProof {
  if (Buffer.byteLength(text) > 2 * MAX_NOTE_BYTES) throw invalid('The proof is larger than 128 KiB.');
  const end = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(end, 0)).split('\n');
  if (end < 0 || lines.shift() !== TLOG_PROOF) throw invalid('This is not a tlog-proof of version 1.');
  let extra: Buffer | null | undefined;
  if (lines[0]?.startsWith('extra ')) {
    extra = decodeBase64((lines.shift() as string).slice('extra '.length));
    if (!extra?.length) throw invalid('The extra data of the proof is not base64.');
  }
  const indexLine = lines.shift() ?? '';
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice('index '.length)) : null;
  if (index === null) throw invalid('The proof has no index line.');
  if (lines.length > MAX_PROOF) throw invalid('The proof has more hashes than a tree can be high.');
  const proof = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== HASH_BYTES) throw invalid('The proof has a line that is not a hash.');
    return hash;
  });
  return { ...(extra && { extra }), index, proof, checkpoint: text.slice(end + 2) };
}
