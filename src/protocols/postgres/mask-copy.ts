/**
 * COPY ... TO STDOUT with masked values in it. The data are a stream of rows in one of three formats; each row goes on in a message of its own.
 *
 * @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS
 */
import type { CopyFormat } from './lineage.ts';
import type { CellMask } from './mask-cells.ts';
import type { Slab } from './mask-rows.ts';
import { Back, WireError } from './wire.ts';

const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const EMPTY = Buffer.alloc(0);
const SIGNATURE = Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1');

/** Takes the data of one COPY and gives messages for the client. */
export class CopyMasker {
  readonly cells: readonly (CellMask | null)[];
  readonly #format: CopyFormat;
  readonly #limit: number;
  #rest: Buffer = EMPTY;
  /** Where the rest lies when it came in pieces, with room for more behind it. */
  #room: Buffer = EMPTY;
  /** How far the rest has been searched for the end of its row. */
  #searched = 0;
  /** Fields of the binary row that has been begun. */
  #fields = 0;
  #quoted = false;
  #header: boolean;
  readonly #slab: Slab;
  readonly #delimiter: Buffer;
  readonly #null: Buffer;
  /** Pieces of the row in hand. */
  #parts: Buffer[] = [];

  /**
   * @param limit largest row, in bytes
   * @param slab where the messages are put
   */
  constructor(format: CopyFormat, cells: readonly (CellMask | null)[], limit: number, slab: Slab) {
    this.#format = format;
    this.#slab = slab;
    this.#delimiter = Buffer.from(format.delimiter);
    this.#null = Buffer.from(format.nullText);
    this.#null = Buffer.from(format.nullText);
    this.cells = cells;
    this.#limit = limit;
    this.#header = format.header || format.format === 'binary';
  }

  /**
   * @param data the next bytes of the stream
   * @param each called for every message, which is then what the slab's `start` and `end` say
   * @throws WireError for data that are not in the format, or a row over the limit
   */
  push(data: Buffer, each: () => void): void {
    this.#append(data);
    let at = 0;
    for (;;) {
      const end = this.#rowEnd(at);
      if (end === -1) break;
      this.#parts = [];
      this.#row(this.#rest.subarray(at, end));
      this.#send();
      each();
      at = end;
      this.#searched = at;
      this.#quoted = false;
      this.#fields = 0;
    }
    this.#rest = this.#rest.subarray(at);
    this.#searched -= at;
    if (this.#rest.length > this.#limit) {
      throw new WireError(`a row of over ${this.#limit} bytes, which is too large to be masked`);
    }
  }

