import { isUtf8 } from 'node:buffer';

/**
 * Reads records of the shape that the gateway writes without parsing each as JSON: `"id"` and `"time"` first, then members that
 * the records of a session or a statement have in common byte for byte, then, in an outcome, a few members of its own.
 * What is common is parsed once and found again by comparing bytes; the rest is held against a strict grammar. Whatever differs
 * from that in any byte is not scanned but left to `JSON.parse`, so a scanned record is what parsing it would give.
 */

/** Members that many records share. */
export interface CommonPart {
  /** They, parsed; without `id`, `time` and what {@link OutcomePart} has. Not to be changed. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly principalId: string | undefined;
}

/** Where an outcome has its own members, and the numbers among them. */
interface OutcomePart {
  readonly intentAt: number;
  readonly statusAt: number;
  readonly statusEnd: number;
  readonly codeAt: number;
  readonly codeEnd: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationUs: number;
}

/** A record that was scanned. It reads texts from the record's bytes when they are asked for. */
export class ScannedRecord {
  readonly common: CommonPart;
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #outcome: OutcomePart | null;

  constructor(common: CommonPart, bytes: Buffer, at: number, outcome: OutcomePart | null) {
    this.common = common;
    this.#bytes = bytes;
    this.#at = at;
    this.#outcome = outcome;
  }

  get id(): string {
    return this.#text(this.#at + ID_AT, this.#at + ID_AT + ID_BYTES);
  }

  get time(): string {
    return this.#text(this.#at + TIME_AT, this.#at + TIME_AT + TIME_BYTES);
  }

  /** Members that only outcomes have; null where it is none. */
  get outcome(): {
    readonly intent: string;
    readonly status: string;
    readonly code: string;
    readonly rows: number;
    readonly bytes: number;
    readonly durationUs: number;
  } | null {
    const found = this.#outcome;
    if (found === null) return null;
    const { intentAt, statusAt, statusEnd, codeAt, codeEnd, rows, bytes, durationUs } = found;
    const intent = this.#text(intentAt, intentAt + ID_BYTES);
    const status = this.#text(statusAt, statusEnd);
    return { intent, status, code: this.#text(codeAt, codeEnd), rows, bytes, durationUs };
  }

  #text(from: number, to: number): string {
    return this.#bytes.toString('latin1', from, to);
  }
}

const ID_AT = 6;
const ID_BYTES = 36;
const TIME_AT = ID_AT + ID_BYTES + 10;
const TIME_BYTES = 27;

/** How the members begin: `h` for a hexadecimal digit, `9` for a digit, the rest stands for itself. */
const HEAD = '"id":"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh","time":"9999-99-99T99:99:99.999999Z",';
const OUTCOME = Buffer.from('"type":"command.outcome"');
const INTENT = Buffer.from(',"intent":"');
const STATUS = Buffer.from('","status":"');
const CODE = Buffer.from('","code":"');
const ROWS = Buffer.from('","rows":');
const BYTES = Buffer.from(',"bytes":');
const DURATION = Buffer.from(',"durationUs":');
/** What the common part of a record with members of its own must not have: they would be there twice. */
const OWN = ['id', 'time', 'intent', 'status', 'code', 'rows', 'bytes', 'durationUs'];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACE = 0x7d;
const ZERO = 0x30;
/** Digits of a number that is exact. */
const DIGITS = 15;
const CODE_BYTES = 64;

/** Longer common parts are not remembered, and so many are. */
const COMMON_BYTES = 2048;
const COMMON_PARTS = 4096;

/** By character: a bit for each kind of place in {@link HEAD} at which it may stand. */
const ALLOWED = new Uint32Array(256);
/** By place in {@link HEAD}: the bit of its kind. */
const PLACES = new Uint32Array(HEAD.length);
for (const [i, kind] of [...new Set(HEAD)].entries()) {
  const fits = kind === 'h' ? '0123456789abcdef' : kind === '9' ? '0123456789' : kind;
  for (const one of fits) ALLOWED[one.charCodeAt(0)] = (ALLOWED[one.charCodeAt(0)] as number) | (1 << i);
  for (const [place, at] of [...HEAD].entries()) if (at === kind) PLACES[place] = 1 << i;
}

interface Remembered extends CommonPart {
  readonly text: Buffer;
}

/** Scans records; remembers what they have in common. */
export class RecordScanner {
  readonly #known = new Map<number, Remembered>();
  /** Where {@link #number} stopped. */
  #end = 0;

