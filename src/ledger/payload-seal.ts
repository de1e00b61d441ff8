import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto';
import { type DataKeys, LEGACY_KEY } from '../core/data-keys.ts';
import type { PayloadKind } from '../core/record.ts';

/**
 * The cryptography of the payload store: sealing, data keys, and the commitments that stand in the leaves. No state but
 * random bytes that were fetched and not used yet.
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

/** Whose texts a data key seals. */
export interface KeyName {
  readonly principalId: string;
  /** `YYYY-MM-DD` */
  readonly day: string;
  readonly kind: StoredKind;
}

/** A key that is unwrapped. Ciphers take the object: bytes would be wrapped into one for each call. */
export interface DataKey extends KeyName {
  /** Its number in the store. */
  readonly n: number;
  readonly object: KeyObject;
  /** What the salts are hashes of, in front of the data; to be overwritten when the key is forgotten. */
  readonly salting: Buffer;
}

export const KEY_BYTES = 32;
/** Length of a commitment, raw. */
export const COMMITMENT_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_LABEL = Buffer.from('postern-payload-salt');

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
export function seal(key: KeyObject, aad: Uint8Array, data: Uint8Array): Buffer {
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

/** The reverse of {@link seal}. @throws Error where it was altered, or sealed with another key or for something else */
export function unseal(key: KeyObject, aad: Uint8Array, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

function keyAad({ principalId, day, kind }: KeyName): Buffer {
  return Buffer.from(`postern-payload-key\n${principalId}\n${day}\n${kind}`);
}

/** First byte of a wrapped key that says the number of the data key; then that number, 4 bytes big-endian. */
const WRAP_VERSION = 2;
const WRAP_HEAD = 5;
/** A key that was wrapped by the master key itself, before there was a keyring: nonce, key, tag. */
const LEGACY_WRAP_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/** Number of the data key that wrapped it; null for what is no wrapped key. */
export function wrapperOf(wrapped: Uint8Array): number | null {
  if (wrapped.length === LEGACY_WRAP_BYTES) return LEGACY_KEY;
  if (wrapped.length !== WRAP_HEAD + LEGACY_WRAP_BYTES || wrapped[0] !== WRAP_VERSION) return null;
  const number = Buffer.from(wrapped.buffer, wrapped.byteOffset, WRAP_HEAD).readUInt32BE(1);
  return number === LEGACY_KEY ? null : number;
}

function wrap(keys: DataKeys, name: KeyName, bytes: Buffer): Buffer {
  const wrapping = keys.wrapping(keys.current);
  if (wrapping === undefined) throw new RangeError('There is no current key.');
  const head = Buffer.alloc(WRAP_HEAD);
  head[0] = WRAP_VERSION;
  head.writeUInt32BE(keys.current, 1);
  return Buffer.concat([head, seal(wrapping, keyAad(name), bytes)]);
}

function unwrap(keys: DataKeys, name: KeyName, wrapped: Buffer): Buffer {
  const number = wrapperOf(wrapped);
  const wrapping = number === null ? undefined : keys.wrapping(number);
  if (wrapping === undefined) throw new Error('There is no key that wrapped it.');
  return unseal(wrapping, keyAad(name), wrapped.subarray(number === LEGACY_KEY ? 0 : WRAP_HEAD));
}

/** A random data key of a day, wrapped by the current data key of the installation, as it is stored. */
export function makeWrappedKey(keys: DataKeys, name: KeyName): Buffer {
  const bytes = randomBytes(KEY_BYTES);
  const wrapped = wrap(keys, name, bytes);
  bytes.fill(0);
  return wrapped;
}

/** @throws Error where the wrapped key was altered, is another's, or the key that wrapped it is not there */
export function unwrapKey(keys: DataKeys, n: number, name: KeyName, wrapped: Buffer): DataKey {
  const bytes = unwrap(keys, name, wrapped);
  const salting = Buffer.concat([SALT_LABEL, bytes, Buffer.from(name.kind)]);
  const key = { ...name, n, object: createSecretKey(bytes), salting };
  bytes.fill(0);
  return key;
}

/** The same key wrapped by the current data key. @throws Error as {@link unwrapKey} */
export function rewrapKey(keys: DataKeys, name: KeyName, wrapped: Buffer): Buffer {
  const bytes = unwrap(keys, name, wrapped);
  try {
    return wrap(keys, name, bytes);
  } finally {
    bytes.fill(0);
  }
}

/** Where short inputs of hashes are put together; what was in it is overwritten. */
const scratch = Buffer.alloc(1024);

/** The salt of a text's commitment, 16 bytes. */
export function saltOf({ salting }: DataKey, data: Uint8Array): Buffer {
  const bytes = salting.length + data.length;
  const input = bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  input.set(salting);
  input.set(data, salting.length);
  const salt = Buffer.from(hash('sha256', input, 'binary').slice(0, SALT_BYTES), 'latin1');
  input.fill(0, 0, salting.length);
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
