import { bundleWidth, encodeBundle, entriesPath, type TileStore, tilePath } from '../ledger/tiles.ts';
import { TILE_WIDTH } from '../ledger/tree.ts';
import type { PackageWriter } from './package-writer.ts';

/** A tile or bundle of a tree of a certain size. Level -1 is that of the bundles. */
export interface TilePlace {
  readonly level: number;
  readonly n: number;
  readonly width: number;
}

/** The hash tiles that a tree of `size` leaves has: all full ones, and the unfinished one of each level. */
export function* tilesOf(size: number): Generator<TilePlace> {
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    for (let n = 0; n * TILE_WIDTH < count; n++) yield { level, n, width: bundleWidth(n, count) };
  }
}

/** The entry bundles that a tree of `size` leaves has. */
export function* bundlesOf(size: number): Generator<TilePlace> {
  for (let n = 0; n * TILE_WIDTH < size; n++) yield { level: -1, n, width: bundleWidth(n, size) };
}

/** Path of a tile or bundle inside the log's folder. */
export function pathOf({ level, n, width }: TilePlace): string {
  return level < 0 ? entriesPath(n, width) : tilePath(level, n, width);
}

/** Copies the tiles, and where `withEntries` the bundles, of a tree of `size` into a package. */
export async function copyTiles(
  store: TileStore,
  size: number,
  withEntries: boolean,
  writer: PackageWriter,
): Promise<void> {
  let copied = 0;
  for (const place of tilesOf(size)) {
    writer.put(`tlog/${pathOf(place)}`, store.readTile(place.level, place.n, place.width));
    if (++copied % 64 === 0) await new Promise((done) => setImmediate(done));
  }
  if (!withEntries) return;
  for (const place of bundlesOf(size)) {
    writer.put(`tlog/${pathOf(place)}`, encodeBundle(store.readEntries(place.n, place.width)));
    if (++copied % 64 === 0) await new Promise((done) => setImmediate(done));
  }
}
