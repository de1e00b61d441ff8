import type { Check } from './findings.ts';
import type { ByteSource } from './package-files.ts';
import { TextCursor } from './readers.ts';

export type Row = Readonly<Record<string, unknown>>;

/** What must come next in a file. */
export interface Expected {
  /** Where the row stands in the order of the file; later rows have larger keys, but for the last few. */
  readonly key: number;
  readonly leaf: number;
  readonly record: string;
}

/**
 * Walks through the rows of an NDJSON file beside the rows that must be in it, and says of each difference whether a
 * row is missing, does not belong there, or is another.
 */
export class RowMatcher {
  readonly #lines: TextCursor;
  readonly #file: string;
  readonly #check: Check;
  readonly #keyOf: (row: Row) => number;
  #held: { readonly row: Row; readonly text: string } | null = null;
  #number = 0;

  /** @param file path inside the package, for the findings */
  constructor(source: ByteSource, file: string, check: Check, keyOf: (row: Row) => number) {
    this.#lines = new TextCursor(source);
    this.#file = file;
    this.#check = check;
    this.#keyOf = keyOf;
  }

  /**
   * Takes the next row where it begins as it must, and answers the rest of its text; null where it does not: `match` then
   * finds out why. It saves parsing what is equal.
   */
  begins(beginning: readonly string[]): string | null {
    if (this.#held !== null || !this.#lines.takes(beginning)) return null;
    this.#number += 1;
    this.#check.looked();
    return this.#lines.line() ?? '';
  }

  /** The text of the file from the next row on; null where something was read ahead of it. */
  get cursor(): TextCursor | null {
    return this.#held === null ? this.#lines : null;
  }

  /** The next row, of so many characters with its line end, was found to be what it must be. */
  took(length: number): void {
    this.#lines.skip(length);
    this.#number += 1;
    this.#check.looked();
  }

  /** The row of the file that stands for the expected one, or null where it is missing (which is then reported). */
  match(expected: Expected): { readonly row: Row; readonly text: string } | null {
    this.#check.looked();
    for (;;) {
      const held = this.#next();
      if (held === null || (held.row.id !== expected.record && this.#keyOf(held.row) > expected.key)) {
        this.#problem('A row is missing here that the log has.', expected);
        return null;
      }
      this.#held = null;
      if (held.row.id === expected.record) return held;
      this.#notHere(held.row);
    }
  }

  /** Says of each field that is not as expected what it is and what it should be. */
  compare(given: Row, wanted: Row, where: Expected): void {
    for (const field of new Set([...Object.keys(wanted), ...Object.keys(given)])) {
      const is = JSON.stringify(given[field]);
      const should = JSON.stringify(wanted[field]);
      if (is === should) continue;
      this.#problem(
        `\`${short(field)}\` is ${short(is ?? 'not there')}; by the log it is ${short(should ?? 'not there')}.`,
        where,
      );
    }
  }

  /** Reports what is left over, and closes the file. */
  end(): void {
    for (let held = this.#next(); held !== null; held = this.#next()) {
      this.#held = null;
      this.#notHere(held.row);
    }
    if (this.#lines.cut) this.#check.problem(this.#file, 'The last line is cut off.');
    this.#lines.end();
    if (!this.#lines.valid) this.#check.problem(this.#file, 'The file is not UTF-8 throughout.');
  }

  #next(): { readonly row: Row; readonly text: string } | null {
    while (this.#held === null) {
      const text = this.#lines.line();
      if (text === null) return null;
      this.#number += 1;
      const row = parseObject(text);
      if (row === null) this.#check.problem(this.#file, `Line ${this.#number} is not a JSON object.`);
      else this.#held = { row, text };
    }
    return this.#held;
  }

  #notHere(row: Row): void {
    const where: { leaf?: number; record?: string } = {};
    if (typeof row.leaf === 'number') where.leaf = row.leaf;
    if (typeof row.id === 'string') where.record = row.id.slice(0, 64);
    this.#check.problem(
      this.#file,
      `Line ${this.#number} does not belong here: by the log there is no such row, or not in this place.`,
      where,
    );
  }

  #problem(message: string, { leaf, record }: Expected): void {
    this.#check.problem(this.#file, message, { leaf, record });
  }
}

export function parseObject(text: string): Row | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : null;
  } catch {
    return null;
  }
}

export function short(text: string): string {
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
