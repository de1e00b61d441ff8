/** Where the tokens of JSON end. @see https://www.rfc-editor.org/rfc/rfc8259#section-7 */
import { Unmaskable } from './mask-values.ts';

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPED: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)));

export const invalid = (): Unmaskable =>
  new Unmaskable('the answer is no valid JSON, so it cannot be masked');

export const isBlank = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const WORD: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(/[0-9a-z+.E-]/.test(String.fromCharCode(byte))),
);

/** What numbers, `true`, `false` and `null` are made of. */
export const isWord = (byte: number): boolean => WORD[byte] === 1;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export const isValidWord = (word: string): boolean =>
  NUMBER.test(word) || word === 'true' || word === 'false' || word === 'null';

const isHex = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);

/** Finds the end of a string behind its first quote, however it comes in pieces. */
export class StringEnd {
  /** 1 behind a backslash, 2 to 5 before the digits of `\u`. */
  #escape = 0;
  ended = false;

  begin(): void {
    this.#escape = 0;
    this.ended = false;
  }

  /** Up to where the string goes in this piece, its last quote included. @throws Unmaskable */
  find(chunk: Buffer, start: number): number {
    let at = start;
    while (at < chunk.length) {
      const byte = chunk[at++] as number;
      if (this.#escape === 0) {
        if (byte === QUOTE) {
          this.ended = true;
          return at;
        }
        if (byte === BACKSLASH) this.#escape = 1;
        else if (byte < 0x20) throw invalid();
      } else if (this.#escape === 1) {
        if (byte === 0x75) this.#escape = 2;
        else if (ESCAPED.has(byte)) this.#escape = 0;
        else throw invalid();
      } else {
        if (!isHex(byte)) throw invalid();
        this.#escape = this.#escape === 5 ? 0 : this.#escape + 1;
      }
    }
    return at;
  }
}
