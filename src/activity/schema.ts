import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { RECORD_TYPES } from '../core/record.ts';
import { touchPrivate } from '../store/files.ts';

/** Raised with every change of the tables below. From 1 to 127. */
const TABLES_VERSION = 5;

/** A row has the type of its record by its place in the catalogue: an index that another catalogue made would call records by wrong names. */
export function indexVersion(types: readonly string[]): number {
  // Byte by byte: the verification page has this too, and a browser has no Buffer.
  const [a = 0, b = 0, c = 0] = createHash('sha256').update(types.join('\n')).digest();
  return TABLES_VERSION * 2 ** 24 + a * 2 ** 16 + b * 2 ** 8 + c;
}

/** An index of another version is thrown away and rebuilt from the log. */
export const INDEX_VERSION = indexVersion(RECORD_TYPES);

/** What a row of `events` is, as a number in the column `kind`. */
export const KIND = { command: 1, session: 2, change: 3, other: 4 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The column `decision`. */
export const DECISION = { none: 0, allow: 1, deny: 2 } as const;

/** Kinds of the dictionary `names`. */
export const NAME = { principal: 1, resource: 2, session: 3, grant: 4 } as const;
export type NameKind = (typeof NAME)[keyof typeof NAME];

/** Leaves per row of `blocks`, which turns a time into a range of leaves. */
export const BLOCK = 1024;

/*
 * Only what a filter needs stands in `events`; the rest is read from the leaf itself. One B-tree beside the
 * rowid is kept per command (its principal) besides the one that finds a record by id: every other filter is
 * narrowed to principals and ranges of leaves through `names`, `uses` and `blocks` before `events` is touched.
 */
const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
  principal INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  CONSTRAINT names_once UNIQUE (kind, id)
) STRICT;
CREATE INDEX names_by_name ON names (kind, name) WHERE kind <= 2;
CREATE TABLE classes (
  n INTEGER PRIMARY KEY, verbs TEXT NOT NULL, objects TEXT NOT NULL, fingerprint TEXT NOT NULL,
  CONSTRAINT classes_once UNIQUE (fingerprint, objects, verbs)
) STRICT;
CREATE TABLE uses (
  principal INTEGER NOT NULL, resource INTEGER NOT NULL, class INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, allowed INTEGER NOT NULL, denied INTEGER NOT NULL,
  last_allowed INTEGER NOT NULL, PRIMARY KEY (principal, resource, class)
) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (block INTEGER PRIMARY KEY, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL) STRICT;
CREATE TABLE events (
  leaf INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL, type INTEGER NOT NULL, kind INTEGER NOT NULL,
  decision INTEGER NOT NULL, principal INTEGER NOT NULL, resource INTEGER NOT NULL, session INTEGER NOT NULL,
  grant_n INTEGER NOT NULL, class INTEGER NOT NULL
) STRICT;
CREATE INDEX events_id ON events (id);
CREATE INDEX events_principal ON events (principal);
CREATE INDEX events_rare ON events (kind) WHERE kind > 1;
CREATE INDEX events_changes ON events (principal) WHERE kind = 3;
CREATE INDEX events_denied ON events (decision) WHERE decision = 2;
CREATE TABLE outcomes (
  intent INTEGER PRIMARY KEY, leaf INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
  row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, duration INTEGER NOT NULL
) STRICT;
CREATE TABLE details (leaf INTEGER PRIMARY KEY, code TEXT, reason TEXT, subject TEXT) STRICT;
CREATE TABLE entities (
  kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, email TEXT,
  created INTEGER NOT NULL, changed INTEGER NOT NULL, after TEXT NOT NULL, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE last_uses (principal INTEGER PRIMARY KEY, time INTEGER NOT NULL) STRICT;
CREATE TABLE sources (
  principal INTEGER NOT NULL, network TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  sessions INTEGER NOT NULL, PRIMARY KEY (principal, network)
) STRICT, WITHOUT ROWID;
CREATE TABLE owners (
  principal TEXT NOT NULL, leaf INTEGER NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (principal, leaf)
) STRICT, WITHOUT ROWID;
`;

/**
 * Opens (or makes) the index for writing. A file that is not an index of this version is removed: everything
 * in it comes from the log and is put back by replaying the leaves.
 */
export function openIndex(file: string): DatabaseSync {
  let db = openPrivate(file);
  let version: unknown;
  try {
    version = db.prepare('PRAGMA user_version').get()?.user_version;
  } catch (error) {
    // SQLITE_NOTADB (26) and SQLITE_CORRUPT (11): not an index any more. Everything else is a real fault.
    const code = (error as { errcode?: number }).errcode;
    if (code !== 26 && code !== 11) throw error;
    version = null;
  }
  if (version !== INDEX_VERSION && version !== 0) {
    db.close();
    removeIndex(file);
    db = openPrivate(file);
    version = 0;
  }
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;');
  db.exec('PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;');
  if (version === 0) {
    db.exec(`BEGIN IMMEDIATE;${SCHEMA}PRAGMA user_version = ${INDEX_VERSION};COMMIT;`);
  }
  return db;
}

function openPrivate(file: string): DatabaseSync {
  touchPrivate(file);
  return new DatabaseSync(file);
}

/** Removes an index with its write-ahead files. */
export function removeIndex(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
}
