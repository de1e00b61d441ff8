import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import { ensureDirectory, touchPrivate } from './files.ts';

/**
 * The exclusive hold on a data directory. Two sequencers on one log would fork it, so the second process is
 * refused. The lock is SQLite's own (a lock of the operating system), so it ends with the process, however
 * that ends.
 */
export class DataLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Takes the lock; creates the directory (0700) if need be.
   *
   * @throws PosternError POSTERN_CONFLICT when another process holds the directory
   */
  static acquire(dataDir: string): DataLock {
    ensureDirectory(dataDir);
    const file = join(dataDir, 'lock.db');
    touchPrivate(file);
    const database = new DatabaseSync(file);
    try {
      chmodSync(file, 0o600);
      database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
    } catch (error) {
      database.close();
      if (!(error instanceof Error && /locked|busy/i.test(error.message))) throw error;
      throw new PosternError(
        'POSTERN_CONFLICT',
        `The data directory ${dataDir} is in use by another Postern process.`,
        'Stop that process first, or give this one another directory with --data.',
      );
    }
    return new DataLock(database);
  }

  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
