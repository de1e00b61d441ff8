/**
 * COPY ... TO STDOUT with masked values in it. The data are a stream of rows in one of three formats; each row goes on in a message of its own.
 *
 * @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS
 */
import type { CopyFormat } from './lineage.ts';
import type { CellMask, Replacement } from './mask-cells.ts';
import { BACKSLASH, NEWLINE, unescaped, unquoted, writeEscaped, writeQuoted } from './mask-copy-fields.ts';
import { Growing, RowMasker, type Slab } from './mask-rows.ts';
import { Back, WireError } from './wire.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1');

/** What a byte is in the format. */
const ORDINARY = 0;
const DELIMITER = 1;
const LINE_END = 2;
const ESCAPE = 3;
const QUOTE = 4;

/** Takes the data of one COPY and gives messages for the client. */
export class CopyMasker {
  readonly cells: readonly (CellMask | null)[];
  readonly #format: CopyFormat['format'];
  readonly #limit: number;
  readonly #slab: Slab;
  readonly #binaryRows: RowMasker;
  /** The beginning of a row whose end has not come. */
  readonly #held = new Growing();
  /** How far it has been searched for the end. */
  #searched = 0;
  #quoted = false;
  /** Fields of a binary row that have been walked over so far. */
  #walked = 0;
  #header: boolean;
  readonly #null: Buffer;
  readonly #delimiterByte: number;
  readonly #quoteByte: number;
  readonly #escapeByte: number;
  /** What each byte is. */
  readonly #kinds = new Uint8Array(256);
  /** Where the fields of the row in hand end, how many bytes in each are more than themselves, and how many fields there are. */
  readonly #ends: Int32Array;
  readonly #signs: Int32Array;
  #count = 0;

  /**
   * @param limit largest row, in bytes
   * @param slab where the messages are put
   */
  constructor(format: CopyFormat, cells: readonly (CellMask | null)[], limit: number, slab: Slab) {
    this.cells = cells;
    this.#format = format.format;
    this.#limit = limit;
    this.#slab = slab;
    this.#binaryRows = new RowMasker(cells, slab);
    this.#ends = new Int32Array(cells.length);
    this.#signs = new Int32Array(cells.length);
    this.#header = format.header || format.format === 'binary';
    this.#null = Buffer.from(format.nullText);
    this.#delimiterByte = Buffer.from(format.delimiter)[0] as number;
    this.#quoteByte = format.quote.charCodeAt(0);
    this.#escapeByte = format.format === 'text' ? BACKSLASH : format.escape.charCodeAt(0);
    this.#kinds[NEWLINE] = LINE_END;
    this.#kinds[this.#delimiterByte] = DELIMITER;
    this.#kinds[this.#escapeByte] = ESCAPE;
    if (format.format === 'csv') this.#kinds[this.#quoteByte] = QUOTE;
  }

  /**
   * @param buffer holds the next bytes of the stream: `[start, end)`
   * @param each called for every message, which is then what the slab's `start` and `end` say
   * @throws WireError for data that are not in the format, or a row over the limit
   */
  push(buffer: Buffer, start: number, end: number, each: () => void): void {
    const held = this.#held;
    if (held.length === 0) {
      const at = this.#rows(buffer, start, end, each);
      if (at < end) held.add(buffer, at, end);
    } else {
      held.add(buffer, start, end);
      if (this.#complete()) held.drop(this.#rows(held.buffer, 0, held.length, each));
    }
    if (held.length > this.#limit) {
      throw new WireError(`a row of over ${this.#limit} bytes, which is too large to be masked`);
    }
  }

  /** The data are at their end. @throws WireError where a row is not */
  end(): void {
    if (this.#held.length > 0) throw new WireError('COPY data that end in the middle of a row');
  }

  /** Masks the whole rows of `buffer[start, end)`; gives where the first one begins that is not whole. */
  #rows(buffer: Buffer, start: number, end: number, each: () => void): number {
    let at = start;
    while (at < end) {
      const next = this.#rowEnd(buffer, at, end);
      if (next === -1) break;
      this.#row(buffer, at, next);
      each();
      at = next;
    }
    this.#searched = 0;
    this.#quoted = false;
    this.#walked = 0;
    return at;
  }

  /** The end of the row that begins at `start`, -1 where it has not come; where its fields end is noted on the way. */
  #rowEnd(buffer: Buffer, start: number, end: number): number {
    this.#count = 0;
    if (this.#format === 'binary') return this.#binaryEnd(buffer, start, end);
    return this.#format === 'text' ? this.#textEnd(buffer, start, end) : this.#csvEnd(buffer, start, end);
  }

  #textEnd(buffer: Buffer, start: number, end: number): number {
    const kinds = this.#kinds;
    let signs = 0;
    for (let at = start; at < end; at++) {
      const kind = kinds[buffer[at] as number];
      if (kind === ORDINARY) continue;
      if (kind === ESCAPE) {
        at += 1;
        signs += 1;
        // A line break in a value is written with a backslash and a letter.
        if (buffer[at] === NEWLINE && at < end) throw malformed();
      } else {
        this.#fieldEnds(at, signs);
        signs = 0;
        if (kind === LINE_END) return at + 1;
      }
    }
    return -1;
  }

