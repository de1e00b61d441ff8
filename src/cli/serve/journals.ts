import { statSync } from 'node:fs';
import { JournalWriter, listJournals } from '../../ledger/journal.ts';

/** Length of a journal without a record. */
const EMPTY_BYTES = 8;

/**
 * Begins a journal, and ends it at once, for every writer that will not write any more (a worker of a run that had more of
 * them): what it wrote is deleted once it is in the log, as that of any writer that has begun another file.
 *
 * @param workers how many workers there are: they and the control process begin their own
 */
export function succeedEnded(dir: string, workers: number): void {
  const live = new Set(['control', ...Array.from({ length: workers }, (_, i) => `worker-${i}`)]);
  const last = new Map(listJournals(dir).map(({ name, path }) => [name, path]));
  for (const [name, path] of last) {
    if (!live.has(name) && statSync(path).size > EMPTY_BYTES) JournalWriter.create(dir, name).close();
  }
}
