import { basename } from 'node:path';
import { type JournalFile, listJournals, readJournal } from './journal-reader.ts';
import type { Finding } from './verify.ts';

/**
 * Reads every journal to its end and yields what is wrong with it. May run beside writers and the sequencer.
 *
 * @returns how many journals were read
 */
export function* checkJournals(dir: string): Generator<Finding, number> {
  let count = 0;
  for (const journal of listJournals(dir)) {
    try {
      yield* checkJournal(journal);
      count += 1;
    } catch (error) {
      // The sequencer deletes a journal once all of it is in the log.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return count;
}

function* checkJournal({ path }: JournalFile): Generator<Finding, void> {
  const file = `journal/${basename(path)}`;
  for (let offset = 0; ; ) {
    const slice = readJournal(path, offset);
    for (const { json, offset: at, index } of slice.records) {
      if (!isObject(json)) {
        const message = `record ${index} of the frame at offset ${at} is not a JSON object`;
        yield { severity: 'error', file, message };
      }
    }
    if (slice.state === 'corrupt') {
      // What a writer was putting down that moment reads right a moment later.
      if (readJournal(path, slice.nextOffset).state !== 'corrupt') continue;
      const message = `is damaged at offset ${slice.nextOffset}: what stands there was not written by Postern`;
      yield { severity: 'error', file, message };
      return;
    }
    if (slice.state === 'torn') {
      const message = `ends in an unfinished frame at offset ${slice.nextOffset}, which was never acknowledged`;
      yield { severity: 'info', file, message };
      return;
    }
    if (!slice.more) return;
    offset = slice.nextOffset;
  }
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
