import { PosternError } from '../core/errors.ts';

/** What was recorded is safe in the journals, but cannot be shown yet. */
export function unavailable(reason: string): PosternError {
  return new PosternError(
    'POSTERN_AUDIT_UNAVAILABLE',
    `What was recorded cannot be taken into the log at present: ${reason}`,
    'Look at the disk of the data directory; Postern tries again by itself.',
  );
}
