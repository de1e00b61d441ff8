import { PosternError } from '../core/errors.ts';

/**
 * SQLITE_CORRUPT and SQLITE_NOTADB: the file is not what SQLite wrote.
 *
 * @see https://www.sqlite.org/rescode.html#primary_result_code_list
 */
const DAMAGE: ReadonlySet<number> = new Set([11, 26]);

/** Whether an error says that a database file is damaged. */
export function isDamage(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: number };
  return errcode !== undefined && DAMAGE.has(errcode & 0xff);
}

/**
 * Does something with a database; SQLite does not say in which file it found damage, so that is added.
 *
 * @throws PosternError POSTERN_INTERNAL where the file is damaged
 */
export function namingDamage<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new PosternError(
      'POSTERN_INTERNAL',
      `${file} is damaged: ${(error as Error).message}.`,
      'Stop, keep a copy of the data directory, and restore the file from a backup of the same state.',
    );
  }
}
