import * as fs from 'node:fs';
import { basename } from 'node:path';
import { syncDirectory } from './files.ts';
import { type JournalFile, readJournal } from './journal-reader.ts';
import type { LogState } from './log-state.ts';

/** A journal that is done with. */
export interface DoneJournal {
  readonly file: string;
  readonly path: string;
  /** It ends in an unfinished frame. */
  readonly torn: boolean;
}

/**
 * The journals whose records are all leaves and to which nobody writes any more: their writer has begun a newer file.
 *
 * @param journals the files as they were listed before they were read to the end
 */
export function retirable(state: LogState, journals: readonly JournalFile[]): DoneJournal[] {
  const done: DoneJournal[] = [];
  for (const [i, { path, name }] of journals.entries()) {
    const file = basename(path);
    const position = state.positions.get(file) ?? { offset: 0, skip: 0 };
    if (journals[i + 1]?.name !== name || position.skip > 0) continue;
    const rest = readJournal(path, position.offset, 1);
    if (rest.records.length > 0 || rest.state === 'corrupt') continue;
    done.push({ file, path, torn: rest.state === 'torn' });
  }
  return done;
}

/**
 * Deletes journals, durably. An unfinished frame at the end was never acknowledged; such a file is kept beside, as `.torn`, for
 * whoever wants to look.
 */
export function deleteJournals(dir: string, done: readonly DoneJournal[]): void {
  for (const { path, torn } of done) {
    if (torn) fs.renameSync(path, `${path}.torn`);
    else fs.rmSync(path);
  }
  syncDirectory(dir);
}
