import type { Span } from './digits.ts';

/** Length of an IBAN by country. @see https://www.swift.com/standards/data-standards/iban-international-bank-account-number */
const LENGTHS: Readonly<Record<number, string>> = {
  15: 'NO',
  16: 'BE',
  18: 'DK FI FO GL NL SD',
  19: 'FK MK SI',
  20: 'AT BA EE KZ LT LU MN XK',
  21: 'CH HR LI LV',
  22: 'BG BH CR DE GB GE IE ME RS VA',
  23: 'AE GI IL IQ OM SO TL',
  24: 'AD CZ ES MD PK RO SA SE SK TN VG',
  25: 'LY PT ST',
  26: 'IS TR',
  27: 'BI DJ FR GR IT MC MR SM',
  28: 'AL AZ BY CY DO GT HU LB NI PL SV',
  29: 'BR EG PS QA UA',
  30: 'JO KW MU YE',
  31: 'MT SC',
  32: 'LC',
  33: 'RU',
};
const LENGTH_OF: ReadonlyMap<string, number> = new Map(
  Object.entries(LENGTHS).flatMap(([length, countries]) =>
    countries.split(' ').map((country) => [country, Number(length)] as const),
  ),
);

/** By the numbers of both letters, a being 0. */
const COUNTRIES = new Uint8Array(26 * 26);
for (const country of LENGTH_OF.keys()) COUNTRIES[numberOf(country.charCodeAt(0), country.charCodeAt(1))] = 1;

function numberOf(first: number, second: number): number {
  return ((first | 0x20) - 0x61) * 26 + (second | 0x20) - 0x61;
}

/** Whether two ASCII characters are the letters of a country that has such numbers, in any case. */
export function isIbanCountry(first: number, second: number): boolean {
  const letter = second | 0x20;
  return letter >= 0x61 && letter <= 0x7a && first >= 0x41 && COUNTRIES[numberOf(first, second)] === 1;
}

const HEAD = /[A-Z]{2}[ .-]?\d{2}/gi;

/** International bank account numbers with right check digits, in one piece or in groups. */
export function* ibans(text: string): Generator<Span> {
  let from = 0;
  for (;;) {
    HEAD.lastIndex = from;
    const head = HEAD.exec(text);
    if (head === null) return;
    const end = ibanEnd(text, head.index);
    if (end > 0) yield { start: head.index, end };
    from = head.index + 1;
  }
}

function ibanEnd(text: string, start: number): number {
  const length = LENGTH_OF.get(text.slice(start, start + 2).toUpperCase());
  if (length === undefined) return 0;
  let compact = '';
  let gap = 0;
  let at = start;
  for (; at < text.length && compact.length < length; at++) {
    const char = text[at] as string;
    if (/[A-Za-z0-9]/.test(char)) {
      compact += char.toUpperCase();
      gap = 0;
    } else if (/[ .\u00a0\u202f-]/.test(char) && gap === 0) gap = 1;
    else return 0;
  }
  return compact.length === length && mod97(compact) === 1 ? at : 0;
}

/** ISO/IEC 7064 MOD 97-10 over the number with its first four characters last and letters as 10 to 35. */
function mod97(iban: string): number {
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}
