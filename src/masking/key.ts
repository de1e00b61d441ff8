import { createHmac } from 'node:crypto';

/** The key of the keyed masks of one installation. It can be used and not read, so that nothing that holds a mask gives it away. */
export class MaskKey {
  readonly #key: Uint8Array;

  /** @param key 32 random bytes */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * HMAC-SHA-256 of a text, 32 bytes.
   *
   * @param domain what it is for: digests of one domain say nothing about those of another
   * @see https://www.rfc-editor.org/rfc/rfc2104
   */
  digest(domain: string, text: string): Buffer {
    return createHmac('sha256', this.#key).update(`${domain}\0`).update(text).digest();
  }
}
