import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { namingDamage } from '../store/damage.ts';
import { PAYLOAD_LIMITS } from './payload-limits.ts';
import { PayloadPlaces } from './payload-places.ts';

/**
 * The file of the payloads. Keys and texts are destroyed in place: `secure_delete` has SQLite overwrite with zeros what it
 * frees, on every connection that ever moves a cell.
 */
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA secure_delete = ON;
  PRAGMA cache_size = -65536;
  CREATE TABLE IF NOT EXISTS erasures (
    n INTEGER PRIMARY KEY,
    state TEXT NOT NULL CONSTRAINT erasure_state_known CHECK (state IN ('begun', 'destroyed', 'done')),
    plan TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS erasures_unfinished ON erasures (n) WHERE state <> 'done';
  CREATE TABLE IF NOT EXISTS data_keys (
    n INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    wrapped BLOB,
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    erasure INTEGER REFERENCES erasures (n),
    CONSTRAINT destroyed_key_says_why CHECK ((wrapped IS NULL) = (erasure IS NOT NULL)),
    CONSTRAINT destroyed_key_is_closed CHECK (open = 0 OR wrapped IS NOT NULL)
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS one_open_key ON data_keys (principal, day, kind) WHERE open = 1;
  CREATE INDEX IF NOT EXISTS data_keys_by_day ON data_keys (principal, day);
  CREATE TABLE IF NOT EXISTS blocks (
    n INTEGER PRIMARY KEY,
    key INTEGER NOT NULL REFERENCES data_keys (n),
    commitments BLOB NOT NULL CHECK (length(commitments) % 32 = 0),
    sealed BLOB
  ) STRICT;
  CREATE INDEX IF NOT EXISTS blocks_by_key ON blocks (key);
  CREATE TABLE IF NOT EXISTS place_rows (n INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS place_nodes (n INTEGER PRIMARY KEY, runs INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS placed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_block INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO placed VALUES (1, 0);
  CREATE TABLE IF NOT EXISTS erased (
    commitment BLOB PRIMARY KEY,
    erasure INTEGER NOT NULL REFERENCES erasures (n)
  ) STRICT, WITHOUT ROWID;
`;

/** Before, there was a row for each payload, then blocks with another index of what is in them. */
function takeOver(db: DatabaseSync): void {
  const hasOld = db.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('payloads', 'runs')",
  );
  if (hasOld.get() === undefined) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const old = hasOld.all().map(({ name }) => name);
    if (old.includes('payloads')) {
      // Such a row is a block of one.
      db.exec(
        'INSERT INTO blocks SELECT n, key, commitment, sealed FROM payloads WHERE erasure IS NULL ORDER BY n;' +
          'INSERT INTO erased SELECT commitment, erasure FROM payloads WHERE erasure IS NOT NULL;' +
          'DROP TABLE payloads',
      );
    }
    if (old.includes('runs')) db.exec('DROP TABLE runs; DROP TABLE places');
    if (old.length > 0) new PayloadPlaces(db, PAYLOAD_LIMITS).makeAllRuns();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Opens `payloads.db`, made with mode 0600 where missing. */
export function openPayloadDb(file: string): DatabaseSync {
  closeSync(openSync(file, 'a', 0o600));
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    namingDamage(file, () => {
      db.exec(SCHEMA);
      takeOver(db);
    });
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
