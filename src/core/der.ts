/**
 * Reads DER (X.690, 10): definite lengths in their shortest form, tags below 31. Reads in place and allocates nothing for what
 * is claimed; nothing here recurses.
 *
 * @see https://www.itu.int/rec/T-REC-X.690
 */

/** What is not DER, or not what was expected. The text names the place, never bytes of it. */
export class DerError extends Error {}

export interface Element {
  /** The identifier octet. */
  readonly tag: number;
  /** Header and content. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Goes through the elements of a content, one after the other. */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of what comes next; undefined at the end. */
  get tag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** @throws DerError */
  next(tag?: number): Element {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    const first = bytes[start + 1];
    if (found === undefined || first === undefined) throw new DerError('it ends too early');
    if ((found & 0x1f) === 0x1f) throw new DerError('a tag of several bytes');
    if (tag !== undefined && found !== tag) throw new DerError('an element of another kind');
    let size = first;
    let at = start + 2;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count < 1 || count > 3) throw new DerError('a length that is not taken');
      if (at + count > bytes.length) throw new DerError('it ends too early');
      size = bytes.readUIntBE(at, count);
      if (size < 0x80 || size < 2 ** (8 * (count - 1)))
        throw new DerError('a length that is not the shortest');
      at += count;
    }
    const end = at + size;
    if (end > bytes.length) throw new DerError('it ends too early');
    this.#at = end;
    return { tag: found, whole: bytes.subarray(start, end), content: bytes.subarray(at, end) };
  }

  /** The next element if it has this tag. */
  optional(tag: number): Element | null {
    return this.tag === tag ? this.next(tag) : null;
  }

  /** @throws DerError when something is left */
  end(): void {
    if (!this.done) throw new DerError('more than was expected');
  }
}

/** The one element that these bytes are. @throws DerError */
export function derElement(bytes: Buffer, tag: number): Element {
  const reader = new DerReader(bytes);
  const element = reader.next(tag);
  reader.end();
  return element;
}

/** An object identifier in dotted form. @throws DerError */
export function oidText(content: Buffer): string {
  if (content.length === 0 || content.length > 64) throw new DerError('an identifier of a strange length');
  const parts: number[] = [];
  let value = 0;
  let begun = false;
  for (const byte of content) {
    if (!begun && byte === 0x80) throw new DerError('an identifier that is not in its shortest form');
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an identifier with too large a number');
    begun = (byte & 0x80) !== 0;
    if (begun) continue;
    if (parts.length === 0) {
      const root = Math.min(Math.floor(value / 40), 2);
      parts.push(root, value - root * 40);
    } else {
      parts.push(value);
    }
    value = 0;
  }
  if (begun) throw new DerError('it ends too early');
  return parts.join('.');
}

/** A BOOLEAN. @throws DerError */
export function derBoolean(content: Buffer): boolean {
  const [value] = content;
  if (content.length !== 1 || (value !== 0 && value !== 0xff))
    throw new DerError('a boolean that is neither');
  return value === 0xff;
}

/** An INTEGER from 0 to 2^31 - 1. @throws DerError */
export function derSmallInteger(content: Buffer): number {
  const [first = 0xff, second = 0xff] = content;
  if (content.length === 0 || content.length > 4 || first >= 0x80)
    throw new DerError('a number out of bounds');
  if (content.length > 1 && first === 0 && second < 0x80)
    throw new DerError('a number that is not the shortest');
  return content.readUIntBE(0, content.length);
}

/** The named bits of a BIT STRING: which are set, the first is 0. @throws DerError */
export function derBits(content: Buffer): ReadonlySet<number> {
  const unused = content[0];
  if (unused === undefined || unused > 7 || content.length > 5 || (content.length === 1 && unused !== 0))
    throw new DerError('a malformed bit string');
  const set = new Set<number>();
  for (let bit = 0; bit < (content.length - 1) * 8 - unused; bit++) {
    const byte = content[1 + (bit >> 3)] ?? 0;
    if ((byte & (0x80 >> (bit & 7))) !== 0) set.add(bit);
  }
  return set;
}
