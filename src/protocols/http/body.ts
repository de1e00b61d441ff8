import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

/** The body of a request on its way: counted, hashed, and broken off where it is larger than the grant allows. */
export class RequestBody extends Transform {
  readonly #most: number;
  readonly #hash: Hash = createHash('sha256');
  #digest: string | null = null;
  bytes = 0;

  /** @param most bytes */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    if (this.bytes > this.#most) {
      done(new BodyTooLarge(this.#most));
      return;
    }
    this.#hash.update(chunk);
    done(null, chunk);
  }

  /** SHA-256 of what has passed, hex. */
  digest(): string {
    this.#digest ??= this.#hash.digest('hex');
    return this.#digest;
  }
}

export class BodyTooLarge extends Error {
  constructor(most: number) {
    super(`the body has more than the ${most} bytes that the grant allows`);
  }
}
