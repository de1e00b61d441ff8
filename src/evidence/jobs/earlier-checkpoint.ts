import { openCheckpoint } from '../../ledger/checkpoint.ts';
import { parseVerifierKeys } from '../../ledger/note.ts';

/**
 * The checkpoint of the package before: the next one proves that the log only grew since. Undefined where there is none that keys of
 * today signed, or nothing came since.
 *
 * @param checkpoints signed notes, the last first
 * @param size leaves of the log now
 * @param warn told where the log is shorter than it was: the package then proves nothing of it
 */
export function earlierCheckpoint(
  checkpoints: Iterable<string>,
  vkey: string,
  size: number,
  warn: (message: string) => void,
): string | undefined {
  const keys = parseVerifierKeys(vkey);
  for (const note of checkpoints) {
    const before = sizeOf(note, keys);
    if (before === null) continue;
    if (before < size) return note;
    if (before > size) {
      warn(
        `the last evidence package was of ${before} leaves, and the log has ${size}: is this an older copy of it?`,
      );
      return undefined;
    }
  }
  return undefined;
}

function sizeOf(note: string, keys: Parameters<typeof openCheckpoint>[1]): number | null {
  try {
    return openCheckpoint(note, keys).size;
  } catch {
    return null; // Signed by keys of before: it says nothing to who holds today's.
  }
}
