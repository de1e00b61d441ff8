/** Transforms of numbers in PostgreSQL's text format. */
import { type Keyed, tokenOf } from './text.ts';

/** Largest values of the integer types; of the others there is none that matters. @see https://www.postgresql.org/docs/18/datatype-numeric.html */
const CEILINGS: ReadonlyMap<string, bigint | null> = new Map([
  ['int2', 32_767n],
  ['int4', 2_147_483_647n],
  ['int8', 9_223_372_036_854_775_807n],
  ['oid', 4_294_967_295n],
  ['numeric', null],
  ['float4', null],
  ['float8', null],
]);

export const isNumeric = (type: string): boolean => CEILINGS.has(type);
export const ceilingOf = (type: string): bigint | null => CEILINGS.get(type) ?? null;

/** Longest number that is looked at, in characters. PostgreSQL's `numeric` can have 147,455 digits. */
const NUMBER_MAX = 1000;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

interface Decimal {
  readonly negative: boolean;
  readonly whole: string;
  readonly fraction: string;
}

/** Null for NaN, infinities, exponents and what is too long. Zeros that say nothing are dropped. */
function decimalOf(text: string): Decimal | null {
  const parts = text.length > NUMBER_MAX ? null : DECIMAL.exec(text);
  if (parts === null) return null;
  const [, sign, whole = '', fraction = ''] = parts;
  return {
    negative: sign === '-',
    whole: whole.replace(/^0+(?=\d)/, ''),
    // Without a quantifier before the end: `0+$` would go back over every run of zeros.
    fraction: fraction.slice(0, fraction.length - trailingZeros(fraction)),
  };
}

function trailingZeros(digits: string): number {
  let count = 0;
  while (count < digits.length && digits[digits.length - 1 - count] === '0') count += 1;
  return count;
}

/** 63 bits for `int8`, 38 digits for `numeric`; null for types in which different values would meet. */
export function hashNumber({ key, domain }: Keyed, type: string, text: string): string | null {
  const number = decimalOf(text);
  if (number === null || (type !== 'int8' && type !== 'numeric')) return null;
  const { negative, whole, fraction } = number;
  const digest = key.digest(`${domain} hash`, `${negative ? '-' : ''}${whole}${fraction && `.${fraction}`}`);
  if (type === 'int8') return String(digest.readBigUInt64BE() >> 1n);
  return String(BigInt(`0x${digest.toString('hex')}`) % 10n ** 38n);
}

/** A number with as many digits, within the type. Numbers with a fraction keep the point's place. */
export function tokenNumber(keyed: Keyed, text: string, ceiling: bigint | null): string | null {
  const number = decimalOf(text);
  if (number === null) return null;
  const { negative, whole, fraction } = number;
  const plain = fraction === '' ? whole : `${whole}.${fraction}`;
  // As many digits as the largest value: only a leading 1 is sure to stay below it.
  const tight = ceiling !== null && whole.length >= String(ceiling).length;
  const token = tokenOf(keyed, plain, ({ char, byte, first }) => {
    if (char === '.') return char;
    if (first && tight) return '1';
    return String(first ? 1 + (byte % 9) : byte % 10);
  });
  return token !== null && negative ? `-${token}` : token;
}

/** The last digits of a whole number; null for others. */
export function partialNumber(text: string, keep: number): string | null {
  const number = decimalOf(text);
  if (number === null || number.fraction !== '') return null;
  const shown = Math.min(keep, Math.floor((number.whole.length - 1) / 2));
  return shown === 0 ? '0' : number.whole.slice(-shown).replace(/^0+(?=\d)/, '');
}

/** The largest multiple of `bucket` that is not above the number; null where the type cannot hold it. */
export function generalNumber(type: string, text: string, bucket: number): string | null {
  if (type === 'float4' || type === 'float8') {
    const value = Math.floor(Number(text) / bucket) * bucket;
    return Number.isSafeInteger(value) ? String(value === 0 ? 0 : value) : null;
  }
  const number = decimalOf(text);
  if (number === null) return null;
  const { negative, whole, fraction } = number;
  const size = BigInt(bucket);
  const amount = BigInt(whole);
  const down = negative
    ? -((amount + (fraction === '' ? 0n : 1n) + size - 1n) / size) * size
    : (amount / size) * size;
  const ceiling = ceilingOf(type);
  return ceiling !== null && down < -ceiling - 1n ? null : String(down);
}