  #csvEnd(buffer: Buffer, start: number, end: number): number {
    const kinds = this.#kinds;
    let quoted = false;
    let signs = 0;
    for (let at = start; at < end; at++) {
      const kind = kinds[buffer[at] as number];
      if (kind === ORDINARY) continue;
      if (kind === QUOTE) {
        quoted = !quoted;
        signs += 1;
      } else if (quoted) {
        if (kind !== ESCAPE) continue;
        at += 1;
        signs += 1;
      } else if (kind !== ESCAPE) {
        this.#fieldEnds(at, signs);
        signs = 0;
        if (kind === LINE_END) return at + 1;
      }
    }
    return -1;
  }

  #fieldEnds(at: number, signs: number): void {
    if (this.#count < this.#ends.length) {
      this.#ends[this.#count] = at;
      this.#signs[this.#count] = signs;
    }
    this.#count += 1;
  }

  /** @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-BINARY-FORMAT */
  #binaryEnd(buffer: Buffer, start: number, end: number): number {
    if (this.#header) {
      if (end - start < 19) return -1;
      if (!buffer.subarray(start, start + 11).equals(SIGNATURE)) throw malformed();
      if (buffer.readUInt32BE(start + 11) !== 0) throw malformed();
      const next = start + 19 + buffer.readUInt32BE(start + 15);
      return next <= end ? next : -1;
    }
    if (end - start < 2) return -1;
    const fields = buffer.readInt16BE(start);
    let at = start + 2;
    if (fields === -1) return at;
    if (fields !== this.cells.length) throw malformed();
    for (let i = 0; i < fields; i++) {
      if (at + 4 > end) return -1;
      const length = buffer.readInt32BE(at);
      if (length < -1) throw malformed();
      at += 4 + Math.max(0, length);
    }
    return at <= end ? at : -1;
  }

  /** Whether the end of the row that is held has come. Only what is new is searched. */
  #complete(): boolean {
    const { buffer, length } = this.#held;
    if (this.#format === 'binary') return this.#binaryComplete(buffer, length);
    let at = this.#searched;
    if (this.#format === 'text') {
      this.#searched = length;
      const found = buffer.indexOf(NEWLINE, at);
      return found !== -1 && found < length;
    }
    const kinds = this.#kinds;
    for (; at < length; at++) {
      const kind = kinds[buffer[at] as number];
      if (kind === QUOTE) this.#quoted = !this.#quoted;
      else if (kind === ESCAPE && this.#quoted) {
        // What follows belongs to the value: wait for it.
        if (at + 1 === length) break;
        at += 1;
      } else if (kind === LINE_END && !this.#quoted) return true;
    }
    this.#searched = at;
    return false;
  }

  #binaryComplete(buffer: Buffer, length: number): boolean {
    const fields = this.cells.length;
    if (this.#header || length < 2 || buffer.readInt16BE(0) !== fields)
      return this.#binaryEnd(buffer, 0, length) !== -1;
    let at = Math.max(2, this.#searched);
    for (; this.#walked < fields && at + 4 <= length; this.#walked++) {
      const size = buffer.readInt32BE(at);
      if (size < -1) throw malformed();
      at += 4 + Math.max(0, size);
    }
    this.#searched = at;
    return this.#walked === fields && at <= length;
  }

  #row(buffer: Buffer, start: number, end: number): void {
    const slab = this.#slab;
    if (this.#header) this.#header = false;
    else if (this.#format !== 'binary') {
      this.#fields(buffer, start, end);
      return;
    }
    // Two bytes are the end of the data.
    else if (end - start > 2 && this.#binaryRows.body(Back.copyData, buffer, start, end)) return;
    slab.begin(Back.copyData, end - start);
    slab.copy(buffer, start, end);
    slab.finish();
  }

  #fields(buffer: Buffer, start: number, end: number): void {
    const { cells } = this;
    const ends = this.#ends;
    if (this.#count !== cells.length) throw malformed();
    const slab = this.#slab;
    slab.begin(Back.copyData, end - start + ROOM);
    let from = start;
    let at = start;
    for (let i = 0; i < cells.length; i++) {
      const field = at;
      const fieldEnd = ends[i] as number;
      at = fieldEnd + 1;
      const cell = cells[i] as CellMask | null;
      if (cell === null || isSame(buffer, field, fieldEnd, this.#null)) continue;
      const masked = this.#mask(cell, buffer, field, fieldEnd, this.#signs[i] as number);
      if (masked === undefined) continue;
      slab.copy(buffer, from, field);
      if (masked === null) slab.value(this.#null);
      else if (this.#format === 'text') writeEscaped(slab, masked, this.#delimiterByte);
      else writeQuoted(slab, masked, this.#quoteByte, this.#escapeByte);
      from = fieldEnd;
    }
    slab.copy(buffer, from, end);
    slab.finish();
  }

  #mask(cell: CellMask, buffer: Buffer, start: number, end: number, signs: number): Replacement {
    if (signs === 0) return cell.apply(buffer, start, end);
    if (this.#format === 'text') {
      const plain = unescaped(buffer, start, end);
      return cell.apply(plain, 0, plain.length);
    }
    const quote = this.#quoteByte;
    // All of it in quotes, and none within.
    if (signs === 2 && buffer[start] === quote && buffer[end - 1] === quote)
      return cell.apply(buffer, start + 1, end - 1);
    const plain = unquoted(buffer, start, end, quote, this.#escapeByte);
    return cell.apply(plain, 0, plain.length);
  }
}

/** So many bytes more than it was a row may usually have. */
const ROOM = 64;

function isSame(buffer: Buffer, start: number, end: number, other: Buffer): boolean {
  if (end - start !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (buffer[start + i] !== other[i]) return false;
  return true;
}

function malformed(): WireError {
  return new WireError('COPY data that are not in the format asked for');
}
