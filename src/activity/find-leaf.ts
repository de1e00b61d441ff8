import { DatabaseSync } from 'node:sqlite';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { idBytes } from './event-tables.ts';
import { BLOCK } from './schema.ts';

/** How far the time of a record and the time in its id may lie apart: as a rule, and at most. */
const APART_MICROS = [50_000, 2_000_000];
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The leaf of a record of any type, by its id; null where the log has none. The index finds all but outcomes by their id;
 * those are looked for among the leaves of the time that is in the id.
 *
 * @param indexFile path of index.db
 * @param leaves leaves `[from, to)` as far as the log has them
 */
export function findLeaf(
  indexFile: string,
  id: string,
  leaves: (from: number, to: number) => Iterable<IndexedEntry>,
): number | null {
  if (!UUID_V7.test(id)) return null;
  const db = new DatabaseSync(indexFile, { readOnly: true, timeout: 5000 });
  try {
    const known = db.prepare('SELECT leaf FROM events WHERE id = ?').get(idBytes(id));
    if (known) return Number(known.leaf);
    const micros = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) * 1000;
    const blocksOf = db.prepare(
      'SELECT block FROM blocks WHERE max_time >= ? AND min_time <= ? ORDER BY block',
    );
    for (const apart of APART_MICROS) {
      for (const { block } of blocksOf.all(micros - apart, micros + apart)) {
        const from = Number(block) * BLOCK;
        for (const { index, entry } of leaves(from, from + BLOCK)) if (isRecord(entry, id)) return index;
      }
    }
    return null;
  } finally {
    db.close();
  }
}

function isRecord(entry: Buffer, id: string): boolean {
  return (
    entry.includes(`"id":"${id}"`) && (JSON.parse(entry.toString()) as { readonly id?: unknown }).id === id
  );
}
