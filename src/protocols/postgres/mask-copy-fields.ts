/** How single values stand in COPY data: escaped in the text format, in quotes in CSV. */
import { LATER } from '../../masking/hash-lanes.ts';
import type { Slab } from './mask-rows.ts';

export const NEWLINE = 0x0a;
export const BACKSLASH = 0x5c;

/** Letters that stand for a character behind a backslash. @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS */
const ESCAPES = new Map<number, number>([
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x76, 0x0b],
]);
const LETTERS = new Map([...ESCAPES].map(([letter, character]) => [character, letter]));

/** The value of a field of the text format. */
export function unescaped(buffer: Buffer, start: number, end: number): Buffer {
  const out = Buffer.allocUnsafe(end - start);
  let to = 0;
  for (let at = start; at < end; at++) {
    let byte = buffer[at] as number;
    if (byte === BACKSLASH && at + 1 < end) {
      at += 1;
      byte = buffer[at] as number;
      byte = ESCAPES.get(byte) ?? byte;
    }
    out[to++] = byte;
  }
  return out.subarray(0, to);
}

/** Writes a value as a field of the text format. */
export function writeEscaped(slab: Slab, value: string | Buffer | typeof LATER, delimiter: number): void {
  const before = slab.size;
  slab.value(value);
  if (value === LATER) {
    if (!isDigit(delimiter)) return;
    slab.settle();
  }
  const { buffer, end } = slab;
  let at = slab.start + before;
  while (at < end && !isEscaped(buffer[at] as number, delimiter)) at += 1;
  if (at === end) return;
  for (const byte of slab.takeBack(before)) {
    if (isEscaped(byte, delimiter)) slab.byte(BACKSLASH);
    slab.byte(LETTERS.get(byte) ?? byte);
  }
}

/** Whether it may be in a hash. */
const isDigit = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);

const isEscaped = (byte: number, delimiter: number): boolean =>
  byte === BACKSLASH || byte === delimiter || (byte <= 0x0d && LETTERS.has(byte));

/** The value of a field of CSV. */
export function unquoted(buffer: Buffer, start: number, end: number, quote: number, escaper: number): Buffer {
  const out = Buffer.allocUnsafe(end - start);
  let to = 0;
  let inside = false;
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    const next = at + 1 < end ? buffer[at + 1] : undefined;
    if (inside && byte === escaper && (next === quote || next === escaper)) {
      out[to++] = next;
      at += 1;
    } else if (byte === quote) inside = !inside;
    else out[to++] = byte;
  }
  return out.subarray(0, to);
}

/** Writes a value as a field of CSV: in quotes always, so that it is never taken for NULL or anything else. */
export function writeQuoted(
  slab: Slab,
  value: string | Buffer | typeof LATER,
  quote: number,
  escaper: number,
): void {
  slab.byte(quote);
  const before = slab.size;
  slab.value(value);
  if (value === LATER) {
    if (!isDigit(quote) && !isDigit(escaper)) {
      slab.byte(quote);
      return;
    }
    slab.settle();
  }
  const { buffer, end } = slab;
  let at = slab.start + before;
  while (at < end && buffer[at] !== quote && buffer[at] !== escaper) at += 1;
  if (at < end) {
    for (const byte of slab.takeBack(before)) {
      if (byte === quote || byte === escaper) slab.byte(escaper);
      slab.byte(byte);
    }
  }
  slab.byte(quote);
}
