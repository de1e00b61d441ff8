/** Detectors of numbers that are somebody's: telephones, payment cards, tax and insurance numbers. */
import { boundary, type DigitRun, type Span, spanOf } from './digits.ts';

/** Lengths of card numbers by their first digits. @see ISO/IEC 7812-1 */
const ISSUERS: readonly (readonly [digits: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^3(0[0-5]|[689])/, [14, 15, 16, 17, 18, 19]],
  [/^35(2[89]|[3-8])/, [16, 17, 18, 19]],
  [/^(6011|64[4-9]|65|62)/, [16, 17, 18, 19]],
  [/^(50|5[6-9]|6)/, [12, 13, 14, 15, 16, 17, 18, 19]],
];

/** Card numbers of known issuers with a right check digit: every one that can be read, also where two overlap. */
export function* cards(_text: string, runs: readonly DigitRun[]): Generator<Span> {
  for (const run of runs) {
    for (let from = 0; from + 12 <= run.digits.length; from++) {
      if (!boundary(run, from)) continue;
      const most = Math.min(19, run.digits.length - from);
      for (let length = 12; length <= most; length++) {
        if (boundary(run, from + length) && isCard(run.digits, from, length)) {
          yield spanOf(run, from, from + length);
        }
      }
    }
  }
}

/** Most digits are no card's: the dear look at the issuers comes last. */
function isCard(digits: string, from: number, length: number): boolean {
  if (!luhn(digits, from, from + length)) return false;
  const head = digits.slice(from, from + 4);
  return ISSUERS.some(([prefix, lengths]) => lengths.includes(length) && prefix.test(head));
}

/** The check digit of ISO/IEC 7812-1, Annex B. */
function luhn(digits: string, from: number, to: number): boolean {
  let sum = 0;
  for (let i = to - 1, twice = false; i >= from; i--, twice = !twice) {
    const digit = digits.charCodeAt(i) - 48;
    sum += twice ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

/** Numbers of the shape 123-45-6789, with the same dash or space twice, that pass a test of their three parts. */
function* threeTwoFour(
  text: string,
  runs: readonly DigitRun[],
  fits: (area: number, group: number, serial: number) => boolean,
): Generator<Span> {
  for (const run of runs) {
    const { digits, at } = run;
    for (let from = 0; from + 9 <= digits.length; from++) {
      const start = at[from] as number;
      const first = text[start + 3];
      if (!boundary(run, from) || (first !== '-' && first !== ' ') || text[start + 6] !== first) continue;
      if (at[from + 8] !== start + 10 || !boundary(run, from + 9)) continue;
      const [area, group, serial] = [
        digits.slice(from, from + 3),
        digits.slice(from + 3, from + 5),
        digits.slice(from + 5, from + 9),
      ];
      if (fits(Number(area), Number(group), Number(serial))) yield spanOf(run, from, from + 9);
    }
  }
}

/**
 * US social security numbers.
 *
 * @see https://www.ssa.gov/employer/stateweb.htm
 */
export const ssns = (text: string, runs: readonly DigitRun[]): Generator<Span> =>
  threeTwoFour(
    text,
    runs,
    (area, group, serial) => area > 0 && area !== 666 && area < 900 && group > 0 && serial > 0,
  );

/**
 * US individual taxpayer identification numbers.
 *
 * @see https://www.irs.gov/irm/part3/irm_03-021-263r
 */
export const itins = (text: string, runs: readonly DigitRun[]): Generator<Span> =>
  threeTwoFour(
    text,
    runs,
    (area, group) =>
      area >= 900 &&
      ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group !== 93)),
  );

/** German tax identification numbers: eleven digits with the check digit of ISO/IEC 7064 MOD 11,10. */
export function* steuerIds(_text: string, runs: readonly DigitRun[]): Generator<Span> {
  for (const run of runs) {
    for (let from = 0; from + 11 <= run.digits.length; from++) {
      if (!boundary(run, from) || !boundary(run, from + 11)) continue;
      if (isSteuerId(run.digits.slice(from, from + 11))) yield spanOf(run, from, from + 11);
    }
  }
}

/** Of the first ten digits exactly one comes twice or three times. */
function isSteuerId(digits: string): boolean {
  const counts = Array.from({ length: 10 }, () => 0);
  let product = 10;
  for (let i = 0; i < 10; i++) {
    const digit = digits.charCodeAt(i) - 48;
    counts[digit] = (counts[digit] as number) + 1;
    const sum = (digit + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  const repeated = counts.filter((count) => count > 1);
  const check = (11 - product) % 10;
  return (
    digits[0] !== '0' &&
    repeated.length === 1 &&
    (repeated[0] as number) <= 3 &&
    check === digits.charCodeAt(10) - 48
  );
}

/** UK national insurance numbers. @see https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110 */
const NINO =
  /(?<![A-Z0-9])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D](?![A-Z0-9])/gi;

export function* ninos(text: string): Generator<Span> {
  for (const { 0: found, index } of text.matchAll(NINO)) yield { start: index, end: index + found.length };
}

const DATE = /\d{1,2}[./-]\d{1,2}[./-]\d{4}/y;
const INTERNATIONAL_MAX = 15;

/** Telephone numbers: international (+ or 00), national with a leading zero, and of North America. */
export function* phones(text: string, runs: readonly DigitRun[]): Generator<Span> {
  for (const run of runs) {
    for (let from = 0; from + 7 <= run.digits.length; from++) {
      if (!boundary(run, from)) continue;
      const to = phoneEnd(text, run, from);
      if (to === 0) continue;
      const { start, end } = spanOf(run, from, to);
      yield { start: from === 0 && run.plus ? start - 1 : start, end };
    }
  }
}

function phoneEnd(text: string, run: DigitRun, from: number): number {
  const { digits } = run;
  if (from === 0 && run.plus) return longest(run, from, 7, INTERNATIONAL_MAX);
  if (digits.startsWith('00', from)) return longest(run, from, 10, INTERNATIONAL_MAX + 2);
  if (digits[from] === '0') return isDate(text, run, from) ? 0 : longest(run, from, 9, 13);
  const area = digits[from] === '1' && boundary(run, from + 1) ? from + 1 : from;
  const grouped = [3, 6].every((i) => boundary(run, area + i));
  const real = /^[2-9]\d\d[2-9]/.test(digits.slice(area, area + 4));
  return grouped && real && area + 10 <= digits.length && boundary(run, area + 10) ? area + 10 : 0;
}

/** Days and decimal fractions begin with a zero too. */
function isDate(text: string, { at }: DigitRun, from: number): boolean {
  const start = at[from] as number;
  DATE.lastIndex = start;
  return DATE.test(text) || text[start + 1] === '.';
}

/** The end of the longest row of whole groups with so many digits; 0 where there is none. */
function longest(run: DigitRun, from: number, min: number, max: number): number {
  for (let to = Math.min(from + max, run.digits.length); to >= from + min; to--) {
    if (boundary(run, to)) return to;
  }
  return 0;
}
