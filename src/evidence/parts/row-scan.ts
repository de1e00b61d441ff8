import { isAt } from '../entry-scan.ts';

const LEAF = '{"leaf":';
const OUTCOME = ',"outcomeLeaf":';
const ID = ',"id":"';
const TIME = '","time":"';
const STATUS = ',"status":"';
const CODE = '","code":';
const ROWS = ',"rows":';
const BYTES = ',"bytes":';
const DURATION = ',"durationUs":';
const PAYLOADS = ',"payloads":{';
const STATEMENT = '"statement":{"commitment":"';
const PARAMETERS = '"parameters":{"commitment":"';
const SALT = ',"salt":"';
const TEXT = '","text":"';

const ID_LENGTH = 36;
const TIME_LENGTH = 27;
const COMMITMENT_LENGTH = 64;
const SALT_LENGTH = 32;
/** So many digits are a safe integer. */
const MOST_DIGITS = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const BACKSLASH = 0x5c;

/** By character code: whether it stands behind a backslash where JSON is written in one way only. */
const ESCAPED = new Uint8Array(0x80);
for (const sign of '"\\bfnrt') ESCAPED[sign.charCodeAt(0)] = 1;

/** Where a text stands in a row, as JSON, without its quotes. */
export interface TextPlace {
  readonly from: number;
  readonly to: number;
}

/**
 * Finds its way through a row of an answered command with its statement (and bind values) in full, as Postern writes it; says of
 * any other that it is none. What it finds is as `JSON.stringify` writes it.
 */
export class RowScan {
  /** The row, a character for each of its bytes. */
  text = '';
  leaf = '';
  outcomeLeaf = '';
  id = '';
  time = '';
  /** All between time and code: equal in all commands of a kind. */
  kind = '';
  /** With its quotes. */
  code = '';
  rows = '';
  bytes = '';
  durationUs = '';
  #statement: TextPlace = { from: 0, to: 0 };
  #parameters: TextPlace | null = null;

  get statement(): TextPlace {
    return this.#statement;
  }

  /** Null where the row has none. */
  get parameters(): TextPlace | null {
    return this.#parameters;
  }

  /** Whether it is such a row: only then the members are of it. */
  read(line: Buffer): boolean {
    const text = line.toString('latin1');
    this.text = text;
    const leaf = numberEnd(text, LEAF.length);
    if (leaf < 0 || !isAt(text, 0, LEAF) || !isAt(text, leaf, OUTCOME)) return false;
    const outcome = numberEnd(text, leaf + OUTCOME.length);
    if (outcome < 0 || !isAt(text, outcome, ID)) return false;
    const id = outcome + ID.length;
    const time = id + ID_LENGTH + TIME.length;
    const kind = time + TIME_LENGTH;
    if (!isAt(text, id + ID_LENGTH, TIME) || text.charCodeAt(kind) !== QUOTE) return false;
    if (textEnd(text, id) !== id + ID_LENGTH || textEnd(text, time) !== kind) return false;
    // A quote with a comma before it begins a name, wherever it stands: within a text it would have a backslash.
    const status = text.indexOf(STATUS, kind);
    if (status < 0) return false;
    const statusEnd = textEnd(text, status + STATUS.length);
    if (statusEnd < 0 || !isAt(text, statusEnd, CODE)) return false;
    if (!this.#readResult(text, statusEnd + CODE.length)) return false;
    this.leaf = text.slice(LEAF.length, leaf);
    this.outcomeLeaf = text.slice(leaf + OUTCOME.length, outcome);
    this.id = text.slice(id, id + ID_LENGTH);
    this.time = text.slice(time, kind);
    this.kind = text.slice(kind, statusEnd);
    return true;
  }

  #readResult(text: string, code: number): boolean {
    const codeEnd = text.charCodeAt(code) === QUOTE ? textEnd(text, code + 1) + 1 : 0;
    if (codeEnd <= 0 || !isAt(text, codeEnd, ROWS)) return false;
    const rows = codeEnd + ROWS.length;
    const rowsEnd = numberEnd(text, rows);
    if (rowsEnd < 0 || !isAt(text, rowsEnd, BYTES)) return false;
    const bytes = rowsEnd + BYTES.length;
    const bytesEnd = numberEnd(text, bytes);
    if (bytesEnd < 0 || !isAt(text, bytesEnd, DURATION)) return false;
    const duration = bytesEnd + DURATION.length;
    const durationEnd = numberEnd(text, duration);
    if (durationEnd < 0 || !isAt(text, durationEnd, PAYLOADS)) return false;
    if (!this.#readPayloads(text, durationEnd + PAYLOADS.length)) return false;
    this.code = text.slice(code, codeEnd);
    this.rows = text.slice(rows, rowsEnd);
    this.bytes = text.slice(bytes, bytesEnd);
    this.durationUs = text.slice(duration, durationEnd);
    return true;
  }

  #readPayloads(text: string, at: number): boolean {
    const statement = fullText(text, at, STATEMENT);
    if (statement === null) return false;
    this.#statement = statement;
    this.#parameters = null;
    let end = statement.to + 2;
    if (text.charCodeAt(end) === COMMA) {
      this.#parameters = fullText(text, end + 1, PARAMETERS);
      if (this.#parameters === null) return false;
      end = this.#parameters.to + 2;
    }
    return end === text.length - 2 && isAt(text, end, '}}');
  }
}

/** A payload that is shown in full; null where it is none. Behind its text come a quote and a brace. */
function fullText(text: string, at: number, name: string): TextPlace | null {
  const commitment = at + name.length;
  const bytes = commitment + COMMITMENT_LENGTH + '"'.length + BYTES.length;
  if (!isAt(text, at, name) || textEnd(text, commitment) !== commitment + COMMITMENT_LENGTH) return null;
  if (!isAt(text, bytes - BYTES.length, BYTES)) return null;
  const end = numberEnd(text, bytes);
  const salt = end + SALT.length;
  const from = salt + SALT_LENGTH + TEXT.length;
  if (end < 0 || !isAt(text, end, SALT) || textEnd(text, salt) !== salt + SALT_LENGTH) return null;
  if (!isAt(text, salt + SALT_LENGTH, TEXT)) return null;
  const to = textEnd(text, from);
  return to < 0 || !isAt(text, to, '"}') ? null : { from, to };
}

/** Where the digits of a number end that is written as JSON writes it; -1 where there is none. */
function numberEnd(text: string, from: number): number {
  let at = from;
  for (; at - from <= MOST_DIGITS; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
  }
  const digits = at - from;
  if (digits === 0 || digits > MOST_DIGITS) return -1;
  return digits > 1 && text.charCodeAt(from) === ZERO ? -1 : at;
}

/** The quote that ends a text of ASCII, written as JSON writes it without numbered escapes; -1 where it is something else. */
function textEnd(text: string, from: number): number {
  for (let at = from; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (!(code >= 0x20 && code < 0x80)) return -1;
    if (code === BACKSLASH && ESCAPED[text.charCodeAt(++at)] !== 1) return -1;
  }
}
