import { COMMITMENT_BYTES } from './payload-seal.ts';

/**
 * Payloads of one data key are stored in blocks, sealed together: one cipher and one row for many of them. A block is the list
 * of its commitments, which is bound to it when it is sealed, and the payloads one after the other behind their lengths (4 bytes
 * each, big-endian, all of them first). A block of one has no lengths.
 */

/** Payloads of a block at most. */
export const BLOCK_PAYLOADS = 64;
/** A block is not added to beyond that. One that is larger has a single payload. */
const BLOCK_BYTES = 16 * 1024;
const LENGTH_BYTES = 4;
const FIRST_BYTES = 1024;

/** A block that is being filled. Copies what is added. */
export class BlockBuilder {
  readonly #commitments = Buffer.allocUnsafe(BLOCK_PAYLOADS * COMMITMENT_BYTES);
  readonly #lengths: number[] = [];
  #data: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #used = 0;

  get count(): number {
    return this.#lengths.length;
  }

  /** Whether so many bytes more go into it. Into an empty one everything goes. */
  fits(bytes: number): boolean {
    const { count } = this;
    return count === 0 || (count < BLOCK_PAYLOADS && this.#used + bytes <= BLOCK_BYTES);
  }

  /** @param commitment in hex */
  add(commitment: string, data: Uint8Array): void {
    const used = this.#used + data.length;
    if (used > this.#data.length) {
      const larger = Buffer.allocUnsafe(Math.max(used, Math.min(2 * this.#data.length, BLOCK_BYTES)));
      larger.set(this.#data.subarray(0, this.#used));
      this.#data = larger;
    }
    this.#data.set(data, this.#used);
    this.#used = used;
    this.#commitments.write(commitment, this.count * COMMITMENT_BYTES, 'hex');
    this.#lengths.push(data.length);
  }

  /** The commitments, raw, joined. A view. */
  get commitments(): Buffer {
    return this.#commitments.subarray(0, this.count * COMMITMENT_BYTES);
  }

  /** What is to be sealed. */
  get plain(): Buffer {
    const data = this.#data.subarray(0, this.#used);
    if (this.count === 1) return data;
    const plain = Buffer.allocUnsafe(this.count * LENGTH_BYTES + data.length);
    for (const [i, length] of this.#lengths.entries()) plain.writeUInt32BE(length, i * LENGTH_BYTES);
    plain.set(data, this.count * LENGTH_BYTES);
    return plain;
  }
}

/** Where in a list of commitments one is; -1 where it is not. */
export function indexIn(commitments: Buffer, commitment: Uint8Array): number {
  for (let from = 0; ; ) {
    const at = commitments.indexOf(commitment, from);
    if (at < 0 || at % COMMITMENT_BYTES === 0) return at < 0 ? -1 : at / COMMITMENT_BYTES;
    from = at + 1;
  }
}

/** The commitments of a list, in hex. */
export function commitmentsIn(commitments: Buffer): string[] {
  return Array.from({ length: commitments.length / COMMITMENT_BYTES }, (_, i) =>
    commitments.toString('hex', i * COMMITMENT_BYTES, (i + 1) * COMMITMENT_BYTES),
  );
}

/**
 * The payloads of a block, as views of what was unsealed.
 *
 * @throws RangeError where the lengths do not give the block
 */
export function payloadsIn(plain: Buffer, count: number): Buffer[] {
  if (count === 1) return [plain];
  const payloads: Buffer[] = [];
  let offset = count * LENGTH_BYTES;
  for (let i = 0; i < count; i++) {
    const end = offset + plain.readUInt32BE(i * LENGTH_BYTES);
    payloads.push(plain.subarray(offset, end));
    offset = end;
  }
  if (offset !== plain.length) throw new RangeError('The lengths do not give the block.');
  return payloads;
}

/** A blob as SQLite gives it, without copying it. */
export function asBuffer(blob: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = blob as Uint8Array<ArrayBuffer>;
  return Buffer.from(buffer, byteOffset, byteLength);
}
