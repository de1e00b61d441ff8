import { createCipheriv, createDecipheriv, createHash, hash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import type { PayloadKind } from '../core/record.ts';

/**
 * Statement texts and bind values, apart from the log and encrypted (DESIGN section 3, "Payloads apart from leaves").
 *
 * Each principal has a random data key per day, wrapped by the master key. The salt of a commitment comes from
 * that key, so equal texts of one principal on one day are stored once, and nobody without the key can test a
 * guessed text against a commitment.
 */

/** `record`: a whole record that was too large for a leaf (see `entry.ts`). */
export type StoredKind = PayloadKind | 'record';

/** What the leaf holds instead of the payload. */
export interface Commitment {
  /** `SHA-256(salt || data)`, hex. */
  readonly commitment: string;
  /** Length of the data. */
  readonly bytes: number;
}

/** A payload with all that is needed to check its commitment. */
export interface StoredPayload {
  readonly data: Buffer;
  /** 16 bytes. */
  readonly salt: Buffer;
  readonly kind: StoredKind;
  readonly principalId: string;
  /** `YYYY-MM-DD` */
  readonly day: string;
}

const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const REMEMBERED = 8192;
const REMEMBERED_KEYS = 1024;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS data_keys (
    principal TEXT NOT NULL,
    day TEXT NOT NULL,
    wrapped BLOB,
    PRIMARY KEY (principal, day)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS payloads (
    commitment BLOB PRIMARY KEY CHECK (length(commitment) = 32),
    principal TEXT NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BLOB
  ) STRICT;
`;

/** AES-256-GCM: nonce, ciphertext, tag. */
function seal(key: Buffer, aad: Uint8Array, data: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

function unseal(key: Buffer, aad: Uint8Array, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

function keyAad(principalId: string, day: string): Buffer {
  return Buffer.from(`postern-payload-key\n${principalId}\n${day}`);
}

function saltOf(key: Buffer, kind: StoredKind, data: Uint8Array): Buffer {
  const hashed = createHash('sha256').update('postern-payload-salt').update(key).update(kind).update(data);
  return hashed.digest().subarray(0, SALT_BYTES);
}

/** `SHA-256(salt || data)`, hex: the check that needs no key. */
export function commitmentOf(salt: Uint8Array, data: Uint8Array): string {
  return createHash('sha256').update(salt).update(data).digest('hex');
}

/** A map that forgets what was put in first. */
class Remembered<V> extends Map<string, V> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: string, value: V): this {
    const oldest = this.keys().next();
    if (this.size >= this.#max && !oldest.done) this.delete(oldest.value);
    return super.set(key, value);
  }
}

/** The payloads of one data directory. One writer; any number of readers. */
export class PayloadStore {
  readonly #db: DatabaseSync;
  readonly #masterKey: Buffer;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #selectKey: StatementSync;
  readonly #known = new Remembered<Commitment>(REMEMBERED);
  readonly #keys = new Remembered<Buffer>(REMEMBERED_KEYS);

  private constructor(db: DatabaseSync, masterKey: Buffer) {
    this.#db = db;
    this.#masterKey = masterKey;
    this.#insert = db.prepare(
      'INSERT INTO payloads (commitment, principal, day, kind, sealed) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#select = db.prepare('SELECT principal, day, kind, sealed FROM payloads WHERE commitment = ?');
    this.#insertKey = db.prepare('INSERT INTO data_keys (principal, day, wrapped) VALUES (?, ?, ?)');
    this.#selectKey = db.prepare('SELECT wrapped FROM data_keys WHERE principal = ? AND day = ?');
  }

  /**
   * @param file made with mode 0600 where missing
   * @param masterKey 32 bytes
   */
  static open(file: string, masterKey: Buffer): PayloadStore {
    if (masterKey.length !== KEY_BYTES) throw new RangeError('The master key has 32 bytes.');
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    const db = new DatabaseSync(file, { timeout: 5000 });
    try {
      db.exec(SCHEMA);
      return new PayloadStore(db, Buffer.from(masterKey));
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * Stores a payload, or finds that it is there. Outside `begin`/`commit` it is durable on return.
   *
   * @param principalId `-` for a record of no principal
   * @param day `YYYY-MM-DD`
   */
  put(principalId: string, day: string, kind: StoredKind, data: Uint8Array): Commitment {
    const remembered = `${principalId}\n${day}\n${kind}\n${hash('sha256', data, 'binary')}`;
    const known = this.#known.get(remembered);
    if (known) return known;
    const key = this.#dataKey(principalId, day);
    const commitment = commitmentOf(saltOf(key, kind, data), data);
    const raw = Buffer.from(commitment, 'hex');
    this.#insert.run(raw, principalId, day, kind, seal(key, raw, data));
    const result = { commitment, bytes: data.length };
    this.#known.set(remembered, result);
    return result;
  }

  /**
   * The payload of a commitment (hex); `erased` where its data or key was destroyed; null where none was stored.
   *
   * @throws PosternError `POSTERN_INTERNAL` where what is stored was altered, or the master key is another
   */
  get(commitment: string): StoredPayload | 'erased' | null {
    const raw = Buffer.from(commitment, 'hex');
    const row = this.#select.get(raw);
    if (!row) return null;
    const principalId = String(row.principal);
    const day = String(row.day);
    const kind = String(row.kind) as StoredKind;
    const wrapped = this.#selectKey.get(principalId, day)?.wrapped;
    if (!row.sealed || !wrapped) return 'erased';
    try {
      const key = unseal(this.#masterKey, keyAad(principalId, day), Buffer.from(wrapped as Uint8Array));
      const data = unseal(key, raw, Buffer.from(row.sealed as Uint8Array));
      return { data, salt: saltOf(key, kind, data), kind, principalId, day };
    } catch {
      throw new PosternError(
        'POSTERN_INTERNAL',
        `The payload ${commitment} cannot be decrypted.`,
        'Either payloads.db was altered, or the master key is not the one it was written with.',
      );
    }
  }

  /** Begins a batch: what is put becomes durable together, with {@link commit}. */
  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  /** Ends a batch, if one is open, without keeping it. */
  rollback(): void {
    this.#known.clear();
    this.#keys.clear();
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#db.close();
  }

  #dataKey(principalId: string, day: string): Buffer {
    const name = `${principalId}\n${day}`;
    const known = this.#keys.get(name);
    if (known) return known;
    const row = this.#selectKey.get(principalId, day);
    if (row && !row.wrapped) {
      throw new PosternError(
        'POSTERN_CONFLICT',
        `The payload key of ${principalId} on ${day} was destroyed.`,
      );
    }
    const aad = keyAad(principalId, day);
    const key = row
      ? unseal(this.#masterKey, aad, Buffer.from(row.wrapped as Uint8Array))
      : randomBytes(KEY_BYTES);
    if (!row) this.#insertKey.run(principalId, day, seal(this.#masterKey, aad, key));
    this.#keys.set(name, key);
    return key;
  }
}
