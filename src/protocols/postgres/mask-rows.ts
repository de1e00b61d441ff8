/** Rows of a result with masked values in them: the message is taken apart and put together again, in the format in which it came. */
import type { CellMask } from './mask-cells.ts';
import { cstringEnd, WireError } from './wire.ts';

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

/** Where rewritten messages are put one behind the other, so that they go out in one piece. */
export class Slab {
  buffer: Buffer = Buffer.alloc(0);
  /** What the last message written takes up. */
  start = 0;
  end = 0;

  /** Makes room for a message of `bytes` behind the last one. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.end < bytes) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(SLAB, bytes));
      this.end = 0;
    }
    this.start = this.end;
    this.end += bytes;
  }
}

/** Rewrites the rows of one result. */
export class RowMasker {
  readonly cells: readonly (CellMask | null)[];
  readonly #slab: Slab;
  /** Beginning and end of each value that is replaced, its length included, and what comes there. */
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #by: (Buffer | null)[] = [];

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
    if (end - start < 7 || buffer.readUInt16BE(start + 5) !== this.cells.length) throw malformed();
    this.#from.length = 0;
    this.#to.length = 0;
    this.#by.length = 0;
    let grown = 0;
    let at = start + 7;
    for (const cell of this.cells) {
      if (at + 4 > end) throw malformed();
      const length = buffer.readInt32BE(at);
      const next = at + 4 + Math.max(0, length);
      if (length < -1 || next > end) throw malformed();
      if (cell !== null && length !== -1) {
        const masked = cell.apply(buffer.subarray(at + 4, next));
        if (masked !== undefined) {
          this.#from.push(at);
          this.#to.push(next);
          this.#by.push(masked);
          grown += (masked?.length ?? 0) - length;
        }
      }
      at = next;
    }
    if (at !== end) throw malformed();
    if (this.#by.length === 0) return false;
    this.#write(buffer, start, end, end - start + grown);
    return true;
  }

  #write(buffer: Buffer, start: number, end: number, size: number): void {
    const slab = this.#slab;
    slab.reserve(size);
    const out = slab.buffer;
    let to = slab.start;
    let from = start;
    for (let i = 0; i < this.#by.length; i++) {
      to += buffer.copy(out, to, from, this.#from[i]);
      const value = this.#by[i] ?? null;
      to = out.writeInt32BE(value === null ? -1 : value.length, to);
      if (value !== null) to += value.copy(out, to);
      from = this.#to[i] as number;
    }
    buffer.copy(out, to, from, end);
    out.writeUInt32BE(size - 1, slab.start + 1);
  }
}

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
