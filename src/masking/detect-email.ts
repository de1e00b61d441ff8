/** E-mail addresses: what stands around an at sign. @see https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1 */
import type { Span } from './digits.ts';

/** Characters of a set, of which those of ASCII are known beforehand. */
class Characters {
  readonly #set: RegExp;
  /** 1 for each that belongs to it. */
  readonly ascii: Uint8Array;

  constructor(set: RegExp) {
    this.#set = set;
    this.ascii = Uint8Array.from({ length: 128 }, (_, code) => Number(set.test(String.fromCharCode(code))));
  }

  has(text: string, at: number): boolean {
    const code = text.charCodeAt(at);
    return code < 128 ? this.ascii[code] === 1 : this.#set.test(text[at] as string);
  }
}

/** Braces and bars may stand in one too; there they are rather an array's, a record's or a table's. */
const LOCAL = new Characters(/[\p{L}\p{N}.!#$%&'*+/=?^_`~-]/u);
const LETTERS = new Characters(/\p{L}/u);
const DOMAIN = new Characters(/[\p{L}\p{N}.-]/u);

export function emails(text: string): readonly Span[] {
  const found: Span[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    if (text[at - 1] === '"') start = Math.max(text.lastIndexOf('"', at - 2), at - 66, 0);
    else while (start > 0 && LOCAL.has(text, start - 1)) start -= 1;
    let end = at + 1;
    // Up to two dots in a row, of which neither belongs to it.
    while (end < text.length && DOMAIN.has(text, end) && !(text[end] === '.' && text[end + 1] === '.'))
      end += 1;
    while (text[end - 1] === '.' || text[end - 1] === '-') end -= 1;
    if (start < at && isDomain(text, at + 1, end)) found.push({ start, end });
  }
  return found;
}

/** Of two labels or more, the first not empty, the last with a letter in it. Two dots in a row and a dot at the end are not in what is asked for. */
function isDomain(text: string, start: number, end: number): boolean {
  let letters = false;
  for (let at = end - 1; at > start; at--) {
    if (text[at] === '.') return letters && text[start] !== '.';
    letters ||= LETTERS.has(text, at);
  }
  return false;
}

const AT = 0x40;
const DOT = 0x2e;
const DASH = 0x2d;
const QUOTE = 0x22;

/**
 * The same in the bytes `[start, end)` of a text. Puts the beginning and the end of each into `found`, one behind the other.
 *
 * @returns false where it takes more than bytes: for characters beyond ASCII, quotes, and addresses that overlap
 */
export function emailsInBytes(bytes: Uint8Array, start: number, end: number, found: number[]): boolean {
  found.length = 0;
  let before = start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x80) return false;
    if (byte !== AT) continue;
    if (at > start && bytes[at - 1] === QUOTE) return false;
    let from = at;
    while (from > start && isIn(LOCAL, bytes, from - 1)) from -= 1;
    let to = at + 1;
    while (to < end && isIn(DOMAIN, bytes, to)) {
      if (bytes[to] === DOT && to + 1 < end && bytes[to + 1] === DOT) break;
      to += 1;
    }
    while (bytes[to - 1] === DOT || bytes[to - 1] === DASH) to -= 1;
    if (from === at || !isDomainInBytes(bytes, at + 1, to)) continue;
    if (from < before) return false;
    found.push(from, to);
    before = to;
  }
  return true;
}

/** Of a byte beyond ASCII it is not known; the text is not gone through further than there. */
const isIn = ({ ascii }: Characters, bytes: Uint8Array, at: number): boolean =>
  ascii[bytes[at] as number] === 1;

function isDomainInBytes(bytes: Uint8Array, start: number, end: number): boolean {
  let letters = false;
  for (let at = end - 1; at > start; at--) {
    if (bytes[at] === DOT) return letters && bytes[start] !== DOT;
    letters ||= isIn(LETTERS, bytes, at);
  }
  return false;
}
