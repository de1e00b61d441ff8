import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';

const LIFE_SECONDS = 120;
/** More than this many that were used and are not over: an attack or a fault. */
const USED_MAX = 100_000;
const BYTES = 4 + 16 + 32;

/**
 * Nonces that Postern hands out to be signed. Nothing is kept for one until it is used, so asking for many costs nothing; each is
 * taken once, within two minutes, and by the process that made it.
 */
export class Challenges {
  readonly #secret = randomBytes(32);
  /** Used ones, with when they are over, in the order of use. */
  readonly #used = new Map<string, number>();

  /** A new one, base64url. */
  issue(nowMs = Date.now()): string {
    const body = Buffer.alloc(20);
    body.writeUInt32BE(Math.floor(nowMs / 1000) + LIFE_SECONDS);
    randomBytes(16).copy(body, 4);
    return Buffer.concat([body, this.#mark(body)]).toString('base64url');
  }

  /**
   * Takes one. Only what was verified otherwise may get here, so that strangers use up nothing.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED for one that is none, over, or used
   */
  take(text: string, nowMs = Date.now()): void {
    const bytes = Buffer.from(text, 'base64url');
    const body = bytes.subarray(0, 20);
    const good =
      bytes.length === BYTES &&
      bytes.toString('base64url') === text &&
      timingSafeEqual(bytes.subarray(20), this.#mark(body));
    const until = good ? body.readUInt32BE() * 1000 : 0;
    if (until <= nowMs || this.#used.has(text))
      throw new PosternError(
        'POSTERN_UNAUTHORIZED',
        'The nonce is not one of this Postern, is over, or was used.',
        'Ask for a new one: POST /v1/token/challenge.',
      );
    for (const [old, end] of this.#used) {
      if (end > nowMs) break;
      this.#used.delete(old);
    }
    if (this.#used.size >= USED_MAX)
      throw new PosternError(
        'POSTERN_TOO_MANY_REQUESTS',
        'Too many nonces were used of late.',
        'Wait two minutes.',
      );
    this.#used.set(text, until);
  }

  #mark(body: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(body).digest();
  }
}
