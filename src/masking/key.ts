import { hash } from 'node:crypto';
import { type HashLanes, hashLanes, type LaneKey, laneKey } from './hash-lanes.ts';

/** Bytes of a block of SHA-256, and of its digests. */
const BLOCK = 64;
const DIGEST = 32;
/** Longest text, in bytes, that is put behind its domain without a buffer of its own. */
const SHORT = 256;

/** The key of the keyed masks of one installation. It can be used and not read, so that nothing that holds a mask gives it away. */
export class MaskKey {
  readonly #inner: Buffer;
  /** The outer block, and room for the inner digest behind it. */
  readonly #outer: Buffer;
  readonly #domains = new Map<string, Domain>();
  /** Nearly always it is the same one again. */
  #last: Domain | null = null;

  /** @param key 32 random bytes */
  constructor(key: Uint8Array) {
    // HMAC written out: two one-shot hashes take a third of the time of an Hmac object, and masks are made by the row.
    const padded = Buffer.alloc(BLOCK);
    padded.set(key);
    this.#inner = padded.map((byte) => byte ^ 0x36) as Buffer;
    this.#outer = Buffer.concat([padded.map((byte) => byte ^ 0x5c), Buffer.alloc(DIGEST)]);
  }

  /**
   * HMAC-SHA-256 of a text, 32 bytes.
   *
   * @param domain what it is for: digests of one domain say nothing about those of another
   * @see https://www.rfc-editor.org/rfc/rfc2104#section-2
   */
  digest(domain: string, text: string): Buffer {
    const bytes = Buffer.from(text, 'utf8');
    return Buffer.from(this.#digest(domain, bytes, 0, bytes.length, 'binary'), 'binary');
  }

  /** The same of the UTF-8 text `bytes[start, end)`, in hexadecimal digits. */
  hex(domain: string, bytes: Uint8Array, start: number, end: number): string {
    return this.#digest(domain, bytes, start, end, 'hex');
  }

  /**
   * Takes the text `bytes[start, end)` for a hash that is written later ({@link HashLanes}): the first 32 digits of what `hex` gives.
   * Returns whether it is one for which that can be done, short and ASCII.
   */
  later(domain: string, bytes: Uint8Array, start: number, end: number): boolean {
    const lanes = hashLanes();
    return lanes?.take(this.#domain(domain).laneKey(lanes), bytes, start, end) ?? false;
  }

  /** As strings (`binary`: a character for each byte), since Node takes three times as long to give a digest in a buffer. */
  #digest(domain: string, bytes: Uint8Array, start: number, end: number, encoding: 'hex' | 'binary'): string {
    const input = this.#domain(domain).input(bytes, start, end);
    this.#outer.write(hash('sha256', input, 'binary'), BLOCK, 'binary');
    return hash('sha256', this.#outer, encoding);
  }

  #domain(name: string): Domain {
    if (this.#last?.name === name) return this.#last;
    let domain = this.#domains.get(name);
    if (domain === undefined) {
      domain = new Domain(this.#inner, this.#outer, name);
      this.#domains.set(name, domain);
    }
    this.#last = domain;
    return domain;
  }
}

/** What is hashed first in one domain: the key's block, the domain's name, and a text behind them. */
class Domain {
  readonly name: string;
  readonly #buffer: Buffer;
  readonly #head: number;
  /** The beginnings of the buffer that were asked for, by the length of the text: a view costs as much as a mask's other steps. */
  readonly #views: Buffer[] = [];
  readonly #inner: Buffer;
  readonly #outer: Buffer;
  #laneKey: LaneKey | null = null;

  constructor(inner: Buffer, outer: Buffer, name: string) {
    this.name = name;
    this.#inner = inner;
    this.#outer = outer;
    const head = Buffer.concat([inner, Buffer.from(`${name}\0`)]);
    this.#head = head.length;
    this.#buffer = Buffer.concat([head, Buffer.alloc(SHORT)]);
  }

  input(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    const head = this.#head;
    if (length > SHORT) return Buffer.concat([this.#buffer.subarray(0, head), bytes.subarray(start, end)]);
    const buffer = this.#buffer;
    for (let i = 0; i < length; i++) buffer[head + i] = bytes[start + i] as number;
    let view = this.#views[length];
    if (view === undefined) this.#views[length] = view = buffer.subarray(0, head + length);
    return view;
  }

  laneKey(lanes: HashLanes): LaneKey {
    this.#laneKey ??= laneKey(
      lanes,
      this.#inner,
      this.#outer.subarray(0, BLOCK),
      this.#buffer.subarray(BLOCK, this.#head),
    );
    return this.#laneKey;
  }
}
