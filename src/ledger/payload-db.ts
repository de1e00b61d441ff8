import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { namingDamage } from '../store/damage.ts';

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
  CREATE TABLE IF NOT EXISTS payloads (
    n INTEGER PRIMARY KEY,
    commitment BLOB NOT NULL UNIQUE CHECK (length(commitment) = 32),
    key INTEGER NOT NULL REFERENCES data_keys (n),
    sealed BLOB,
    erasure INTEGER REFERENCES erasures (n),
    CONSTRAINT erased_payload_is_gone CHECK (erasure IS NULL OR sealed IS NULL)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS payloads_by_key ON payloads (key);
`;

/** Opens `payloads.db`, made with mode 0600 where missing. */
export function openPayloadDb(file: string): DatabaseSync {
  closeSync(openSync(file, 'a', 0o600));
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    namingDamage(file, () => db.exec(SCHEMA));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
