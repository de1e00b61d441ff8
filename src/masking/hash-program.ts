/**
 * HMAC-SHA-256 of four short texts at once, as a WebAssembly program: each vector holds one word of each of the four.
 * A call into OpenSSL costs more than what it does for a text of that length, and gives one hash only.
 *
 * @see https://nvlpubs.nist.gov/nistpubs/FIPS/NIST.FIPS.180-4.pdf section 6.2.2
 * @see https://www.rfc-editor.org/rfc/rfc2104#section-2
 */
import { I32, V128, WasmCode, wasmModule } from './wasm-code.ts';

/** Texts that are hashed at once. */
export const LANES = 4;
/** Hexadecimal digits that there are of each hash. */
export const DIGITS = 32;

/** Where things are in the program's memory, in bytes. */
export const PLACES = {
  /** 64 constants, for the caller to put there once. */
  constants: 0,
  /** What SHA-256 begins with, likewise. */
  initial: 256,
  /** What it has come to behind the key's block, before the text and before the inner hash. */
  inner: 288,
  outer: 320,
  /** The block in hand, word by word, each word of all four. What is left of texts in it is wiped by `hashes`. */
  block: 384,
  /** What the last block has come to, in the same order. */
  state: 640,
  /** The first half of each hash, in digits. */
  digits: 768,
} as const;

