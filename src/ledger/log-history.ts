import { PosternError } from '../core/errors.ts';
import type { LogState } from './log-state.ts';
import { principalOf } from './record-scan.ts';
import { entriesPath, type TileStore } from './tiles.ts';
import { HASH_BYTES, prefixedLeafHash, TILE_WIDTH } from './tree.ts';

/** What the log itself says, read back from its entries. */

/** The clocks of writers differ by less, milliseconds. */
const SKEW_MS = 100;
/** Records are merged by time: so many bundles in a row without one of the time, and none comes before them. */
const QUIET_BUNDLES = 8;

/** The id of a record, in its JSON; undefined where it has none. */
export function idOf(json: Buffer): string | undefined {
  // As Postern writes it: {"id":"<36 characters>", and so on.
  if (json.toString('latin1', 0, 7) === '{"id":"' && json[43] === 0x22) return json.toString('latin1', 7, 43);
  const { id } = JSON.parse(json.toString()) as { readonly id?: unknown };
  return typeof id === 'string' ? id : undefined;
}

/** What a log has been found to say. */
export interface Recount {
  /** Next `principalSeq`, by principal id. */
  readonly sequences: ReadonlyMap<string, number>;
  readonly ids: Set<string>;
}

/**
 * Goes through the whole log.
 *
 * @param since RFC 3339: of records from then on the ids are wanted; null: of none
 * @throws PosternError `POSTERN_INTERNAL` where an entry is not the one that was hashed
 */
export function recount(state: LogState, store: TileStore, since: string | null): Recount {
  const sequences = new Map<string, number>();
  const ids = new Set<string>();
  for (let n = 0; n * TILE_WIDTH < state.size; n++) {
    const bundle = bundleOf(state, store, n);
    const hashes = state.readTile(0, n, bundle.length).toString('latin1');
    for (const [i, entry] of bundle.entries()) {
      const hash = prefixedLeafHash(Buffer.concat([Buffer.of(0), entry]));
      if (hash !== hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES)) {
        throw new PosternError(
          'POSTERN_INTERNAL',
          `The log contradicts itself: ${entriesPath(n, bundle.length)} has another entry of leaf ${n * TILE_WIDTH + i} than was hashed.`,
          'Stop, keep a copy of the data directory, and find out who changed it.',
        );
      }
      const record = JSON.parse(entry.toString()) as Record<string, unknown>;
      const principal = principalOf(record);
      if (principal !== undefined) sequences.set(principal, Number(record.principalSeq) + 1);
      if (since !== null && typeof record.id === 'string' && String(record.time) >= since) ids.add(record.id);
    }
  }
  return { sequences, ids };
}

/** Ids of the last leaves, back to those whose records are older than `time` (RFC 3339). */
export function idsSince(state: LogState, store: TileStore, time: string): Set<string> {
  const ids = new Set<string>();
  const at = Date.parse(time);
  if (Number.isNaN(at)) return ids;
  const from = new Date(at - SKEW_MS).toISOString();
  let quiet = 0;
  for (let n = Math.ceil(state.size / TILE_WIDTH) - 1; n >= 0 && quiet < QUIET_BUNDLES; n--) {
    quiet += 1;
    for (const entry of bundleOf(state, store, n)) {
      const record = JSON.parse(entry.toString()) as Record<string, unknown>;
      if (typeof record.id !== 'string' || String(record.time) < from) continue;
      ids.add(record.id);
      quiet = 0;
    }
  }
  return ids;
}

function bundleOf(state: LogState, store: TileStore, n: number): readonly Buffer[] {
  return n * TILE_WIDTH === state.tailFrom ? state.tail : store.readEntries(n);
}
