import { hash } from 'node:crypto';
import { csvCell } from './csv.ts';
import { isAt } from './entry-scan.ts';

/** A text that a row shows in full and that fits its commitment. */
export interface FullText {
  readonly commitment: string;
  readonly bytes: number;
  /** All of its JSON behind its `bytes`, the brace included. */
  readonly rest: string;
  /** The text as a cell of CSV. */
  readonly cell: string;
}

/** Places for texts that come again; as many as three hexadecimal digits name. */
const HELD = 4096;
/** Longer ones are looked at by others. */
const LONGEST = 4096;
const SALT_BYTES = 16;
const SALT = ',"salt":"';
const TEXT = '","text":"';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const WRONG = 0x100;

/** By character code: the value of a hexadecimal digit in lower case. */
const DIGITS = new Uint16Array(0x80).fill(WRONG);
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value;
/** By character code: what stands behind a backslash, as JSON is written; 0 where nothing is written so. */
const ESCAPES = new Uint8Array(0x80);
for (const [sign, is] of ['""', '\\\\', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  ESCAPES[(sign as string).charCodeAt(0)] = (is as string).charCodeAt(0);
}

/** Reads texts of ASCII that are shown in full, written exactly as `JSON.stringify` writes them. */
export class FullTexts {
  /** By the first digits of the commitment, which no one can choose. */
  readonly #held: (FullText | undefined)[] = new Array(HELD);
  readonly #scratch: Buffer = Buffer.allocUnsafe(SALT_BYTES + LONGEST);

  /**
   * The text whose JSON goes on at a place of a row, behind `bytes`; null where it is not certain that it is what was committed to.
   *
   * @param commitment what may be one
   * @param again whether it may come again
   */
  read(row: string, at: number, commitment: string, bytes: number, again: boolean): FullText | null {
    const place = placeOf(commitment);
    const known = this.#held[place];
    if (known?.commitment === commitment && known.bytes === bytes && isAt(row, at, known.rest)) return known;
    const end = bytes > LONGEST ? -1 : this.#decode(row, at, bytes);
    if (end < 0) return null;
    const all = this.#scratch.subarray(0, SALT_BYTES + bytes);
    if (hash('sha256', all, 'hex') !== commitment) return null;
    const cell = csvCell(this.#scratch.toString('latin1', SALT_BYTES, SALT_BYTES + bytes));
    const text = { commitment, bytes, rest: row.slice(at, end), cell };
    // What is kept has to be a copy: a piece of a text keeps all of it.
    if (again) this.#held[place] = { ...text, commitment: copied(commitment), rest: copied(text.rest) };
    return text;
  }

  /** Puts salt and text where they are hashed. Answers where the JSON ends, or -1. */
  #decode(row: string, from: number, bytes: number): number {
    const salt = from + SALT.length;
    const begin = salt + 2 * SALT_BYTES + TEXT.length;
    if (!isAt(row, from, SALT) || !isAt(row, begin - TEXT.length, TEXT)) return -1;
    for (let i = 0; i < SALT_BYTES; i++) {
      const value = (digitAt(row, salt + 2 * i) << 4) | digitAt(row, salt + 2 * i + 1);
      if (value >= WRONG) return -1;
      this.#scratch[i] = value;
    }
    let at = begin;
    for (let i = SALT_BYTES; i < SALT_BYTES + bytes; i++) {
      let code = row.charCodeAt(at++);
      if (code === BACKSLASH) {
        const sign = row.charCodeAt(at++);
        code = sign < 0x80 ? (ESCAPES[sign] as number) : 0;
        if (code === 0) return -1;
      } else if (!(code >= 0x20 && code < 0x80) || code === QUOTE) return -1;
      this.#scratch[i] = code;
    }
    return isAt(row, at, '"}') ? at + 2 : -1;
  }
}

function placeOf(commitment: string): number {
  return (
    ((digitAt(commitment, 0) << 8) | (digitAt(commitment, 1) << 4) | digitAt(commitment, 2)) & (HELD - 1)
  );
}

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 0x80 ? (DIGITS[code] as number) : WRONG;
}

/** A text of its own, of ASCII. */
export function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
