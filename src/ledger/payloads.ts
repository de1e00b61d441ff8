import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto';
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
/** So long a text is remembered by itself, a longer one by its hash. */
const SHORT_BYTES = 96;
const REMEMBERED_KEYS = 1024;
const SALT_LABEL = Buffer.from('postern-payload-salt');
/** A reader looks so often whether another connection changed anything. */
const LOOK_MS = 10;

/** Random bytes for nonces, fetched many at a time: each fetch is a call to the operating system. */
const nonces = Buffer.alloc(NONCE_BYTES * 512);
let noncesUsed = nonces.length;

function nextNonce(): Buffer {
  if (noncesUsed === nonces.length) {
    randomFillSync(nonces);
    noncesUsed = 0;
  }
  noncesUsed += NONCE_BYTES;
  return nonces.subarray(noncesUsed - NONCE_BYTES, noncesUsed);
}

/** AES-256-GCM: nonce, ciphertext, tag. */
function seal(key: KeyObject, aad: Uint8Array, data: Uint8Array): Buffer {
  const nonce = nextNonce();
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(aad);
  const sealed = Buffer.allocUnsafe(NONCE_BYTES + data.length + TAG_BYTES);
  sealed.set(nonce);
  sealed.set(cipher.update(data), NONCE_BYTES);
  cipher.final();
  sealed.set(cipher.getAuthTag(), NONCE_BYTES + data.length);
  return sealed;
}

