/**
 * Finds its way through an entry by its text, where it has the form in which Postern writes most of them; says of any other
 * that it has not. Nothing is taken out of the text: what a caller wants of it, it finds at the places that were found.
 */

const BEGIN = '{"v":1,"leaf":';
const SEQUENCE = ',"principalSeq":';
const PAYLOADS = ',"payloads":{';
const STATEMENT = '"statement":{"commitment":"';
const PARAMETERS = ',"parameters":{"commitment":"';
const BYTES = '","bytes":';
const ID = ',"id":"';
const TIME = '","time":"';
const INTENT = ',"intent":"';
const STATUS = '","status":"';
const CODE = '","code":"';
const ROWS = '","rows":';
const MORE_BYTES = ',"bytes":';
const DURATION = ',"durationUs":';

const COMMITMENT_LENGTH = 64;
export const ID_LENGTH = 36;
export const TIME_LENGTH = 27;
/** So many digits are a safe integer. */
const MOST_DIGITS = 15;
const LONGEST_STATUS = 16;
const LONGEST_CODE = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const BRACE = 0x7d;

/** Whether a piece stands at a place. Equality is found word by word, `startsWith` goes character by character. */
export function isAt(text: string, at: number, piece: string): boolean {
  return text.slice(at, at + piece.length) === piece;
}

/** Where the digits of a number end that is written as JSON writes it; -1 where there is none. */
function endOfNumber(text: string, from: number): number {
  let at = from;
  for (; at - from <= MOST_DIGITS; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    // Beyond the end of the text it is no number.
    if (!(digit >= 0 && digit <= 9)) break;
  }
  const digits = at - from;
  if (digits === 0 || digits > MOST_DIGITS) return -1;
  return digits > 1 && text.charCodeAt(from) === ZERO ? -1 : at;
}

function numberAt(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + text.charCodeAt(at) - ZERO;
  return value;
}

/** Where a payload's commitment is in an entry. */
export class PayloadPlace {
  /** Where its name begins, in quotes; 0 where there is no such payload. */
  from = 0;
  commitment = 0;
  /** Of the brace behind it. */
  to = 0;
  bytes = 0;
}

/** The beginning of an entry: all members up to its time. */
export class EntryHead {
  static readonly leafFrom: number = BEGIN.length;
  leaf = 0;
  leafTo = 0;
  principalSeq = 0;
  readonly statement = new PayloadPlace();
  readonly parameters = new PayloadPlace();
  /** Where the name of the member `id` begins, in quotes. */
  idMember = 0;
  id = 0;
  time = 0;
  /** Where the next member begins. */
  to = 0;

  /** Whether a text begins in that form. Ids, times and commitments are found by their lengths: what they are has to be looked at. */
  read(text: string): boolean {
    if (!isAt(text, 0, BEGIN)) return false;
    let at = endOfNumber(text, BEGIN.length);
    if (at < 0 || !isAt(text, at, SEQUENCE)) return false;
    this.leafTo = at;
    this.leaf = numberAt(text, BEGIN.length, at);
    const sequence = at + SEQUENCE.length;
    at = endOfNumber(text, sequence);
    if (at < 0) return false;
    this.principalSeq = numberAt(text, sequence, at);
    this.statement.from = 0;
    this.parameters.from = 0;
    if (isAt(text, at, PAYLOADS)) {
      at = this.#readPayload(text, at + PAYLOADS.length, STATEMENT, this.statement);
      if (at > 0 && text.charCodeAt(at) === COMMA) {
        at = this.#readPayload(text, at, PARAMETERS, this.parameters);
        this.parameters.from += 1;
      }
      if (at < 0 || text.charCodeAt(at) !== BRACE) return false;
      at += 1;
    }
    if (!isAt(text, at, ID)) return false;
    this.idMember = at + 1;
    this.id = at + ID.length;
    this.time = this.id + ID_LENGTH + TIME.length;
    const end = this.time + TIME_LENGTH;
    if (!isAt(text, this.id + ID_LENGTH, TIME)) return false;
    this.to = end + 2;
    return text.charCodeAt(end) === QUOTE && text.charCodeAt(end + 1) === COMMA;
  }

  /** Answers where it ends, or -1. */
  #readPayload(text: string, from: number, name: string, place: PayloadPlace): number {
    if (!isAt(text, from, name)) return -1;
    place.from = from;
    place.commitment = from + name.length;
    const bytes = place.commitment + COMMITMENT_LENGTH;
    if (!isAt(text, bytes, BYTES)) return -1;
    place.to = endOfNumber(text, bytes + BYTES.length);
    if (place.to < 0 || text.charCodeAt(place.to) !== BRACE) return -1;
    place.bytes = numberAt(text, bytes + BYTES.length, place.to);
    return place.to + 1;
  }
}

export function idAt(text: string, at: number): string {
  return text.slice(at, at + ID_LENGTH);
}

export function timeAt(text: string, at: number): string {
  return text.slice(at, at + TIME_LENGTH);
}

export function commitmentAt(text: string, at: number): string {
  return text.slice(at, at + COMMITMENT_LENGTH);
}

/** The end of an outcome: its intent and what came of it. */
export class OutcomeEnd {
  intent = 0;
  /** Where the members behind the intent begin, with their comma. */
  result = 0;
  status = 0;
  statusTo = 0;
  code = 0;
  codeTo = 0;
  rowsFrom = 0;
  rowsTo = 0;
  bytesFrom = 0;
  bytesTo = 0;
  durationFrom = 0;
  durationTo = 0;
  rows = 0;

  /** Whether a text ends in that form from a place on. The id is found by its length. */
  read(text: string, from: number): boolean {
    if (!isAt(text, from, INTENT)) return false;
    this.intent = from + INTENT.length;
    const id = this.intent + ID_LENGTH;
    if (!isAt(text, id, STATUS)) return false;
    this.result = id + 1;
    this.status = id + STATUS.length;
    this.statusTo = endOf(text, this.status, LONGEST_STATUS, isLower);
    if (this.statusTo === this.status || !isAt(text, this.statusTo, CODE)) return false;
    this.code = this.statusTo + CODE.length;
    this.codeTo = endOf(text, this.code, LONGEST_CODE, isWordy);
    if (!isAt(text, this.codeTo, ROWS)) return false;
    this.rowsFrom = this.codeTo + ROWS.length;
    this.rowsTo = endOfNumber(text, this.rowsFrom);
    if (this.rowsTo < 0 || !isAt(text, this.rowsTo, MORE_BYTES)) return false;
    this.rows = numberAt(text, this.rowsFrom, this.rowsTo);
    this.bytesFrom = this.rowsTo + MORE_BYTES.length;
    this.bytesTo = endOfNumber(text, this.bytesFrom);
    if (this.bytesTo < 0 || !isAt(text, this.bytesTo, DURATION)) return false;
    this.durationFrom = this.bytesTo + DURATION.length;
    this.durationTo = endOfNumber(text, this.durationFrom);
    return (
      this.durationTo >= 0 &&
      this.durationTo === text.length - 1 &&
      text.charCodeAt(this.durationTo) === BRACE
    );
  }
}

function endOf(text: string, from: number, most: number, is: (code: number) => boolean): number {
  let at = from;
  while (at - from < most && is(text.charCodeAt(at))) at += 1;
  return at;
}

function isLower(code: number): boolean {
  return code >= 0x61 && code <= 0x7a;
}

/** Letters, digits and spaces. */
function isWordy(code: number): boolean {
  return isLower(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x20;
}
