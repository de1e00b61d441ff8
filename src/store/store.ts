import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely';
import { PosternError } from '../core/errors.ts';
import { touchPrivate } from './files.ts';
import { MIGRATIONS } from './migrations.ts';
import type { StateTables } from './schema.ts';

/** A database or a transaction on it. */
export type StateDb = Kysely<StateTables>;

/**
 * Control-plane state: one SQLite file, durable at every commit (WAL, synchronous FULL).
 * All access goes through one connection, so a reader never sees half of a change.
 */
export class Store {
  readonly db: StateDb;

  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.db = new Kysely<StateTables>({ dialect: new SqliteDialect({ database: adapt(database) }) });
  }

  /**
   * Opens the file (0600, created if missing) and brings its schema up to date.
   *
   * @param file path, or `:memory:`
   * @throws PosternError POSTERN_INVALID when the file was written by a newer Postern
   */
  static open(file: string): Store {
    if (file !== ':memory:') {
      touchPrivate(file);
      chmodSync(file, 0o600);
    }
    const database = new DatabaseSync(file);
    try {
      database.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON;',
      );
      migrate(database, file);
      database.exec('PRAGMA foreign_keys = ON;');
    } catch (error) {
      database.close();
      throw error;
    }
    return new Store(database);
  }

  /** Closing twice is closing once. */
  async close(): Promise<void> {
    await this.db.destroy();
    // Kysely closes only what it has used.
    if (this.#database.isOpen) this.#database.close();
  }
}

/**
 * Foreign keys are off meanwhile, since a table that others refer to can only be replaced so; they are held before each commit.
 *
 * @see https://www.sqlite.org/lang_altertable.html#otheralter
 */
function migrate(database: DatabaseSync, file: string): void {
  const row = database.prepare('PRAGMA user_version').get();
  const applied = Number(row?.user_version ?? 0);
  if (applied > MIGRATIONS.length) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${file} was written by a newer version of Postern (schema ${applied}, known here: ${MIGRATIONS.length}).`,
    );
  }
  for (let version = applied; version < MIGRATIONS.length; version++) {
    database.exec(`BEGIN; ${MIGRATIONS[version]} PRAGMA user_version = ${version + 1};`);
    if (database.prepare('PRAGMA foreign_key_check').get() !== undefined) {
      throw new PosternError('POSTERN_INTERNAL', `${file} refers to rows that it does not have.`);
    }
    database.exec('COMMIT');
  }
}

/** What Kysely's SQLite dialect expects of a driver, over `node:sqlite`. */
function adapt(database: DatabaseSync): SqliteDatabase {
  return {
    close: () => database.close(),
    prepare(sql) {
      // Where the disk is full or fails, SQLite has rolled back by itself, and to ask for it again would hide why.
      const done = sql === 'rollback' && !database.isTransaction;
      const statement = database.prepare(done ? 'SELECT 0 WHERE 0' : sql);
      const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)),
      };
    },
  };
}