  /** A row may come in very many pieces, so that what is there is not copied for each. */
  #append(data: Buffer): void {
    const rest = this.#rest;
    if (rest.length === 0) {
      this.#rest = data;
      return;
    }
    const size = rest.length + data.length;
    const room = this.#room;
    let from = rest.buffer === room.buffer ? rest.byteOffset - room.byteOffset : -1;
    if (from === -1 || from + size > room.length) {
      this.#room = Buffer.allocUnsafeSlow(2 * size);
      rest.copy(this.#room);
      from = 0;
    }
    data.copy(this.#room, from + rest.length);
    this.#rest = this.#room.subarray(from, from + size);
  }

  #send(): void {
    let size = 5;
    for (const part of this.#parts) size += part.length;
    const slab = this.#slab;
    slab.reserve(size);
    const out = slab.buffer;
    out[slab.start] = Back.copyData;
    out.writeUInt32BE(size - 1, slab.start + 1);
    let to = slab.start + 5;
    for (const part of this.#parts) to += part.copy(out, to);
  }

  /** The data are at their end. @throws WireError where a row is not */
  end(): void {
    if (this.#rest.length > 0) throw new WireError('COPY data that end in the middle of a row');
  }

  #rowEnd(from: number): number {
    const { format, quote, escape: escaper } = this.#format;
    const rest = this.#rest;
    if (format === 'binary') return this.#binaryEnd(from);
    let at = Math.max(from, this.#searched);
    if (format === 'text') {
      // A line break in a value is written with a backslash and a letter.
      const found = rest.indexOf(NEWLINE, at);
      this.#searched = rest.length;
      return found === -1 ? -1 : found + 1;
    }
    const quoteByte = quote.charCodeAt(0);
    const escapeByte = escaper.charCodeAt(0);
    if (!this.#quoted) {
      // Most rows hold no quotes, and then end at the first line break.
      const end = rest.indexOf(NEWLINE, at);
      if (end !== -1 && !rest.subarray(at, end).includes(quoteByte)) return end + 1;
    }
    for (; at < rest.length; at++) {
      const byte = rest[at];
      if (this.#quoted && byte === escapeByte && escapeByte !== quoteByte) {
        // What follows belongs to the value: wait for it.
        if (at + 1 === rest.length) break;
        at += 1;
      } else if (byte === quoteByte) this.#quoted = !this.#quoted;
      else if (byte === NEWLINE && !this.#quoted) return at + 1;
    }
    this.#searched = at;
    return -1;
  }

  /** @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-BINARY-FORMAT */
  #binaryEnd(from: number): number {
    const rest = this.#rest;
    if (this.#header) {
      if (rest.length < from + 19) return -1;
      if (!rest.subarray(from, from + 11).equals(SIGNATURE)) throw malformed();
      if (rest.readUInt32BE(from + 11) !== 0) throw malformed();
      const extension = rest.readUInt32BE(from + 15);
      return this.#available(from + 19 + extension);
    }
    if (rest.length < from + 2) return -1;
    const fields = rest.readInt16BE(from);
    if (fields === -1) return from + 2;
    if (fields !== this.cells.length) throw malformed();
    let at = Math.max(from + 2, this.#searched);
    for (; this.#fields < fields && at + 4 <= rest.length; this.#fields++) {
      const length = rest.readInt32BE(at);
      if (length < -1) throw malformed();
      at += 4 + Math.max(0, length);
    }
    this.#searched = at;
    return this.#fields < fields ? -1 : this.#available(at);
  }

  #available(end: number): number {
    return end <= this.#rest.length ? end : -1;
  }

  #row(row: Buffer): void {
    const { format } = this.#format;
    if (this.#header) {
      this.#header = false;
      this.#parts.push(row);
    } else if (format === 'binary') this.#binaryRow(row);
    else if (format === 'text') this.#textRow(row);
    else this.#csvRow(row);
  }

  #binaryRow(row: Buffer): void {
    const parts = this.#parts;
    if (row.length === 2) {
      parts.push(row);
      return;
    }
    let from = 0;
    let at = 2;
    for (const cell of this.cells) {
      const length = row.readInt32BE(at);
      const next = at + 4 + Math.max(0, length);
      const masked = cell === null || length === -1 ? undefined : cell.apply(row.subarray(at + 4, next));
      if (masked !== undefined) {
        if (at > from) parts.push(row.subarray(from, at));
        from = next;
        const size = Buffer.allocUnsafe(4);
        size.writeInt32BE(masked === null ? -1 : masked.length);
        parts.push(size);
        if (masked !== null) parts.push(masked);
      }
      at = next;
    }
    if (at > from) parts.push(row.subarray(from, at));
  }

  #textRow(row: Buffer): void {
    const delimiterByte = this.#delimiter[0] as number;
    const ends: number[] = [];
    // One more than there may be is enough to know that it is none.
    const most = this.cells.length;
    // A value is full of other bytes than these two, so they are looked for and not everything looked at.
    const escapes = row.includes(BACKSLASH);
    if (!escapes) plainEnds(row, delimiterByte, ends, most);
    else {
      for (let at = 0; at < row.length && ends.length <= most; at++) {
        const byte = row[at];
        if (byte === BACKSLASH) at += 1;
        else if (byte === delimiterByte || byte === NEWLINE) ends.push(at);
      }
    }
    this.#replace(row, ends, (raw, cell) => {
      if (raw.equals(this.#null)) return undefined;
      const masked = cell.apply(escapes ? unescaped(raw) : raw);
      return masked === null ? this.#null : masked && escaped(masked, delimiterByte);
    });
  }