  /**
   * The record whose members begin at `at`, behind the opening brace (or behind other members), and whose closing brace is
   * the last byte; null where it has to be parsed.
   */
  scan(bytes: Buffer, at: number): ScannedRecord | null {
    const from = at + HEAD.length;
    if (bytes.length <= from) return null;
    for (let i = 0; i < HEAD.length; i++) {
      if (((ALLOWED[bytes[at + i] as number] as number) & (PLACES[i] as number)) === 0) return null;
    }
    const own = isAt(bytes, from, OUTCOME) ? bytes.indexOf(INTENT, from) : -1;
    if (own < 0) {
      const common = this.#common(bytes, from, bytes.length, false);
      return common && new ScannedRecord(common, bytes, at, null);
    }
    const outcome = this.#outcome(bytes, own + INTENT.length);
    const common = outcome && this.#common(bytes, from, own, true);
    return common && new ScannedRecord(common, bytes, at, outcome);
  }

  #common(bytes: Buffer, from: number, to: number, own: boolean): CommonPart | null {
    if (to - from > COMMON_BYTES) return null;
    const key = sampled(bytes, from, to);
    const known = this.#known.get(key);
    if (
      known !== undefined &&
      known.text.length === to - from &&
      bytes.compare(known.text, 0, known.text.length, from, to) === 0
    ) {
      return known;
    }
    const text = Buffer.from(bytes.subarray(from, to));
    const members = parse(text, own);
    if (members === null) return null;
    if (this.#known.size >= COMMON_PARTS) this.#known.clear();
    const common = { text, members, principalId: principalOf(members) };
    this.#known.set(key, common);
    return common;
  }

  #outcome(bytes: Buffer, intentAt: number): OutcomePart | null {
    for (let i = 0; i < ID_BYTES; i++) {
      const allowed = ALLOWED[bytes[intentAt + i] as number] as number;
      if ((allowed & (PLACES[ID_AT + i] as number)) === 0) return null;
    }
    if (!isAt(bytes, intentAt + ID_BYTES, STATUS)) return null;
    const statusAt = intentAt + ID_BYTES + STATUS.length;
    const statusEnd = plainEnd(bytes, statusAt);
    if (statusEnd < 0 || !isAt(bytes, statusEnd, CODE)) return null;
    const codeAt = statusEnd + CODE.length;
    const codeEnd = plainEnd(bytes, codeAt);
    if (codeEnd < 0 || !isAt(bytes, codeEnd, ROWS)) return null;
    const rows = this.#number(bytes, codeEnd + ROWS.length);
    if (rows < 0 || !isAt(bytes, this.#end, BYTES)) return null;
    const size = this.#number(bytes, this.#end + BYTES.length);
    if (size < 0 || !isAt(bytes, this.#end, DURATION)) return null;
    const durationUs = this.#number(bytes, this.#end + DURATION.length);
    if (durationUs < 0 || this.#end !== bytes.length - 1 || bytes[this.#end] !== BRACE) return null;
    return { intentAt, statusAt, statusEnd, codeAt, codeEnd, rows, bytes: size, durationUs };
  }

  /** A number without sign and fraction, or -1. */
  #number(bytes: Buffer, from: number): number {
    let at = from;
    let value = 0;
    for (; at < bytes.length; at++) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.#end = at;
    const digits = at - from;
    return digits === 0 || digits > DIGITS || (digits > 1 && bytes[from] === ZERO) ? -1 : value;
  }
}

/** Id of the principal of a parsed record, or of members of it. */
export function principalOf(record: Readonly<Record<string, unknown>>): string | undefined {
  const { principal } = record;
  if (typeof principal !== 'object' || principal === null) return undefined;
  const { id } = principal as { readonly id?: unknown };
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function isAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  if (at + expected.length > bytes.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

/** Where a text without escapes ends that begins at `from`; -1 where it is none, or long. */
function plainEnd(bytes: Buffer, from: number): number {
  for (let at = from; at <= from + CODE_BYTES && at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return -1;
  }
  return -1;
}

/** A number for some of the bytes, from which equal ones are found. */
function sampled(bytes: Buffer, from: number, to: number): number {
  let sum = to - from;
  for (let at = from; at < to; at += 7) sum = (Math.imul(sum, 31) + (bytes[at] as number)) | 0;
  return sum;
}

/** The members, or null where they are not members, or some that must come only once are among them. */
function parse(text: Buffer, own: boolean): Record<string, unknown> | null {
  if (!isUtf8(text)) return null;
  const json = `{${text.toString('utf8')}${own ? '}' : ''}`;
  try {
    const members = JSON.parse(json) as Record<string, unknown>;
    const twice = own ? OWN : OWN.slice(0, 2);
    return twice.some((name) => Object.hasOwn(members, name)) ? null : members;
  } catch {
    // Not for us to say what is wrong with it: whoever parses the whole will.
    return null;
  }
}
