import { createHmac } from 'node:crypto';

const MODULUS = 1n << 256n;

/**
 * A sum over rows that only who has the key can make, and that follows a change of one row without reading the others:
 * each row counts with its HMAC-SHA-256 as a number, modulo 2^256. It shows that rows were changed, added, removed or set
 * back by somebody else.
 */
export class Seal {
  readonly #key: Uint8Array;
  #sum: bigint;

  /** @param sum of a seal with the same key that this one continues */
  constructor(key: Uint8Array, sum = 0n) {
    this.#key = key;
    this.#sum = sum;
  }

  get sum(): bigint {
    return this.#sum;
  }

  add(row: string): void {
    this.#sum = (this.#sum + this.#mac(row)) % MODULUS;
  }

  remove(row: string): void {
    this.#sum = (this.#sum + MODULUS - this.#mac(row)) % MODULUS;
  }

  /** What is stored beside the rows: the sum, bound to `state`. */
  tag(state: string): Buffer {
    return createHmac('sha256', this.#key)
      .update(`${state}\n${this.#sum.toString(16)}`)
      .digest();
  }

  #mac(row: string): bigint {
    return BigInt(`0x${createHmac('sha256', this.#key).update(row).digest('hex')}`);
  }
}
