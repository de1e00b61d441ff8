/** `numeric` in binary: four digits to a group, from the most significant on. @see numeric_send in PostgreSQL's numeric.c */

const POSITIVE = 0x0000;
const NEGATIVE = 0x4000;
/** More digits than that are not written as text here. */
const MAX_GROUPS = 300;

/** Null for NaN, infinities and what is too long. */
export function decodeNumeric(bytes: Buffer): string | null {
  if (bytes.length < 8) return null;
  const groups = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (sign !== POSITIVE && sign !== NEGATIVE) return null;
  if (groups > MAX_GROUPS || Math.abs(weight) > MAX_GROUPS || scale > MAX_GROUPS * 4) return null;
  if (bytes.length !== 8 + groups * 2) return null;
  const group = (i: number): string =>
    i < 0 || i >= groups ? '0000' : String(bytes.readUInt16BE(8 + i * 2)).padStart(4, '0');
  let whole = '';
  for (let i = 0; i <= weight; i++) whole += group(i);
  let fraction = '';
  for (let i = weight + 1; fraction.length < scale; i++) fraction += group(i);
  const text = `${whole.replace(/^0+(?=\d)/, '') || '0'}${scale === 0 ? '' : `.${fraction.slice(0, scale)}`}`;
  return sign === NEGATIVE ? `-${text}` : text;
}

/** Null for what is no plain number. */
export function encodeNumeric(text: string): Buffer | null {
  const match = /^(-?)(\d{1,1000})(?:\.(\d{1,1000}))?$/.exec(text);
  if (match === null) return null;
  const [, minus, digits = '', fraction = ''] = match;
  const whole = digits.replace(/^0+/, '');
  const padded = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const all = padded + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  const groups = (all.match(/.{4}/g) ?? []).map(Number);
  let weight = padded.length / 4 - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight -= 1;
  }
  while (groups.at(-1) === 0) groups.pop();
  const out = Buffer.alloc(8 + groups.length * 2);
  out.writeUInt16BE(groups.length, 0);
  out.writeInt16BE(groups.length === 0 ? 0 : weight, 2);
  out.writeUInt16BE(minus === '-' && groups.length > 0 ? NEGATIVE : POSITIVE, 4);
  out.writeUInt16BE(fraction.length, 6);
  for (const [i, value] of groups.entries()) out.writeUInt16BE(value, 8 + i * 2);
  return out;
}
