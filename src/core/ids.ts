import { randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const pool = Buffer.alloc(4096);
let used = pool.length;
let lastMs = 0;
let counter = 0;
/** What the ids of one millisecond have in common. */
let prefix = '';
let prefixMs = -1;

/**
 * A new UUIDv7: 48 bits of Unix time in milliseconds, a 12-bit counter that keeps the ids of one process
 * in the order of their making within a millisecond, and 62 random bits.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.7
 */
export function uuidv7(now: number = Date.now()): string {
  let ms = now;
  if (ms <= lastMs) {
    ms = lastMs;
    counter += 1;
    if (counter > 0xfff) {
      ms += 1;
      counter = 0;
    }
  } else {
    counter = 0;
  }
  lastMs = ms;
  if (used + 8 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  if (ms !== prefixMs) {
    prefixMs = ms;
    const high = Math.floor(ms / 0x10000);
    const low = ms & 0xffff;
    prefix =
      `${HEX[(high >>> 24) & 0xff]}${HEX[(high >>> 16) & 0xff]}${HEX[(high >>> 8) & 0xff]}${HEX[high & 0xff]}-` +
      `${HEX[low >>> 8]}${HEX[low & 0xff]}-`;
  }
  const b = (i: number): string => HEX[pool[used + i] as number] as string;
  const id =
    `${prefix}${HEX[0x70 | (counter >>> 8)]}${HEX[counter & 0xff]}-` +
    `${HEX[0x80 | ((pool[used] as number) & 0x3f)]}${b(1)}-${b(2)}${b(3)}${b(4)}${b(5)}${b(6)}${b(7)}`;
  used += 8;
  return id;
}
