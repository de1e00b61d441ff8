import { PosternError } from '../core/errors.ts';
import { isDamage } from '../store/damage.ts';

/**
 * Does something with the index; where its file is damaged, the error says what to do.
 *
 * @throws PosternError POSTERN_INTERNAL where the file is damaged
 */
export function namingIndexDamage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new PosternError(
      'POSTERN_INTERNAL',
      `The activity index is damaged: index.db, ${(error as Error).message}. The log does not need it, and the gateway goes on.`,
      'Start Postern again: it makes the index anew where it finds the damage. Or stop it and run: postern ledger rebuild-index',
    );
  }
}
