/**
 * One pass over the bytes of a text that tells which detectors could find anything in it. Most values hold nothing, so that
 * they are neither made a string nor searched. What it says is never too little: a bit may be set in vain, none is missing.
 */
import type { DetectorName } from '../core/masks.ts';
import { isIbanCountry } from './detect-iban.ts';

/** What was seen, as bits. `digits7` means: seven digits in a row, with at most three blanks, dots, dashes and the like between. */
const SEEN = {
  at: 1,
  country: 2,
  token: 4,
  dashes: 8,
  nino: 16,
  digits7: 32,
  digits9: 64,
  digits11: 128,
  digits12: 256,
  backslash: 512,
} as const;

/** Everything may be in it. */
export const ANYTHING = 1023;
/** A character may be written as an escape, so that the text itself says little. */
export const ESCAPES = SEEN.backslash;

/** What must have been seen for a detector to find anything. */
const NEEDS: Readonly<Record<DetectorName, number>> = {
  email: SEEN.at,
  phone: SEEN.digits7,
  card: SEEN.digits12,
  iban: SEEN.country,
  ssn: SEEN.digits9,
  itin: SEEN.digits9,
  nino: SEEN.nino,
  steuer_id: SEEN.digits11,
  aws_key: SEEN.token,
  github_token: SEEN.token,
  api_key: SEEN.token,
  jwt: SEEN.token,
  private_key: SEEN.dashes,
  high_entropy: SEEN.token,
};

/** Whether a detector can find anything in what was looked at. */
export const mayFind = (seen: number, detector: DetectorName): boolean => (seen & NEEDS[detector]) !== 0;

/** What tells of nothing but an address. */
export const ONLY_AT = SEEN.at;

/** The bits of which one must be set for any of the detectors to find anything. */
export const needsOf = (detectors: readonly DetectorName[]): number =>
  detectors.reduce((needs, detector) => needs | NEEDS[detector], 0);

/** A character of keys and tokens. */
const TOKEN = 1;
/** May stand between the digits of one number; of a character of several bytes the first counts. */
const GAP = 2;
const DIGIT = 4;
/** Says something by itself. */
const SIGN = 8;
/** Belongs to the character before it. */
const REST = 16;
const LETTER = 32 | TOKEN;

const CLASSES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return byte < 0xc0 ? REST : GAP;
  const char = String.fromCharCode(byte);
  if (/[A-Za-z]/.test(char)) return LETTER;
  if (/[0-9]/.test(char)) return DIGIT | TOKEN;
  return (
    (/[+/_=.-]/.test(char) ? TOKEN : 0) |
    (/[ ./()-]/.test(char) ? GAP : 0) |
    (/[-@:\\]/.test(char) ? SIGN : 0)
  );
});

/** So many characters of keys and tokens in a row may be one. */
const TOKEN_LEAST = 14;
const GAP_MOST = 3;
/** An account number has two letters, two digits and at least eleven characters more. */
const IBAN_REST = 13;
const AT = 0x40;
const BLANK = 0x20;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const DASH = 0x2d;
const SLASH = 0x2f;

/**
 * Of each byte, whether something that is needed may begin with it, so that everything before the first such byte can be passed
 * over; null where that is so of nearly all. What begins with letters is known by the digits behind them.
 *
 * @param needs what {@link needsOf} gives
 */
export function beginnings(needs: number): Uint8Array | null {
  if ((needs & SEEN.token) !== 0) return null;
  const digits = needs & ~(SEEN.at | SEEN.dashes | SEEN.backslash);
  return CLASSES.map((kind, byte) =>
    Number(
      (digits !== 0 && (kind & DIGIT) !== 0) ||
        ((needs & SEEN.at) !== 0 && byte === AT) ||
        ((needs & SEEN.dashes) !== 0 && byte === DASH) ||
        ((needs & SEEN.backslash) !== 0 && byte === BACKSLASH),
    ),
  );
}

/**
 * What there is in the UTF-8 text `buffer[start, end)`, as bits.
 *
 * @param from where to begin: before it is nothing that {@link beginnings} tells of, and nothing else is asked for
 */
export function look(buffer: Uint8Array, start: number, end: number, from = start): number {
  let seen = 0;
  let most = 0;
  let digits = 0;
  let first = 0;
  let gap = GAP_MOST + 1;
  let run = 0;
  for (let at = from; at < end; at++) {
    const kind = CLASSES[buffer[at] as number] as number;
    if (kind === LETTER) {
      run += 1;
      gap = GAP_MOST + 1;
      continue;
    }
    if ((kind & TOKEN) !== 0) run += 1;
    else if (kind !== REST) {
      if (run >= TOKEN_LEAST) seen |= SEEN.token;
      run = 0;
    }
    if ((kind & DIGIT) !== 0) {
      if (gap > 0 && end - at >= IBAN_REST && isCountryBefore(buffer, start, at)) seen |= SEEN.country;
      if (gap > GAP_MOST) {
        digits = 0;
        first = at;
      }
      digits += 1;
      if (digits === 6 && isPrefixBefore(buffer, start, first)) seen |= SEEN.nino;
      if (digits > most) most = digits;
      gap = 0;
    } else if ((kind & GAP) !== 0) gap += 1;
    else if (kind !== REST) gap = GAP_MOST + 1;
    if ((kind & SIGN) !== 0) seen |= sign(buffer, at, end);
  }
  if (run >= TOKEN_LEAST) seen |= SEEN.token;
  return most < 7 ? seen : seen | digitBits(most);
}

/** The same of a text. */
export function lookAt(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return look(bytes, 0, bytes.length);
}

function digitBits(most: number): number {
  let bits: number = SEEN.digits7;
  if (most >= 9) bits |= SEEN.digits9;
  if (most >= 11) bits |= SEEN.digits11;
  return most >= 12 ? bits | SEEN.digits12 : bits;
}

function sign(buffer: Uint8Array, at: number, end: number): number {
  switch (buffer[at]) {
    case AT:
      return SEEN.at;
    case BACKSLASH:
      return SEEN.backslash;
    case COLON:
      return at + 2 < end && buffer[at + 1] === SLASH && buffer[at + 2] === SLASH ? SEEN.token : 0;
    default:
      return at + 1 < end && buffer[at + 1] === DASH ? SEEN.dashes : 0;
  }
}

/** Whether two letters stand before the digit at `at`, perhaps with a blank or a dash between, and neither letter nor digit before them. */
function isPrefixBefore(buffer: Uint8Array, start: number, at: number): boolean {
  let last = at - 1;
  if (last >= start && (buffer[last] === BLANK || buffer[last] === DASH)) last -= 1;
  if (last <= start || classAt(buffer, last) !== LETTER || classAt(buffer, last - 1) !== LETTER) return false;
  return last - 1 === start || (classAt(buffer, last - 2) & (LETTER | DIGIT) & ~TOKEN) === 0;
}

const classAt = (buffer: Uint8Array, at: number): number => CLASSES[buffer[at] as number] as number;

/** Whether the letters before the digit at `at`, perhaps with one sign between, are a country that has account numbers. */
function isCountryBefore(buffer: Uint8Array, start: number, at: number): boolean {
  let last = at - 1;
  if (last >= start && (classAt(buffer, last) & GAP) !== 0) last -= 1;
  return last > start && isIbanCountry(buffer[last - 1] as number, buffer[last] as number);
}
