import { rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Finding } from '../../core/alert-finding.ts';
import { touchPrivate } from '../../store/files.ts';
import { type Profile, profileFrom, profileText } from './profile.ts';
import type { InForce } from './voice.ts';

/** Raised with every change of what is kept, or of what is found: one of another version is made anew from the log. */
const WATCH_VERSION = 1;

const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE profiles (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE findings (n INTEGER PRIMARY KEY, leaf INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
`;

/** How far the log was looked at. */
export interface Position {
  /** How many leaves, from leaf 0 on. */
  readonly size: number;
  /** Of the last of them, microseconds. */
  readonly lastTime: number;
  readonly inForce: InForce | null;
}

/** What a batch of leaves changed. */
export interface Step extends Position {
  readonly profiles: readonly Profile[];
  readonly findings: readonly Finding[];
}

/**
 * Keeps what is known of principals, how far the log was looked at, and what was found and is not taken yet: all of a batch or none
 * of it, so that nothing is missed or found twice. It follows from the log and may be thrown away.
 */
export class WatchStore {
  readonly #db: DatabaseSync;
  readonly #putMeta: StatementSync;
  readonly #putProfile: StatementSync;
  readonly #putFinding: StatementSync;

  /** Opens it, or makes it. One of another version is thrown away. */
  static open(file: string): WatchStore {
    touchPrivate(file);
    const db = new DatabaseSync(file);
    try {
      const version = versionOf(db);
      if (version === WATCH_VERSION || version === 0) return new WatchStore(db);
    } catch (error) {
      db.close();
      throw error;
    }
    db.close();
    WatchStore.remove(file);
    return WatchStore.open(file);
  }

  static remove(file: string): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;');
    if (versionOf(db) === 0) {
      db.exec(`BEGIN IMMEDIATE;${SCHEMA}PRAGMA user_version = ${WATCH_VERSION};COMMIT;`);
    }
    this.#putMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    this.#putProfile = db.prepare('INSERT OR REPLACE INTO profiles (id, body) VALUES (?, ?)');
    this.#putFinding = db.prepare('INSERT INTO findings (leaf, body) VALUES (?, ?)');
  }

  position(): Position {
    const row = this.#db.prepare("SELECT value FROM meta WHERE key = 'position'").get();
    if (row === undefined) return { size: 0, lastTime: 0, inForce: null };
    return JSON.parse(String(row.value)) as Position;
  }

  profiles(): Map<string, Profile> {
    const rows = this.#db.prepare('SELECT body FROM profiles').all();
    return new Map(
      rows.map(({ body }) => {
        const profile = profileFrom(String(body));
        return [profile.id, profile];
      }),
    );
  }

  save({ profiles, findings, ...position }: Step): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const profile of profiles) this.#putProfile.run(profile.id, profileText(profile));
      for (const finding of findings) this.#putFinding.run(finding.leaf, JSON.stringify(finding));
      this.#putMeta.run('position', JSON.stringify(position));
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** What was found first, from after a leaf on: about so much, and with all that there is of each leaf. */
  findings(after: number, about: number): Finding[] {
    const rows = this.#db
      .prepare(
        'SELECT body FROM findings WHERE leaf > ?1 AND leaf <= coalesce((SELECT leaf FROM findings ' +
          'WHERE leaf > ?1 ORDER BY n LIMIT 1 OFFSET ?2), 9e15) ORDER BY n',
      )
      .all(after, about - 1);
    return rows.map(({ body }) => JSON.parse(String(body)) as Finding);
  }

  /** Forgets what was found up to a leaf: it stands in the log now. */
  taken(leaf: number): void {
    this.#db.prepare('DELETE FROM findings WHERE leaf <= ?').run(leaf);
  }

  close(): void {
    this.#db.close();
  }
}

const versionOf = (db: DatabaseSync): number => Number(db.prepare('PRAGMA user_version').get()?.user_version);
