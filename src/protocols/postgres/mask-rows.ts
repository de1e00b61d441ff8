/** Rows of a result with masked values in them: the message is taken apart and put together again, in the format in which it came. */
import { LATER, waitingHashes } from '../../masking/hash-lanes.ts';
import { DIGITS } from '../../masking/hash-program.ts';
import type { CellMask } from './mask-cells.ts';
import { Back, cstringEnd, WireError } from './wire.ts';

/** A column as RowDescription has it. */
export interface ShapeColumn {
  readonly name: string;
  /** OID of the table that it is a column of, as it is; 0 for an expression. */
  readonly table: number;
  /** Its number there; 0 for the whole row. */
  readonly number: number;
  readonly type: number;
  readonly binary: boolean;
}

export type Shape = readonly ShapeColumn[];

/** @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ROWDESCRIPTION */
export function readShape(buffer: Buffer, start: number, end: number): Shape {
  if (end - start < 7) throw new WireError('a malformed RowDescription');
  const shape: ShapeColumn[] = [];
  let at = start + 7;
  for (let left = buffer.readUInt16BE(start + 5); left > 0; left--) {
    const nameEnd = cstringEnd(buffer, at, end);
    if (nameEnd + 19 > end) throw new WireError('a malformed RowDescription');
    shape.push({
      name: buffer.toString('utf8', at, nameEnd),
      table: buffer.readUInt32BE(nameEnd + 1),
      number: buffer.readInt16BE(nameEnd + 5),
      type: buffer.readUInt32BE(nameEnd + 7),
      binary: buffer.readUInt16BE(nameEnd + 17) === 1,
    });
    at = nameEnd + 19;
  }
  if (at !== end) throw new WireError('a malformed RowDescription');
  return shape;
}

/** Size of the buffers in which rewritten rows gather, in bytes. */
const SLAB = 64 * 1024;

/** Shorter stretches are copied faster byte by byte. */
const BY_BYTE = 48;

/** Where rewritten messages are put one behind the other, so that they go out in one piece. */
export class Slab {
  buffer: Buffer = Buffer.alloc(0);
  /** What the last message written takes up. */
  start = 0;
  end = 0;

  /** Begins a message behind the last one. @param bytes how large it will about be */
  begin(type: number, bytes: number): void {
    if (this.buffer.length - this.end < bytes + 5) {
      this.buffer = Buffer.alloc(Math.max(SLAB, bytes + 5));
      this.end = 0;
    }
    this.start = this.end;
    this.buffer[this.end] = type;
    this.end += 5;
  }

  /** Ends the message: its length is known. */
  finish(): void {
    this.buffer.writeUInt32BE(this.end - this.start - 1, this.start + 1);
  }

  /** A whole message as it is. */
  message(buffer: Buffer, start: number, end: number): void {
    this.begin(buffer[start] as number, end - start);
    this.copy(buffer, start + 5, end);
    this.finish();
  }

  copy(from: Buffer, start: number, end: number): void {
    const bytes = end - start;
    this.#room(bytes);
    const { buffer } = this;
    let to = this.end;
    if (bytes > BY_BYTE) from.copy(buffer, to, start, end);
    else for (let at = start; at < end; at++) buffer[to++] = from[at] as number;
    this.end += bytes;
  }

  /** Bytes of the message so far. */
  get size(): number {
    return this.end - this.start;
  }

  /** Takes back what was written beyond so many bytes of the message. */
  takeBack(size: number): Buffer {
    const taken = Buffer.from(this.buffer.subarray(this.start + size, this.end));
    this.end = this.start + size;
    return taken;
  }

  byte(value: number): void {
    this.#room(1);
    this.buffer[this.end++] = value;
  }

  /** A value with its length in front, -1 for NULL. */
  sized(value: string | Buffer | typeof LATER | null): void {
    this.#room(4);
    this.end += 4;
    const before = this.end - this.start;
    if (value !== null) this.value(value);
    // The message may have moved meanwhile.
    const at = this.start + before;
    this.buffer.writeInt32BE(value === null ? -1 : this.end - at, at - 4);
  }