  #csvRow(row: Buffer): void {
    const { quote, escape: escaper } = this.#format;
    const delimiterByte = this.#delimiter[0] as number;
    const quoteByte = quote.charCodeAt(0);
    const escapeByte = escaper.charCodeAt(0);
    const ends: number[] = [];
    const most = this.cells.length;
    const quotes = row.includes(quoteByte);
    if (!quotes) plainEnds(row, delimiterByte, ends, most);
    let quoted = false;
    for (let at = 0; quotes && at < row.length && ends.length <= most; at++) {
      const byte = row[at];
      if (quoted && byte === escapeByte && escapeByte !== quoteByte) at += 1;
      else if (byte === quoteByte) quoted = !quoted;
      else if (!quoted && (byte === delimiterByte || byte === NEWLINE)) ends.push(at);
    }
    this.#replace(row, ends, (raw, cell) => {
      if (raw.equals(this.#null)) return undefined;
      const masked = cell.apply(quotes ? unquoted(raw, quoteByte, escapeByte) : raw);
      return masked === null ? this.#null : masked && quotedField(masked, quoteByte, escapeByte);
    });
  }

  /** @param ends where each field ends */
  #replace(
    row: Buffer,
    ends: readonly number[],
    mask: (raw: Buffer, cell: CellMask) => Buffer | undefined,
  ): void {
    if (ends.length !== this.cells.length || ends.at(-1) !== row.length - 1) throw malformed();
    let from = 0;
    let start = 0;
    for (const [i, cell] of this.cells.entries()) {
      const end = ends[i] as number;
      const masked = cell === null ? undefined : mask(row.subarray(start, end), cell);
      if (masked !== undefined) {
        if (start > from) this.#parts.push(row.subarray(from, start));
        this.#parts.push(masked);
        from = end;
      }
      start = end + 1;
    }
    this.#parts.push(row.subarray(from));
  }
}

/** Where the fields of a row end in which no delimiter and no line break belongs to a value. */
function plainEnds(row: Buffer, delimiter: number, ends: number[], most: number): void {
  let at = row.indexOf(delimiter);
  for (; at !== -1 && ends.length < most; at = row.indexOf(delimiter, at + 1)) ends.push(at);
  ends.push(row.length - 1);
}

/** Letters that stand for a character behind a backslash. */
const ESCAPES = new Map<number, number>([
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x76, 0x0b],
]);
const LETTERS = new Map([...ESCAPES].map(([letter, character]) => [character, letter]));

function unescaped(raw: Buffer): Buffer {
  const out = Buffer.allocUnsafe(raw.length);
  let to = 0;
  for (let at = 0; at < raw.length; at++) {
    let byte = raw[at] as number;
    if (byte === BACKSLASH && at + 1 < raw.length) {
      at += 1;
      byte = raw[at] as number;
      byte = ESCAPES.get(byte) ?? byte;
    }
    out[to++] = byte;
  }
  return out.subarray(0, to);
}

function escaped(value: Buffer, delimiter: number): Buffer {
  let plain = true;
  for (let at = 0; plain && at < value.length; at++) {
    const byte = value[at] as number;
    plain = byte > 0x0d && byte !== BACKSLASH && byte !== delimiter;
  }
  if (plain) return value;
  const out: number[] = [];
  for (const byte of value) {
    const letter = LETTERS.get(byte);
    if (letter !== undefined) out.push(BACKSLASH, letter);
    else if (byte === BACKSLASH || byte === delimiter) out.push(BACKSLASH, byte);
    else out.push(byte);
  }
  return Buffer.from(out);
}

function unquoted(raw: Buffer, quote: number, escaper: number): Buffer {
  const out = Buffer.allocUnsafe(raw.length);
  let to = 0;
  let inside = false;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] as number;
    const next = raw[at + 1];
    if (inside && byte === escaper && (next === quote || next === escaper)) {
      out[to++] = next;
      at += 1;
    } else if (byte === quote) inside = !inside;
    else out[to++] = byte;
  }
  return out.subarray(0, to);
}

/** In quotes always, so that it is never taken for NULL or anything else. */
function quotedField(value: Buffer, quote: number, escaper: number): Buffer {
  const out: number[] = [quote];
  for (const byte of value) {
    if (byte === quote || byte === escaper) out.push(escaper);
    out.push(byte);
  }
  out.push(quote);
  return Buffer.from(out);
}

function malformed(): WireError {
  return new WireError('COPY data that are not in the format asked for');
}
