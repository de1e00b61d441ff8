/**
 * Writes WebAssembly, as much of it as a program of straight arithmetic on vectors needs.
 *
 * @see https://webassembly.github.io/spec/core/binary/instructions.html
 */

/** Types of values. */
export const I32 = 0x7f;
export const V128 = 0x7b;

/** Operators that take what they need from the stack. */
const VECTOR = 0xfd;
const OPERATORS = {
  swizzle: 14,
  and: 78,
  xor: 81,
  shiftBytesRight: 109,
  shiftLeft: 171,
  shiftRight: 173,
  add: 174,
} as const;

/** The body of one function, instruction by instruction. Vectors are four words of 32 bits, unless it says bytes. */
export class WasmCode {
  readonly #bytes: number[] = [];

  /** The function as the code section holds it. @param locals how many of which type, behind the parameters */
  body(locals: readonly (readonly [count: number, type: number])[]): readonly number[] {
    const declared = locals.flatMap(([count, type]) => [...unsigned(count), type]);
    return sized([...unsigned(locals.length), ...declared, ...this.#bytes, 0x0b]);
  }

  get(local: number): this {
    return this.#put(0x20, local);
  }

  set(local: number): this {
    return this.#put(0x21, local);
  }

  tee(local: number): this {
    return this.#put(0x22, local);
  }

  i32(value: number): this {
    return this.#put(0x41, ...signed(value));
  }

  call(index: number): this {
    return this.#put(0x10, ...unsigned(index));
  }

  /** Runs `body` for each value of a local from 0 up to `end`, which is not one, in steps. */
  loop(local: number, end: number, step: number, body: () => void): this {
    this.i32(0).set(local).#put(0x03, 0x40);
    body();
    return this.get(local).i32(step).#put(0x6a).tee(local).i32(end).#put(0x47, 0x0d, 0, 0x0b);
  }

  add(): this {
    return this.#vector(OPERATORS.add);
  }

  xor(): this {
    return this.#vector(OPERATORS.xor);
  }

  and(): this {
    return this.#vector(OPERATORS.and);
  }

  /** The bytes of the first vector that the second one numbers. */
  swizzle(): this {
    return this.#vector(OPERATORS.swizzle);
  }

  shiftLeft(bits: number): this {
    return this.i32(bits).#vector(OPERATORS.shiftLeft);
  }

  shiftRight(bits: number): this {
    return this.i32(bits).#vector(OPERATORS.shiftRight);
  }

  shiftBytesRight(bits: number): this {
    return this.i32(bits).#vector(OPERATORS.shiftBytesRight);
  }

  /** Sixteen bytes of two vectors, by their numbers in both together. */
  shuffle(bytes: readonly number[]): this {
    return this.#vector(13, ...bytes);
  }

  constant(bytes: readonly number[]): this {
    return this.#vector(12, ...bytes);
  }

  /** The same word four times. */
  words(word: number): this {
    return this.constant(
      [0, 8, 16, 24].map((bits) => (word >>> bits) & 0xff).flatMap((_byte, _i, all) => all),
    );
  }

  /** The vector at an address, which is on the stack, and so many bytes. */
  load(offset: number): this {
    return this.#vector(0, 4, ...unsigned(offset));
  }

  /** The word there, four times. */
  loadWords(offset: number): this {
    return this.#vector(9, 2, ...unsigned(offset));
  }

  /** Stores the vector on the stack at the address below it and so many bytes. */
  store(offset: number): this {
    return this.#vector(11, 4, ...unsigned(offset));
  }

  #vector(operator: number, ...operands: readonly number[]): this {
    return this.#put(VECTOR, ...unsigned(operator), ...operands);
  }

  #put(...bytes: readonly number[]): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }
}

/** A function of a module: how many numbers it takes (it gives none), and its body. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly body: readonly number[];
}

/** A module with one page of memory, of the name `memory`, and functions by their names. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.flatMap(({ parameters }) => [0x60, ...sized(Array(parameters).fill(I32)), 0]);
  const exported = functions.flatMap(({ name }, i) => [...named(name), 0, ...unsigned(i)]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [...unsigned(functions.length), ...types]),
    ...section(3, [...unsigned(functions.length), ...functions.flatMap((_, i) => unsigned(i))]),
    ...section(5, [1, 1, 1, 1]),
    ...section(7, [...unsigned(functions.length + 1), ...named('memory'), 2, 0, ...exported]),
    ...section(10, [...unsigned(functions.length), ...functions.flatMap(({ body }) => body)]),
  ]);
}

const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];
const named = (name: string): number[] => sized([...Buffer.from(name)]);
const sized = (content: readonly number[]): number[] => [...unsigned(content.length), ...content];

/** LEB128. @see https://webassembly.github.io/spec/core/binary/values.html#integers */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const last = value >= -0x40 && value < 0x40;
  return last ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
