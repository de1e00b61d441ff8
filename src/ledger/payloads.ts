import { createCipheriv, createDecipheriv, createHash, hash, randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import type { PayloadKind, Ref } from '../core/record.ts';
import { openPayloadDb } from './payload-db.ts';

/**
 * Statement texts and bind values, apart from the log and encrypted (DESIGN section 3, "Payloads apart from leaves").
 *
 * Each principal has a random data key per day and kind of payload, wrapped by the master key. The salt of a commitment
 * comes from that key, so equal texts of one principal on one day are stored once, and nobody without the key can test
 * a guessed text against a commitment. Once something of a key was erased it seals nothing new: what comes later gets
 * another key, so an erased commitment never comes back.
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

/** Who destroyed a payload on purpose, when and why. */
export interface Erased {
  /** Id of the `payload.erased` record. */
  readonly record: string;
  /** RFC 3339. */
  readonly time: string;
  readonly by: Ref;
  readonly reason: string;
}

const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const REMEMBERED = 8192;
const REMEMBERED_KEYS = 1024;

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

function keyAad(principalId: string, day: string, kind: StoredKind): Buffer {
  return Buffer.from(`postern-payload-key\n${principalId}\n${day}\n${kind}`);
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
class Remembered<V> extends Map<string | number, V> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: string | number, value: V): this {
    const oldest = this.keys().next();
    if (this.size >= this.#max && !oldest.done) this.delete(oldest.value);
    return super.set(key, value);
  }
}

interface DataKey {
  readonly n: number;
  readonly key: Buffer;
}

/** The payloads of one data directory. One writer; any number of readers. */
export class PayloadStore {
  readonly #db: DatabaseSync;
  readonly #masterKey: Buffer;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #openKey: StatementSync;
  readonly #version: StatementSync;
  readonly #known = new Remembered<Commitment>(REMEMBERED);
  /** Keys that seal what is put, by principal, day and kind. */
  readonly #keys = new Remembered<DataKey>(REMEMBERED_KEYS);
  /** Keys that open what is got, by their number. */
  readonly #opened = new Remembered<Buffer>(REMEMBERED_KEYS);
  #seen: unknown;

  private constructor(db: DatabaseSync, masterKey: Buffer) {
    this.#db = db;
    this.#masterKey = masterKey;
    this.#insert = db.prepare(
      'INSERT INTO payloads (commitment, key, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#select = db.prepare(
      'SELECT k.n, k.principal, k.day, k.kind, k.wrapped, p.sealed, coalesce(p.erasure, k.erasure) AS erasure ' +
        'FROM payloads p JOIN data_keys k ON k.n = p.key WHERE p.commitment = ?',
    );
    this.#insertKey = db.prepare(
      'INSERT INTO data_keys (principal, day, kind, wrapped, open) VALUES (?, ?, ?, ?, 1)',
    );
    this.#openKey = db.prepare(
      'SELECT n, wrapped FROM data_keys WHERE principal = ? AND day = ? AND kind = ? AND open = 1',
    );
    this.#version = db.prepare('PRAGMA data_version');
  }

  /**
   * @param file made with mode 0600 where missing
   * @param masterKey 32 bytes
   */
  static open(file: string, masterKey: Buffer): PayloadStore {
    if (masterKey.length !== KEY_BYTES) throw new RangeError('The master key has 32 bytes.');
    const db = openPayloadDb(file);
    try {
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
    if (this.#db.isTransaction) return this.#put(principalId, day, kind, data);
    this.begin();
    try {
      const put = this.#put(principalId, day, kind, data);
      this.commit();
      return put;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Within a batch: nobody else can write, and `begin` has looked for what others changed. */
  #put(principalId: string, day: string, kind: StoredKind, data: Uint8Array): Commitment {
    const remembered = `${principalId}\n${day}\n${kind}\n${hash('sha256', data, 'binary')}`;
    const known = this.#known.get(remembered);
    if (known) return known;
    const { n, key } = this.#dataKey(principalId, day, kind);
    const commitment = commitmentOf(saltOf(key, kind, data), data);
    const raw = Buffer.from(commitment, 'hex');
    this.#insert.run(raw, n, seal(key, raw, data));
    const result = { commitment, bytes: data.length };
    this.#known.set(remembered, result);
    return result;
  }

  /**
   * The payload of a commitment (hex); `erased` where it was destroyed ({@link erasure}); null where none was stored.
   *
   * @throws PosternError `POSTERN_INTERNAL` where what is stored was altered, or the master key is another
   */
  get(commitment: string): StoredPayload | 'erased' | null {
    this.#forgetIfChanged();
    const raw = Buffer.from(commitment, 'hex');
    const row = this.#select.get(raw);
    if (!row) return null;
    if (row.erasure !== null) return 'erased';
    const principalId = String(row.principal);
    const day = String(row.day);
    const kind = String(row.kind) as StoredKind;
    try {
      let key = this.#opened.get(Number(row.n));
      if (!key) {
        key = this.#unwrap(principalId, day, kind, row.wrapped);
        this.#opened.set(Number(row.n), key);
      }
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

  /** How an erased payload came to be destroyed; null for any other. */
  erasure(commitment: string): Erased | null {
    const number = this.#select.get(Buffer.from(commitment, 'hex'))?.erasure;
    if (typeof number !== 'number') return null;
    const plan = this.#db.prepare('SELECT plan FROM erasures WHERE n = ?').get(number)?.plan;
    const { record, time, by, reason } = JSON.parse(String(plan)) as Erased;
    return { record, time, by: { id: by.id, name: by.name }, reason };
  }

  /** Begins a batch: what is put becomes durable together, with {@link commit}. */
  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#forgetIfChanged();
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  /** Ends a batch, if one is open, without keeping it. */
  rollback(): void {
    this.#forget();
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#forget();
    this.#db.close();
  }

  /** Another connection may have destroyed keys that are remembered here: neither to be used nor to be kept. */
  #forgetIfChanged(): void {
    const version = this.#version.get()?.data_version;
    if (version === this.#seen) return;
    this.#seen = version;
    this.#forget();
  }

  #forget(): void {
    for (const { key } of this.#keys.values()) key.fill(0);
    for (const key of this.#opened.values()) key.fill(0);
    for (const memory of [this.#known, this.#keys, this.#opened]) memory.clear();
  }

  #dataKey(principalId: string, day: string, kind: StoredKind): DataKey {
    const name = `${principalId}\n${day}\n${kind}`;
    const known = this.#keys.get(name);
    if (known) return known;
    const row = this.#openKey.get(principalId, day, kind);
    let found: DataKey;
    if (row) {
      found = { n: Number(row.n), key: this.#unwrap(principalId, day, kind, row.wrapped) };
    } else {
      const key = randomBytes(KEY_BYTES);
      const wrapped = seal(this.#masterKey, keyAad(principalId, day, kind), key);
      found = { n: Number(this.#insertKey.run(principalId, day, kind, wrapped).lastInsertRowid), key };
    }
    this.#keys.set(name, found);
    return found;
  }

  #unwrap(principalId: string, day: string, kind: StoredKind, wrapped: unknown): Buffer {
    return unseal(this.#masterKey, keyAad(principalId, day, kind), Buffer.from(wrapped as Uint8Array));
  }
}
