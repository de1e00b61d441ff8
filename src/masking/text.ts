/** Transforms of text, for columns of text and for what detectors find in text. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Transform } from '../core/masks.ts';
import type { MaskKey } from './key.ts';

/** What stands in the place of a redacted text. */
export const MASKED = '[masked]';
const HIDDEN = '****';
/** Longer texts get no token: one would be as long. */
const TOKEN_MAX = 4096;
/** Hexadecimal digits of a hash: 128 bits, so that equal ones come from equal values. */
const HASH_DIGITS = 32;

/** What digests are made with. */
export interface Keyed {
  readonly key: MaskKey;
  readonly domain: 'column' | 'content';
}

/**
 * The masked form of a text. The same text comes out the same, wherever it stood; blanks at its end do not count.
 *
 * @returns null for NULL, also where the transform cannot hide such a text
 */
export function maskText(transform: Transform, keyed: Keyed, value: string): string | null {
  const text = value.trimEnd();
  switch (transform.kind) {
    case 'null':
      return null;
    case 'redact':
      return MASKED;
    case 'hash':
      return hashText(keyed, text);
    case 'tokenise':
      return tokenOf(keyed, text, ({ char, byte }) => standIn(char, byte));
    case 'generalise':
      return generalText(transform, text);
    case 'partial':
      return HIDDEN + ending(text, transform.keep);
  }
}

const hashText = (keyed: Keyed, text: string): string => hashBytes(keyed, Buffer.from(text, 'utf8'));

/** What `maskText` makes of a text by `hash`, from its bytes `[start, end)` in UTF-8. There must be no blanks at the end. */
export const hashBytes = (
  { key, domain }: Keyed,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): string => key.hex(HASH_DOMAINS[domain], bytes, start, end).slice(0, HASH_DIGITS);

export const HASH_DOMAINS = { column: 'column hash', content: 'content hash' } as const;

/** The last characters of a text, always fewer than half of them. */
export function ending(text: string, keep: number): string {
  const chars = charactersOf(text.slice(-4 * keep - 2));
  const shown = Math.min(keep, Math.max(0, Math.floor((chars.length - 1) / 2)));
  if (shown === 0) return '';
  return typeof chars === 'string' ? chars.slice(-shown) : chars.slice(-shown).join('');
}

/** A text whose characters are single units is as good as an array of them. */
const charactersOf = (text: string): string | readonly string[] =>
  /[\ud800-\udfff]/.test(text) ? [...text] : text;

/**
 * A token: one character for each, from a digest of the whole. Nothing to turn back, but a short value has few tokens: two
 * values may share one, and who can try values finds out which gives which token.
 *
 * @returns null where no character can be replaced, so that the token would be the value
 */
export function tokenOf(
  { key, domain }: Keyed,
  text: string,
  replace: (at: { readonly char: string; readonly byte: number; readonly first: boolean }) => string,
): string | null {
  if (text.length > TOKEN_MAX || !/[\p{L}\p{N}]/u.test(text)) return null;
  const seed = key.digest(`${domain} token`, text).toString('hex');
  for (let round = 0; round < 64; round++) {
    let block: Uint8Array = new Uint8Array();
    let used = 0;
    let drawn = 0;
    let token = '';
    let first = true;
    for (const char of text) {
      if (used === block.length) {
        block = key.digest('token stream', `${seed} ${round} ${drawn++}`);
        used = 0;
      }
      token += replace({ char, byte: block[used++] as number, first });
      first &&= char < '0' || char > '9';
    }
    if (token !== text) return token;
  }
  return null;
}

function standIn(char: string, byte: number): string {
  const code = char.charCodeAt(0);
  if (code < 0x80) {
    if (code >= 48 && code <= 57) return DIGITS[byte % 10] as string;
    if (code >= 65 && code <= 90) return UPPER[byte % 26] as string;
    if (code >= 97 && code <= 122) return LOWER[byte % 26] as string;
    return code >= 0x20 && code < 0x7f ? char : '*';
  }
  if (/\p{N}/u.test(char)) return DIGITS[byte % 10] as string;
  if (/\p{Lu}/u.test(char)) return UPPER[byte % 26] as string;
  return /\p{L}/u.test(char) ? (LOWER[byte % 26] as string) : '*';
}

const DIGITS = '0123456789';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LOWER = UPPER.toLowerCase();

type Generalise = Extract<Transform, { readonly kind: 'generalise' }>;

function generalText(transform: Generalise, text: string): string {
  if (text.length <= 64) {
    const coarse = generalTime(transform, text) ?? generalAddress(text);
    if (coarse !== null) return coarse;
  }
  return `${beginning(text, transform.prefix)}***`;
}

function beginning(text: string, prefix: number): string {
  const chars = charactersOf(text.slice(0, 4 * prefix + 2));
  const shown = Math.min(prefix, Math.max(0, Math.floor((chars.length - 1) / 2)));
  return typeof chars === 'string' ? chars.slice(0, shown) : chars.slice(0, shown).join('');
}

const TIME = /^(\d{4,6})-(\d\d)-\d\d([ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?( ?(?:Z|[+-]\d\d(?::?\d\d){0,2}))?$/;

/** The first instant of the month or year of an ISO date or time; null for other texts. Zones become UTC: they tell the season. */
export function generalTime({ date }: Generalise, text: string): string | null {
  const parts = TIME.exec(text);
  if (parts === null) return null;
  const [, year, month, time, zone] = parts;
  const day = `${year}-${date === 'month' ? month : '01'}-01`;
  if (time === undefined) return zone === undefined ? day : null;
  return `${day} 00:00:00${zone === undefined ? '' : '+00'}`;
}

/** The network of an address: /24 of IPv4, /48 of IPv6; null for other texts. */
export function generalAddress(text: string): string | null {
  const [address, bits] = text.split('/', 2) as [string, string?];
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return null;
  if (isIPv4(address)) {
    const [a, b, c] = address.split('.');
    return `${a}.${b}.${c}.0/${Math.min(24, Number(bits ?? 32))}`;
  }
  if (!isIPv6(address) || address.includes('%')) return null;
  const [head, tail] = address.split('::', 2) as [string, string?];
  const groups = head === '' ? [] : head.split(':');
  // Written out in full there are eight; of a shortened one at least those before the gap are known, the rest are zeros or behind it.
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    const zeros = 8 - groups.length - behind;
    groups.push(...Array.from({ length: zeros }, () => '0'), ...tail.split(':'));
  }
  const [a, b, c] = groups;
  return `${a}:${b}:${c}::/${Math.min(48, Number(bits ?? 128))}`;
}
