/**
 * Hashes of short texts that are made four at a time: each is written where it goes once there are four, or somebody needs
 * them. Texts stay in memory until then and no longer.
 */
import { CONSTANTS, DIGITS, hashProgram, INITIAL, LANES, PLACES } from './hash-program.ts';

const BLOCK = 64;
/** Where the words of the block are, counted in words. */
const WORDS = PLACES.block / 4;
/** Of a block, what SHA-256 itself needs at its end. */
const PADDING = 9;

/** A key, and what all texts that are hashed with it in one domain have in front. */
export interface LaneKey {
  /** What the key's blocks of the inner and the outer hash have come to. */
  readonly inner: Int32Array;
  readonly outer: Int32Array;
  /** The whole words of it, and the bytes behind them as the beginning of one more. */
  readonly head: Int32Array;
  readonly begun: number;
  readonly headBytes: number;
}

interface Program {
  compress(from: number): void;
  hashes(): void;
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** What is used of it: the types of Node leave it out, and those of browsers bring everything else along. */
declare const WebAssembly: {
  validate(program: Uint8Array): boolean;
  readonly Module: new (program: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Stands for a hash that was taken here and is not written yet, of `DIGITS` characters. */
export const LATER = Symbol('hash');

export class HashLanes {
  readonly #program: Program;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  #key: LaneKey | null = null;
  /** How many texts wait, and where their hashes go. */
  #waiting = 0;
  /** One more was taken, and where its hash goes was not said. */
  #taken = false;
  readonly #out: Uint8Array[] = [];
  readonly #at = new Int32Array(LANES);

  constructor(module: object) {
    this.#program = new WebAssembly.Instance(module).exports as Program;
    this.#bytes = new Uint8Array(this.#program.memory.buffer);
    this.#words = new Int32Array(this.#program.memory.buffer);
    this.#words.set(CONSTANTS, PLACES.constants / 4);
    this.#words.set(INITIAL, PLACES.initial / 4);
  }

  /** What the first block of a hash comes to. @param block of 64 bytes */
  stateAfter(block: Uint8Array): Int32Array {
    this.settle();
    for (const [i, word] of wordsOf(block).entries()) this.#words[WORDS + LANES * i] = word;
    this.#program.compress(PLACES.initial);
    this.#wipe(0);
    return Int32Array.from({ length: 8 }, (_, i) => this.#words[PLACES.state / 4 + LANES * i] as number);
  }

  /**
   * Takes the ASCII text `bytes[start, end)` to be hashed; `goesTo` must say where to before the next one is taken. Returns false,
   * and has not taken it, where it is too long, or not ASCII.
   */
  take(key: LaneKey, bytes: Uint8Array, start: number, end: number): boolean {
    const size = key.headBytes + end - start;
    if (size > BLOCK - PADDING) return false;
    if (this.#key !== key) this.#use(key);
    const lane = this.#waiting;
    if (this.#taken) this.#wipe(lane);
    const words = this.#words;
    const { head } = key;
    for (let i = 0; i < head.length; i++) words[WORDS + LANES * i + lane] = head[i] as number;
    let word = key.begun;
    let to = key.headBytes;
    let all = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      all |= byte;
      word = (word << 8) | byte;
      to += 1;
      // As many words as there are lanes lie between two of one lane, and as many bytes are in one.
      if ((to & 3) === 0) words[WORDS + to - 4 + lane] = word;
    }
    if (all >= 0x80) {
      this.#wipe(lane);
      return false;
    }
    const left = 3 - (to & 3);
    words[WORDS + (to & ~3) + lane] = ((word << 8) | 0x80) << (8 * left);
    words[WORDS + LANES * 15 + lane] = 8 * (BLOCK + size);
    this.#taken = true;
    return true;
  }

  /** The hash of the text that was taken goes to `out[at]` and the 31 bytes behind it, by the time it is settled. */
  goesTo(out: Uint8Array, at: number): void {
    if (!this.#taken) throw new Error('no text was taken to be hashed');
    this.#taken = false;
    this.#out[this.#waiting] = out;
    this.#at[this.#waiting] = at;
    this.#waiting += 1;
    if (this.#waiting === LANES) this.settle();
  }

  /** What was in `from` behind `start` is in `to` now, from its beginning. */
  moved(from: Uint8Array, start: number, to: Uint8Array): void {
    for (let lane = 0; lane < this.#waiting; lane++) {
      const at = this.#at[lane] as number;
      if (this.#out[lane] !== from || at < start) continue;
      this.#out[lane] = to;
      this.#at[lane] = at - start;
    }
  }

  /** Writes the hashes that wait. A text whose hash goes nowhere is forgotten. */
  settle(): void {
    const waiting = this.#waiting;
    if (waiting === 0 && !this.#taken) return;
    this.#waiting = 0;
    this.#taken = false;
    this.#program.hashes();
    const bytes = this.#bytes;
    for (let lane = 0; lane < waiting; lane++) {
      const out = this.#out[lane] as Uint8Array;
      const at = this.#at[lane] as number;
      const from = PLACES.digits + DIGITS * lane;
      for (let i = 0; i < DIGITS; i++) out[at + i] = bytes[from + i] as number;
    }
    // A buffer that has gone out is not kept.
    this.#out.length = 0;
  }

  #use(key: LaneKey): void {
    this.settle();
    this.#words.set(key.inner, PLACES.inner / 4);
    this.#words.set(key.outer, PLACES.outer / 4);
    this.#key = key;
  }

  #wipe(lane: number): void {
    for (let i = 0; i < 16; i++) this.#words[WORDS + LANES * i + lane] = 0;
  }
}

/** The whole words of some bytes, as SHA-256 reads them. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array(bytes.length >> 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0; i < words.length; i++) words[i] = view.getInt32(4 * i);
  return words;
}

/** What is hashed with a key in a domain. @param inner and `outer`: the key's blocks */
export function laneKey(lanes: HashLanes, inner: Uint8Array, outer: Uint8Array, head: Uint8Array): LaneKey {
  let begun = 0;
  for (const byte of head.subarray(head.length & ~3)) begun = (begun << 8) | byte;
  return {
    inner: lanes.stateAfter(inner),
    outer: lanes.stateAfter(outer),
    ...{ head: wordsOf(head), begun, headBytes: head.length },
  };
}

let lanes: HashLanes | null | undefined;

/** Those of this thread; null on a processor that has no such vectors. */
export function hashLanes(): HashLanes | null {
  if (lanes === undefined) {
    const program = hashProgram();
    lanes = WebAssembly.validate(program) ? new HashLanes(new WebAssembly.Module(program)) : null;
  }
  return lanes;
}

/** The hashes of this thread that wait, for those who put them somewhere. */
export const waitingHashes = {
  goesTo: (out: Uint8Array, at: number): void => lanes?.goesTo(out, at),
  moved: (from: Uint8Array, start: number, to: Uint8Array): void => lanes?.moved(from, start, to),
  settle: (): void => lanes?.settle(),
};
