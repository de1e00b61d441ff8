import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { PublishedLog } from '../ledger/published-log.ts';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { ActivityIndex } from './activity-index.ts';
import { removeIndex } from './schema.ts';

const BATCH = 4096;

/**
 * Makes the index of a data directory anew from its log, and puts it in the place of the old one once it is whole. The
 * caller holds the lock of the directory.
 *
 * @returns the number of leaves in it
 */
export function rebuildIndex(dataDir: string, onProgress: (done: number, total: number) => void): number {
  const file = join(dataDir, 'index.db');
  const made = `${file}.new`;
  removeIndex(made);
  const log = new PublishedLog(join(dataDir, 'log'));
  const { size } = log;
  const index = ActivityIndex.open(made);
  try {
    let leaves: IndexedEntry[] = [];
    for (const leaf of log.leaves(0, size)) {
      leaves.push(leaf);
      if (leaves.length < BATCH && leaf.index + 1 < size) continue;
      index.consume(leaves);
      leaves = [];
      onProgress(leaf.index + 1, size);
    }
  } catch (error) {
    index.close();
    removeIndex(made);
    throw error;
  }
  index.close();
  removeIndex(file);
  renameSync(made, file);
  return size;
}