/** The first 32 bits of the fractional parts of the cube roots of the first primes (section 4.2.2). */
export const CONSTANTS: readonly number[] = [
  ...[0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
  ...[0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
  ...[0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
  ...[0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
  ...[0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
  ...[0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
  ...[0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
  ...[0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

/** The same of the square roots (section 5.3.3). */
export const INITIAL: readonly number[] = [
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
];

/** Locals of `compress`: where it begins from, which constant is next, a to h, the words of the block, and three more. */
const FROM = 0;
const ROUND = 1;
const VARIABLES = 2;
const WORDS = 10;
const SUM = 26;
const DIFFERENCE = 27;
const DIFFERENCE_BEFORE = 28;

/**
 * The module. `compress(from)` takes the block in from the state at the address `from`; `hashes()` makes the four HMACs of
 * the texts in the block, which begin from `inner` and end with SHA-256's padding.
 */
export function hashProgram(): Uint8Array<ArrayBuffer> {
  return wasmModule([
    {
      name: 'compress',
      parameters: 1,
      body: compress().body([
        [1, I32],
        [27, V128],
      ]),
    },
    { name: 'hashes', parameters: 0, body: hashes().body([[4, V128]]) },
  ]);
}

function compress(): WasmCode {
  const code = new WasmCode();
  for (let i = 0; i < 8; i++)
    code
      .get(FROM)
      .loadWords(4 * i)
      .set(VARIABLES + i);
  for (let i = 0; i < 16; i++)
    code
      .i32(PLACES.block)
      .load(16 * i)
      .set(WORDS + i);
  code
    .get(VARIABLES + 1)
    .get(VARIABLES + 2)
    .xor()
    .set(DIFFERENCE_BEFORE);
  code.loop(ROUND, 192, 64, () => sixteen(code, true));
  sixteen(code, false);
  for (let i = 0; i < 8; i++) {
    code
      .i32(PLACES.state)
      .get(VARIABLES + i)
      .get(FROM)
      .loadWords(4 * i)
      .add()
      .store(16 * i);
  }
  return code;
}

/** Sixteen rounds, each of which leaves the word that is needed sixteen rounds later where there are more. */
function sixteen(code: WasmCode, more: boolean): void {
  for (let round = 0; round < 16; round++) {
    // The variables change places by their names.
    const [a, b, , d, e, f, g, h] = Array.from({ length: 8 }, (_, i) => VARIABLES + ((i - round) & 7)) as [
      ...[number, number, number, number],
      ...[number, number, number, number],
    ];
    code
      .get(h)
      .get(ROUND)
      .loadWords(PLACES.constants + 4 * round)
      .add();
    code.get(WORDS + round).add();
    // Ch(e, f, g): of each bit of e, whether f or g is taken.
    code.get(f).get(g).xor().get(e).and().get(g).xor().add();
    rotated(code, e, [6, 11, 25]).add().set(SUM);
    code.get(d).get(SUM).add().set(d);
    code.get(SUM);
    rotated(code, a, [2, 13, 22]).add();
    // Maj(a, b, c) from what a and b differ in, and what b and c do: those were a and b one round before.
    code.get(a).get(b).xor().tee(DIFFERENCE).get(DIFFERENCE_BEFORE).and().get(b).xor().add().set(h);
    code.get(DIFFERENCE).set(DIFFERENCE_BEFORE);
    if (!more) continue;
    const word = (i: number): number => WORDS + ((round + i) & 15);
    code.get(word(0)).get(word(9)).add();
    rotated(code, word(1), [7, 18], 3).add();
    rotated(code, word(14), [17, 19], 10).add().set(word(0));
  }
}

/** A value turned right by several numbers of bits, and perhaps shifted, all added without carry. */
function rotated(code: WasmCode, local: number, bits: readonly number[], shift?: number): WasmCode {
  for (const [i, by] of bits.entries()) {
    code
      .get(local)
      .shiftRight(by)
      .get(local)
      .shiftLeft(32 - by)
      .xor();
    if (i > 0) code.xor();
  }
  return shift === undefined ? code : code.get(local).shiftRight(shift).xor();
}

function hashes(): WasmCode {
  const code = new WasmCode();
  const block = (word: number): void => void code.i32(PLACES.block + 16 * word);
  code.i32(PLACES.inner).call(0);
  for (let i = 0; i < 8; i++) {
    block(i);
    code
      .i32(PLACES.state)
      .load(16 * i)
      .store(0);
  }
  // The padding of a block of the key and the inner hash.
  for (let i = 8; i < 16; i++) {
    block(i);
    code.words(i === 8 ? 0x80000000 : i === 15 ? 8 * (64 + 32) : 0).store(0);
  }
  code.i32(PLACES.outer).call(0);
  for (let i = 0; i < 16; i++) {
    block(i);
    code.words(0).store(0);
  }
  for (const lane of [0, 2]) twoInDigits(code, lane);
  return code;
}

/** Writes half of the hashes of a lane and the one behind it in digits. */
function twoInDigits(code: WasmCode, lane: number): void {
  const [PAIR, NEXT_PAIR, LOW, HIGH] = [0, 1, 2, 3];
  // Words 0 and 1 of both, and words 2 and 3.
  const both = [0, 1].flatMap((next) =>
    [0, 16].flatMap((vector) => [0, 1, 2, 3].map((byte) => vector + 4 * (lane + next) + byte)),
  );
  for (const [at, local] of [
    [0, PAIR],
    [32, NEXT_PAIR],
  ] as const) {
    code
      .i32(PLACES.state)
      .load(at)
      .i32(PLACES.state)
      .load(at + 16)
      .shuffle(both)
      .set(local);
  }
  for (const next of [0, 1]) {
    // Words have their most significant byte last here.
    const order = [0, 16].flatMap((vector) =>
      [3, 2, 1, 0, 7, 6, 5, 4].map((byte) => vector + 8 * next + byte),
    );
    code.get(PAIR).get(NEXT_PAIR).shuffle(order).set(LOW);
    code.get(LOW).shiftBytesRight(4).set(HIGH);
    code.get(LOW).constant(Array(16).fill(0x0f)).and().set(LOW);
    for (const half of [0, 8]) {
      const alternately = Array.from({ length: 16 }, (_, i) => half + (i >> 1) + (i % 2 === 0 ? 0 : 16));
      code
        .i32(PLACES.digits + DIGITS * (lane + next) + 2 * half)
        .constant([...Buffer.from('0123456789abcdef')])
        .get(HIGH)
        .get(LOW)
        .shuffle(alternately)
        .swizzle()
        .store(0);
    }
  }
}
