import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { PosternError } from '../core/errors.ts';

const VERSION = 1;
const NONCE = 12;
const TAG = 16;

/**
 * Seals small secrets with AES-256-GCM under a key derived from the master key. What a secret belongs to is
 * authenticated with it, so that a sealed value copied to another row does not open.
 *
 * Sealed form: version (1 byte, 1), nonce (12), ciphertext, tag (16).
 */
export class SecretBox {
  readonly #key: Buffer;

  constructor(masterKey: Buffer) {
    this.#key = Buffer.from(hkdfSync('sha256', masterKey, '', 'postern vault v1', 32));
  }

  /** @param context what the secret belongs to, e.g. `resource:<id>` */
  seal(secret: Uint8Array, context: string): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(context));
    return Buffer.concat([
      Buffer.of(VERSION),
      nonce,
      cipher.update(secret),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** @throws PosternError POSTERN_INTERNAL when the value was changed, or sealed for something else or under another key */
  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    if (bytes.length < 1 + NONCE + TAG || bytes[0] !== VERSION) throw unopened(context);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(1, 1 + NONCE), {
      authTagLength: TAG,
    });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE, -TAG)), decipher.final()]);
    } catch {
      throw unopened(context);
    }
  }
}

function unopened(context: string): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The stored secret of ${context} cannot be opened.`,
    'It was changed on disk, or the master key is not the one it was sealed under.',
  );
}
