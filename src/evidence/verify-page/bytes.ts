/**
 * The part of Node's `Buffer` that verification uses, for browsers. The build puts it in the place of the global `Buffer`;
 * `bytes.test.ts` holds it against Node's own.
 */

type Encoding = 'utf8' | 'latin1' | 'binary' | 'hex' | 'base64' | 'base64url';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** By character code: the six bits of a character of base64 or base64url, 64 for anything else. */
const SIX_BITS = new Uint8Array(128).fill(64);
for (const [bits, character] of [...ALPHABET].entries()) SIX_BITS[character.charCodeAt(0)] = bits;
SIX_BITS['-'.charCodeAt(0)] = 62;
SIX_BITS['_'.charCodeAt(0)] = 63;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** Characters that are made into a string at once. */
const CHUNK = 8192;

/** The instances. */
export class PageBuffer extends Uint8Array {
  equals(other: Uint8Array): boolean {
    if (this.length !== other.length) return false;
    for (let i = 0; i < this.length; i++) if (this[i] !== other[i]) return false;
    return true;
  }

  readUInt16BE(at: number): number {
    if (at < 0 || at + 2 > this.length) throw new RangeError('Out of the bounds of the buffer.');
    return ((this[at] as number) << 8) | (this[at + 1] as number);
  }

  copy(target: Uint8Array, at = 0): number {
    const part = this.subarray(0, Math.max(0, target.length - at));
    target.set(part, at);
    return part.length;
  }

  /** Only latin1, one byte a character. */
  write(text: string, at: number, length: number, encoding: 'latin1'): number {
    const count = Math.min(text.length, length, this.length - at);
    if (encoding !== 'latin1') throw new TypeError(`Writing ${encoding} is not for the page.`);
    for (let i = 0; i < count; i++) this[at + i] = text.charCodeAt(i);
    return count;
  }

  override toString(encoding: Encoding = 'utf8', from = 0, to: number = this.length): string {
    const part = this.subarray(from, to);
    switch (encoding) {
      case 'utf8':
        return decoder.decode(part);
      case 'latin1':
      case 'binary':
        return latin1(part);
      case 'hex':
        return Array.from(part, (byte) => HEX[byte]).join('');
      case 'base64':
        return btoa(latin1(part));
      case 'base64url':
        return btoa(latin1(part)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    }
  }
}

/** The static side. */
export const Buffer = {
  alloc: (length: number): PageBuffer => new PageBuffer(length),
  allocUnsafe: (length: number): PageBuffer => new PageBuffer(length),
  of: (...bytes: number[]): PageBuffer => new PageBuffer(bytes),

  from(
    source: string | ArrayBuffer | ArrayLike<number>,
    encodingOrOffset?: Encoding | number,
    length?: number,
  ): PageBuffer {
    if (typeof source === 'string') return encode(source, (encodingOrOffset ?? 'utf8') as Encoding);
    if (source instanceof ArrayBuffer)
      return new PageBuffer(source, encodingOrOffset as number | undefined, length);
    return new PageBuffer(source);
  },

  concat(parts: readonly Uint8Array[]): PageBuffer {
    const all = new PageBuffer(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  },

  byteLength: (of: string | Uint8Array): number =>
    typeof of === 'string' ? encoder.encode(of).length : of.length,

  compare(a: Uint8Array, b: Uint8Array): number {
    const common = Math.min(a.length, b.length);
    for (let i = 0; i < common; i++) {
      if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number) ? -1 : 1;
    }
    return Math.sign(a.length - b.length);
  },
} as const;

function latin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode(...bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK)
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return text;
}

function encode(text: string, encoding: Encoding): PageBuffer {
  switch (encoding) {
    case 'utf8':
      return new PageBuffer(encoder.encode(text).buffer);
    case 'latin1':
    case 'binary':
      return new PageBuffer(Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)));
    case 'hex':
      return fromHex(text);
    case 'base64':
    case 'base64url':
      return fromBase64(text);
  }
}

/** As far as it is hex. */
function fromHex(text: string): PageBuffer {
  const digits = /^(?:[0-9a-fA-F]{2})*/.exec(text)?.[0] ?? '';
  const bytes = new PageBuffer(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Up to the first `=`; what is not of the alphabet is passed over, as Node does. */
function fromBase64(text: string): PageBuffer {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length && text[i] !== '='; i++) {
    const six = SIX_BITS[text.charCodeAt(i)] ?? 64;
    if (six === 64) continue;
    bits = ((bits << 6) | six) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push((bits >> held) & 0xff);
  }
  return new PageBuffer(bytes);
}
