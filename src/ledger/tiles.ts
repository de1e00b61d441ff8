import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { type PendingFile, writeDurably } from './files.ts';
import { HASH_BYTES, TILE_WIDTH } from './tree.ts';

/**
 * The files of a log: hash tiles and entry bundles.
 *
 * @see https://c2sp.org/tlog-tiles
 */

/** An entry is stored behind a 16-bit length. */
export const MAX_ENTRY_BYTES = 65_535;
/** Length of the largest bundle there can be. */
export const MAX_BUNDLE_BYTES: number = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/** Hashes `[n * 256, n * 256 + width)` of a tile level, joined: `width * 32` bytes. Throws where they are not to be had. */
export type TileReader = (level: number, n: number, width: number) => Buffer;

function indexPath(n: number, width: number): string {
  let path = String(n % 1000).padStart(3, '0');
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** Relative path of a hash tile: `tile/0/x001/067`, or `tile/0/x001/067.p/5` for the partial one of 5 hashes. */
export function tilePath(level: number, n: number, width: number = TILE_WIDTH): string {
  return `tile/${level}/${indexPath(n, width)}`;
}

/** Relative path of an entry bundle: `tile/entries/x001/067`. */
export function entriesPath(n: number, width: number = TILE_WIDTH): string {
  return `tile/entries/${indexPath(n, width)}`;
}

/**
 * The reverse of the last part of {@link tilePath} and {@link entriesPath}, behind the level or `entries/`; null for what they
 * would not have written.
 */
export function parseIndexPath(text: string): { readonly n: number; readonly width: number } | null {
  const match = /^((?:x[0-9]{3}\/){0,5})([0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(text);
  if (!match) return null;
  const n = Number(`${match[1]}${match[2]}`.replaceAll(/[x/]/g, ''));
  const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
  return Number.isSafeInteger(n) && width > 0 && indexPath(n, width) === text ? { n, width } : null;
}

/** Place of a tile in the tree. */
export interface TilePlace {
  readonly level: number;
  readonly n: number;
  readonly width: number;
}

/** The partial tiles of a tree: at most one on each level. That of level 0 stands for the partial bundle as well. */
export function partialTiles(size: number): TilePlace[] {
  const places: TilePlace[] = [];
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    const width = count % TILE_WIDTH;
    if (width > 0) places.push({ level, n: (count - width) / TILE_WIDTH, width });
  }
  return places;
}

/** Bytes of the length in front of an entry. */
export const LENGTH_BYTES = 2;

/** How many entries of bundle `n` a tree of `size` has. */
export function bundleWidth(n: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, size - n * TILE_WIDTH));
}

/** Joins entries into a bundle. @throws RangeError for an entry above 65,535 bytes */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const entry of entries) bytes += 2 + entry.length;
  const bundle = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const entry of entries) {
    offset = bundle.writeUInt16BE(entry.length, offset);
    bundle.set(entry, offset);
    offset += entry.length;
  }
  return bundle;
}

/** The first `width` entries of a bundle (which may hold more), as views of it; null where it is cut or too long. */
export function decodeBundle(bundle: Buffer, width: number): Buffer[] | null {
  const ends = entryEnds(bundle, width);
  return ends === null ? null : entriesIn(bundle, ends);
}

function entriesIn(bundle: Buffer, ends: readonly number[]): Buffer[] {
  return ends.map((end, i) => bundle.subarray((ends[i - 1] ?? 0) + LENGTH_BYTES, end));
}

/**
 * Where the first `width` entries of a bundle (which may hold more) end; null where it is cut or too long. Each begins behind
 * two bytes of length, and the first of these where the one before ends.
 */
export function entryEnds(bundle: Buffer, width: number): number[] | null {
  const ends: number[] = [];
  for (let offset = 0; offset < bundle.length; ) {
    if (ends.length === TILE_WIDTH || offset + LENGTH_BYTES > bundle.length) return null;
    offset += LENGTH_BYTES + bundle.readUInt16BE(offset);
    if (offset > bundle.length) return null;
    ends.push(offset);
  }
  if (ends.length < width) return null;
  ends.length = width;
  return ends;
}

function damaged(path: string, what: string): PosternError {
  return new PosternError('POSTERN_INTERNAL', `${path}: ${what}`, 'Run a verification of the log.');
}

/** The bytes of a file under a log's folder, or null where there is none. Throws where it has more than `maxBytes`. */
export type FileReader = (path: string, maxBytes: number) => Buffer | null;

/**
 * The tiles and bundles of a log, wherever its files are. A partial file that is gone because the full one has come is
 * read from the full one.
 */
export class TileFiles {
  readonly #readFile: FileReader;

  constructor(readFile: FileReader) {
    this.#readFile = readFile;
  }

