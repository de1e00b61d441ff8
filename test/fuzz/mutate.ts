/** Changes to an input, each of a kind that readers get wrong. Pure, given its source of randomness. */

/** Numbers below `limit`, from a seed: xorshift32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  one<T>(things: readonly T[]): T {
    return things[this.below(things.length)] as T;
  }
}

const EDGES = [0, 1, 2, 4, 5, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

type Mutation = (input: Buffer, random: Random, words: readonly Buffer[], other: Buffer) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  // One bit.
  (input, random) => {
    const out = Buffer.from(input);
    const at = random.below(out.length);
    out[at] = (out[at] as number) ^ (1 << random.below(8));
    return out;
  },
  // One byte.
  (input, random) => {
    const out = Buffer.from(input);
    out[random.below(out.length)] = random.below(256);
    return out;
  },
  // A number where one may stand, of 1, 2 or 4 bytes.
  (input, random) => {
    const out = Buffer.from(input);
    const bytes = random.one([1, 2, 4]);
    if (out.length < bytes) return out;
    const at = random.below(out.length - bytes + 1);
    const value = random.below(3) === 0 ? input.length - at + random.below(5) - 2 : random.one(EDGES);
    out.writeUIntBE((value >>> 0) % 2 ** (8 * bytes), at, bytes);
    return out;
  },
  // Without a piece.
  (input, random) => {
    const from = random.below(input.length);
    const to = Math.min(input.length, from + 1 + random.below(16));
    return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
  },
  // Cut off.
  (input, random) => input.subarray(0, random.below(input.length)),
  // With a piece of itself once more.
  (input, random) => {
    const from = random.below(input.length);
    const piece = input.subarray(from, from + 1 + random.below(64));
    return splice(input, random.below(input.length + 1), 0, piece);
  },
  // With a word put in, or over what stands there.
  (input, random, words) => {
    if (words.length === 0) return input;
    const word = random.one(words);
    return splice(input, random.below(input.length + 1), random.below(2) === 0 ? 0 : word.length, word);
  },
  // The beginning of this and the end of another.
  (input, random, _words, other) =>
    Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]),
];

/** One to eight changes. The result is at most `most` bytes long. */
export function mutate(
  input: Buffer,
  random: Random,
  words: readonly Buffer[],
  other: Buffer,
  most: number,
): Buffer {
  let out = input;
  for (let changes = 1 + random.below(8); changes > 0; changes--) {
    if (out.length === 0) out = Buffer.from([random.below(256)]);
    out = random.one(MUTATIONS)(out, random, words, other);
    if (out.length > most) out = out.subarray(0, most);
  }
  return out;
}

function splice(input: Buffer, at: number, cut: number, piece: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + cut)]);
}
