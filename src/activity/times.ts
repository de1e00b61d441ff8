import { PosternError } from '../core/errors.ts';

const FORM = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;

/** Microseconds of whole seconds, by the 20 characters up to the point: times come in runs, and several runs at once. */
const seconds = new Map<string, number>();
const SECONDS = 1024;
const Z = 0x5a;
const POINT = 0x2e;

/**
 * Microseconds since the Unix epoch of a record's time, which is RFC 3339 UTC with six decimals. Other lengths and
 * offsets of RFC 3339 are understood too; finer decimals are cut off.
 *
 * @throws PosternError POSTERN_INVALID where the text is no RFC 3339 time
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function microsOf(time: string): number {
  const prefix = time.slice(0, 20);
  if (time.length === 27 && time.charCodeAt(26) === Z) {
    const known = seconds.get(prefix);
    const fraction = known === undefined ? -1 : sixDigits(time, 20);
    if (known !== undefined && fraction >= 0) return known + fraction;
  }
  const match = FORM.exec(time);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}${match[4]?.toUpperCase()}`);
  if (match === null || Number.isNaN(ms)) {
    throw new PosternError(
      'POSTERN_INVALID',
      'Not a time.',
      'Give it in RFC 3339 form, such as 2026-11-21T19:30:00Z.',
    );
  }
  const micros = ms * 1000;
  if (match[4] === 'Z' && time.charCodeAt(19) === POINT) {
    if (seconds.size >= SECONDS) seconds.clear();
    seconds.set(prefix, micros);
  }
  return micros + Number((match[3] ?? '').padEnd(6, '0').slice(0, 6));
}

function sixDigits(text: string, from: number): number {
  let value = 0;
  for (let i = from; i < from + 6; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
