import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type DataKeys, LEGACY_KEY } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';

/** Sealed under the master key itself, before there was a keyring. */
const LEGACY_VERSION = 1;
const VERSION = 2;
const NUMBER = 4;
const NONCE = 12;
const TAG = 16;

/**
 * Seals small secrets with AES-256-GCM under the current data key. What a secret belongs to is authenticated with it, so that a
 * sealed value copied to another row does not open.
 *
 * Sealed form: version (1 byte, 2), number of the data key (4, big-endian), nonce (12), ciphertext, tag (16). Form 1 has no
 * number.
 */
export class SecretBox {
  readonly #keys: DataKeys;

  constructor(keys: DataKeys) {
    this.#keys = keys;
  }

  /** @param context what the secret belongs to, e.g. `resource:<id>` */
  seal(secret: Uint8Array, context: string): Buffer {
    const head = Buffer.alloc(1 + NUMBER);
    head[0] = VERSION;
    head.writeUInt32BE(this.#keys.current, 1);
    const key = this.#keys.box(this.#keys.current);
    if (key === undefined) throw new RangeError('There is no current key.');
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(context));
    return Buffer.concat([head, nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws PosternError POSTERN_INTERNAL when the value was changed, or sealed for something else or under another key */
  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const number = keyNumberOf(bytes);
    const key = number === null ? undefined : this.#keys.box(number);
    const from = bytes[0] === LEGACY_VERSION ? 1 : 1 + NUMBER;
    if (key === undefined || bytes.length < from + NONCE + TAG) throw unopened(context);
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(from, from + NONCE), {
      authTagLength: TAG,
    });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(from + NONCE, -TAG)), decipher.final()]);
    } catch {
      throw unopened(context);
    }
  }

  /** The same secret under the current key; null where it is under that already. @throws PosternError as `open` */
  renew(sealed: Uint8Array, context: string): Buffer | null {
    if (keyNumberOf(sealed) === this.#keys.current) return null;
    const secret = this.open(sealed, context);
    try {
      return this.seal(secret, context);
    } finally {
      secret.fill(0);
    }
  }
}

/** Number of the key under which a value is sealed; null for what is no sealed value. */
export function keyNumberOf(sealed: Uint8Array): number | null {
  if (sealed[0] === LEGACY_VERSION) return LEGACY_KEY;
  if (sealed[0] !== VERSION || sealed.length < 1 + NUMBER) return null;
  const number = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength).readUInt32BE(1);
  // No such form of that key was ever written.
  return number === LEGACY_KEY ? null : number;
}

function unopened(context: string): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The stored secret of ${context} cannot be opened.`,
    'It was changed on disk, or the master key is not the one it was sealed under.',
  );
}
