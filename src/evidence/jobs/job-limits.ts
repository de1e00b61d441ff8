import { PosternError } from '../../core/errors.ts';
import type { Ref } from '../../core/record.ts';

export interface JobLimits {
  /** Jobs that wait, of all, and of one person. */
  readonly waiting: number;
  readonly waitingOfOne: number;
  /** Bytes of all packages that are kept. */
  readonly bytes: number;
  /** Bytes that stay free on the disk: without room no record can be written, and nothing is let through. */
  readonly free: number;
  /** How long a package is kept, in milliseconds. */
  readonly keepMs: number;
}

/** @param waiting who asked for each that waits. @throws PosternError POSTERN_TOO_MANY_REQUESTS */
export function checkQueue(waiting: readonly string[], by: Ref, limits: JobLimits): void {
  const own = waiting.filter((id) => id === by.id).length;
  if (waiting.length < limits.waiting && own < limits.waitingOfOne) return;
  const many = own >= limits.waitingOfOne ? `${own} of yours` : String(waiting.length);
  throw new PosternError(
    'POSTERN_TOO_MANY_REQUESTS',
    `Of evidence packages ${many} are waiting to be made.`,
    'Wait for one of them, or cancel it: postern evidence jobs, postern evidence cancel ID',
  );
}

/** @param kept bytes of all packages. @param free bytes on the disk. @throws PosternError POSTERN_CONFLICT */
export function checkRoom(kept: number, free: number, limits: JobLimits): void {
  if (kept > limits.bytes) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      'The evidence packages that wait to be fetched take all the room that they may have.',
      'Remove those that nobody needs: postern evidence jobs, postern evidence cancel ID',
    );
  }
  if (free >= limits.free) return;
  throw new PosternError(
    'POSTERN_CONFLICT',
    'There is too little room on the disk for an evidence package: records come first.',
    'Make room, or remove packages: postern evidence jobs, postern evidence cancel ID',
  );
}