  /** {@link TileReader}; bound, so that it can be passed on. */
  readonly readTile: TileReader = (level, n, width) => {
    const { path, data } = this.#read((w) => tilePath(level, n, w), width, TILE_WIDTH * HASH_BYTES);
    const exact = path === tilePath(level, n, width);
    if (exact ? data.length !== width * HASH_BYTES : data.length !== TILE_WIDTH * HASH_BYTES) {
      throw damaged(path, `has ${data.length} bytes, which is not the size of this tile`);
    }
    return data.subarray(0, width * HASH_BYTES);
  };

  /** The first `width` entries of bundle `n`. */
  readEntries(n: number, width: number = TILE_WIDTH): Buffer[] {
    const { bundle, ends } = this.readBundle(n, width);
    return entriesIn(bundle, ends);
  }

  /** Bundle `n`, and where its first `width` entries end, as {@link entryEnds} has it. */
  readBundle(
    n: number,
    width: number = TILE_WIDTH,
  ): { readonly bundle: Buffer; readonly ends: readonly number[] } {
    const { path, data } = this.#read((w) => entriesPath(n, w), width, MAX_BUNDLE_BYTES);
    const ends = entryEnds(data, width);
    if (!ends) throw damaged(path, 'is not a well-formed entry bundle');
    return { bundle: data, ends };
  }

  #read(
    pathOf: (width: number) => string,
    width: number,
    maxBytes: number,
  ): { readonly path: string; readonly data: Buffer } {
    const path = pathOf(width);
    const data = this.#readFile(path, maxBytes);
    if (data) return { path, data };
    const full = width < TILE_WIDTH ? this.#readFile(pathOf(TILE_WIDTH), maxBytes) : null;
    if (full) return { path: pathOf(TILE_WIDTH), data: full };
    throw damaged(path, 'is missing');
  }
}

/** The tiles and bundles of a log in a folder. */
export class TileStore extends TileFiles {
  readonly dir: string;
  #pending: PendingFile[] = [];

  constructor(dir: string) {
    super((path, maxBytes) => readBounded(join(dir, path), maxBytes));
    this.dir = dir;
  }

  /** Stages a tile; {@link commit} makes it durable. */
  writeTile(level: number, n: number, hashes: Uint8Array): void {
    this.#stage(tilePath(level, n, hashes.length / HASH_BYTES), hashes);
  }

  /** Stages a bundle of `width` entries, already encoded; {@link commit} makes it durable. */
  writeEntries(n: number, width: number, bundle: Uint8Array): void {
    this.#stage(entriesPath(n, width), bundle);
  }

  /** Makes all staged files durable; on an error none counts as written, and the staging area is empty. */
  commit(): void {
    const files = this.#pending;
    this.#pending = [];
    if (files.length > 0) writeDurably(files);
  }

  /** Forgets what was staged. */
  discard(): void {
    this.#pending = [];
  }

  /** Removes all partial forms of a tile (and of a bundle, on level 0) whose full form is there. */
  dropPartials(level: number, n: number): void {
    const full = level === 0 ? [tilePath(0, n), entriesPath(n)] : [tilePath(level, n)];
    for (const path of full) {
      if (!fs.existsSync(join(this.dir, path))) continue;
      fs.rmSync(join(this.dir, `${path}.p`), { recursive: true, force: true });
    }
  }

  #stage(path: string, data: Uint8Array): void {
    this.#pending.push({ path: join(this.dir, path), data });
  }
}

/** The file's bytes, or null where there is none. */
function readBounded(path: string, maxBytes: number): Buffer | null {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { size } = fs.fstatSync(fd);
    if (size > maxBytes) throw damaged(path, `has ${size} bytes, more than any file of its kind`);
    const data = Buffer.allocUnsafe(size);
    let read = 0;
    while (read < size) {
      const count = fs.readSync(fd, data, read, size - read, read);
      if (count === 0) break;
      read += count;
    }
    return data.subarray(0, read);
  } finally {
    fs.closeSync(fd);
  }
}

/** Entry of one leaf in a tree of `size`. */
export function readEntry(store: TileFiles, leaf: number, size: number): Buffer {
  if (leaf < 0 || leaf >= size) {
    throw new PosternError('POSTERN_NOT_FOUND', `The log has no leaf ${leaf} at size ${size}.`);
  }
  const n = Math.floor(leaf / TILE_WIDTH);
  return store.readEntries(n, bundleWidth(n, size))[leaf % TILE_WIDTH] as Buffer;
}

/** One leaf and its entry. */
export interface IndexedEntry {
  readonly index: number;
  readonly entry: Buffer;
}

/** Entries `[from, to)` of a tree that has at least `to` leaves, one bundle in memory at a time. */
export function* entries(store: TileFiles, from: number, to: number): Generator<IndexedEntry, void> {
  for (let index = from; index < to; ) {
    const n = Math.floor(index / TILE_WIDTH);
    const bundle = store.readEntries(n, bundleWidth(n, to));
    for (const end = n * TILE_WIDTH + bundle.length; index < end; index++) {
      yield { index, entry: bundle[index % TILE_WIDTH] as Buffer };
    }
  }
}