  value(value: string | Buffer | typeof LATER): void {
    if (value === LATER) {
      this.#room(DIGITS);
      waitingHashes.goesTo(this.buffer, this.end);
      this.end += DIGITS;
      return;
    }
    if (typeof value !== 'string') {
      this.copy(value, 0, value.length);
      return;
    }
    // No unit of a string takes more than three bytes.
    this.#room(value.length * 3);
    if (value.length > BY_BYTE || !this.#ascii(value)) this.end += this.buffer.write(value, this.end, 'utf8');
  }

  /** Writes a text of ASCII; returns whether it is one. */
  #ascii(text: string): boolean {
    const { buffer, end } = this;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      buffer[end + i] = code;
    }
    this.end = end + text.length;
    return true;
  }

  /** Writes what was left for later, in this slab and any other. Before that, what is in it may go nowhere. */
  settle(): void {
    waitingHashes.settle();
  }

  /** Makes room for so many bytes more. The message in hand may move, those before it stay where they were put. */
  #room(bytes: number): void {
    if (this.buffer.length - this.end >= bytes) return;
    const size = this.end - this.start;
    const larger = Buffer.alloc(Math.max(SLAB, 2 * size + bytes));
    this.buffer.copy(larger, 0, this.start, this.end);
    waitingHashes.moved(this.buffer, this.start, larger);
    this.buffer = larger;
    this.start = 0;
    this.end = size;
  }
}

/** Rewrites the rows of one result. */
export class RowMasker {
  readonly cells: readonly (CellMask | null)[];
  readonly #slab: Slab;

  constructor(cells: readonly (CellMask | null)[], slab: Slab) {
    this.cells = cells;
    this.#slab = slab;
  }

  /**
   * Masks one DataRow. Returns whether anything was changed: then the new message is what the slab's `start` and `end` say.
   *
   * @throws WireError when the row is not one of this result
   * @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-DATAROW
   */
  row(buffer: Buffer, start: number, end: number): boolean {
    return this.body(Back.dataRow, buffer, start + 5, end);
  }

  /** The same for a message of any type whose body is a number of values and the values. @param start where the number stands */
  body(type: number, buffer: Buffer, start: number, end: number): boolean {
    const { cells } = this;
    if (end - start < 2 || buffer.readUInt16BE(start) !== cells.length) throw malformed();
    const slab = this.#slab;
    let changed = false;
    let from = start;
    let at = start + 2;
    for (let i = 0; i < cells.length; i++) {
      if (at + 4 > end) throw malformed();
      const length = buffer.readInt32BE(at);
      const value = at + 4;
      at = length > 0 ? value + length : value;
      if (length < -1 || at > end) throw malformed();
      const cell = cells[i] as CellMask | null;
      if (cell === null || length === -1) continue;
      const masked = cell.apply(buffer, value, at);
      if (masked === undefined) continue;
      if (!changed) slab.begin(type, end - start + ROOM);
      changed = true;
      slab.copy(buffer, from, value - 4);
      slab.sized(masked);
      from = at;
    }
    if (at !== end) throw malformed();
    if (changed) {
      slab.copy(buffer, from, end);
      slab.finish();
    }
    return changed;
  }
}

/** So many bytes more than it was a row may usually have. */
const ROOM = 64;

function malformed(): WireError {
  return new WireError('a row that does not fit its description');
}

/** A message that came in fragments and is needed whole. */
export class Gathered {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param limit largest message, in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Adds a fragment; gives the message when it is complete.
   *
   * @throws WireError when it is larger than the limit
   */
  add(buffer: Buffer, start: number, end: number, first: boolean, last: boolean): Buffer | null {
    if (first) {
      this.#parts = [];
      this.#bytes = 0;
      const size = buffer.readUInt32BE(start + 1) + 1;
      if (size > this.#limit) {
        throw new WireError(`a row of ${size} bytes, which is too large to be masked`);
      }
    }
    this.#parts.push(buffer.subarray(start, end));
    this.#bytes += end - start;
    if (!last) return null;
    const whole = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    return whole;
  }
}

/** The beginning of something whose end has not come. It grows by doubling, so that many small additions cost no more than one large one. */
export class Growing {
  buffer: Buffer = EMPTY;
  /** So many bytes of the buffer are in use. */
  length = 0;

  add(from: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(SLAB, 2 * length));
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
    from.copy(this.buffer, this.length, start, end);
    this.length = length;
  }

  /** Drops so many bytes from the beginning. */
  drop(bytes: number): void {
    this.buffer.copyWithin(0, bytes, this.length);
    this.length -= bytes;
    // What a large row needed is not kept for the small ones behind it.
    if (this.length === 0 && this.buffer.length > SLAB) this.buffer = EMPTY;
  }
}

const EMPTY = Buffer.alloc(0);