function unseal(key: KeyObject, aad: Uint8Array, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

function keyAad(principalId: string, day: string, kind: StoredKind): Buffer {
  return Buffer.from(`postern-payload-key\n${principalId}\n${day}\n${kind}`);
}

/** Where short inputs of hashes are put together; what was in it is overwritten. */
const scratch = Buffer.alloc(1024);

/** What the salts of a data key are hashes of, in front of the data. */
function saltPrefix(key: Uint8Array, kind: StoredKind): Buffer {
  return Buffer.concat([SALT_LABEL, key, Buffer.from(kind)]);
}

function saltOf(prefix: Buffer, data: Uint8Array): Buffer {
  const bytes = prefix.length + data.length;
  const input = bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  input.set(prefix);
  input.set(data, prefix.length);
  const salt = Buffer.from(hash('sha256', input, 'binary').slice(0, SALT_BYTES), 'latin1');
  input.fill(0, 0, prefix.length);
  return salt;
}

/** `SHA-256(salt || data)`, hex: the check that needs no key. */
export function commitmentOf(salt: Uint8Array, data: Uint8Array): string {
  const bytes = salt.length + data.length;
  const input = bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
  input.set(salt);
  input.set(data, salt.length);
  return hash('sha256', input, 'hex');
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

/** A key that is unwrapped. Ciphers take the object: bytes would be wrapped into one for each call. */
interface DataKey {
  readonly n: number;
  readonly object: KeyObject;
  /** @see saltPrefix */
  readonly salting: Buffer;
  readonly principalId: string;
  readonly day: string;
  readonly kind: StoredKind;
}

/** The payloads of one data directory. One writer; any number of readers. */
export class PayloadStore {
  readonly #db: DatabaseSync;
  readonly #masterKey: KeyObject;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #openKey: StatementSync;
  readonly #keyOf: StatementSync;
  readonly #version: StatementSync;
  readonly #known = new Remembered<Commitment>(REMEMBERED);
  /** Keys that seal what is put, by principal, day and kind. */
  readonly #keys = new Remembered<DataKey>(REMEMBERED_KEYS);
  /** Keys that open what is got, by their number; null where one was destroyed. */
  readonly #opened = new Remembered<DataKey | null>(REMEMBERED_KEYS);
  #seen: unknown;
  #lookedAt = 0;

  private constructor(db: DatabaseSync, masterKey: KeyObject) {
    this.#db = db;
    this.#masterKey = masterKey;
    this.#insert = db.prepare(
      'INSERT INTO payloads (commitment, key, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#select = db.prepare('SELECT key, sealed, erasure FROM payloads WHERE commitment = ?');
    this.#keyOf = db.prepare('SELECT principal, day, kind, wrapped FROM data_keys WHERE n = ?');
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
      return new PayloadStore(db, createSecretKey(masterKey));
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
    const text = data.length <= SHORT_BYTES ? latin1(data) : hash('sha256', data, 'binary');
    const remembered = `${principalId}\n${day}\n${kind}\n${data.length}\n${text}`;
    const known = this.#known.get(remembered);
    if (known) return known;
    const { n, object, salting } = this.#sealingKey(principalId, day, kind);
    const commitment = commitmentOf(saltOf(salting, data), data);
    const raw = Buffer.from(commitment, 'hex');
    this.#insert.run(raw, n, seal(object, raw, data));
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
    if (performance.now() - this.#lookedAt > LOOK_MS) this.#forgetIfChanged();
    const raw = Buffer.from(commitment, 'hex');
    const row = this.#select.get(raw);
    if (!row) return null;
    if (row.erasure !== null || row.sealed === null) return 'erased';
    try {
      const key = this.#openingKey(Number(row.key));
      if (key === null) return 'erased';
      const { object, salting, principalId, day, kind } = key;
      const data = unseal(object, raw, asBuffer(row.sealed));
      return { data, salt: saltOf(salting, data), kind, principalId, day };
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
    const plan = this.#db
      .prepare(
        'SELECT e.plan FROM payloads p JOIN data_keys k ON k.n = p.key ' +
          'JOIN erasures e ON e.n = coalesce(p.erasure, k.erasure) WHERE p.commitment = ?',
      )
      .get(Buffer.from(commitment, 'hex'))?.plan;
    if (plan === undefined) return null;
    const { record, time, by, reason } = JSON.parse(String(plan)) as Erased;
    return { record, time, by: { id: by.id, name: by.name }, reason };
  }

  /** A key of 32 bytes for another purpose, from the master key. */
  deriveKey(purpose: string): Buffer {
    return createHmac('sha256', this.#masterKey).update(purpose).digest();
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
    this.#lookedAt = performance.now();
    const version = this.#version.get()?.data_version;
    if (version === this.#seen) return;
    this.#seen = version;
    this.#forget();
  }

  #forget(): void {
    for (const { salting } of this.#keys.values()) salting.fill(0);
    for (const key of this.#opened.values()) key?.salting.fill(0);
    for (const memory of [this.#known, this.#keys, this.#opened]) memory.clear();
  }

  #sealingKey(principalId: string, day: string, kind: StoredKind): DataKey {
    const name = `${principalId}\n${day}\n${kind}`;
    const known = this.#keys.get(name);
    if (known) return known;
    const row = this.#openKey.get(principalId, day, kind);
    const key = row
      ? this.#unwrap(Number(row.n), principalId, day, kind, row.wrapped)
      : this.#makeKey(principalId, day, kind);
    this.#keys.set(name, key);
    return key;
  }

  #makeKey(principalId: string, day: string, kind: StoredKind): DataKey {
    const bytes = randomBytes(KEY_BYTES);
    const wrapped = seal(this.#masterKey, keyAad(principalId, day, kind), bytes);
    const n = Number(this.#insertKey.run(principalId, day, kind, wrapped).lastInsertRowid);
    return unwrapped(n, bytes, principalId, day, kind);
  }

  #openingKey(n: number): DataKey | null {
    const known = this.#opened.get(n);
    if (known !== undefined) return known;
    const row = this.#keyOf.get(n);
    const [principalId, day, kind] = [
      String(row?.principal),
      String(row?.day),
      String(row?.kind) as StoredKind,
    ];
    const key = row?.wrapped === null ? null : this.#unwrap(n, principalId, day, kind, row?.wrapped);
    this.#opened.set(n, key);
    return key;
  }

  #unwrap(n: number, principalId: string, day: string, kind: StoredKind, wrapped: unknown): DataKey {
    const bytes = unseal(this.#masterKey, keyAad(principalId, day, kind), asBuffer(wrapped));
    return unwrapped(n, bytes, principalId, day, kind);
  }
}

/** Takes the bytes over: they are overwritten. */
function unwrapped(n: number, bytes: Buffer, principalId: string, day: string, kind: StoredKind): DataKey {
  const key = { n, object: createSecretKey(bytes), salting: saltPrefix(bytes, kind), principalId, day, kind };
  bytes.fill(0);
  return key;
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

/** A blob as SQLite gives it, without copying it. */
function asBuffer(blob: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = blob as Uint8Array<ArrayBuffer>;
  return Buffer.from(buffer, byteOffset, byteLength);
}
