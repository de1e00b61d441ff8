/** Under which conditions a grant holds, beside its scope. What is absent is no condition. */
import { isIP } from 'node:net';
import { PosternError } from './errors.ts';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/** From `from` until before `to` on these days, by the clock of `timeZone`. Where `to` is not later, until then on the next day. */
export interface Hours {
  readonly days: readonly Day[];
  /** `HH:MM`. */
  readonly from: string;
  /** `HH:MM`, up to `24:00`. */
  readonly to: string;
  /** An IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

export interface GrantConditions {
  /** A result of more rows is cut off with an error. */
  readonly maxRows?: number;
  /** No UPDATE and no DELETE, at any depth, without a WHERE that looks at a column of what is changed, and no TRUNCATE. */
  readonly requireWhere?: boolean;
  /** Nothing is created, altered or dropped. */
  readonly noDdl?: boolean;
  /** Only these statements, by their fingerprint; those that touch nothing are always free. */
  readonly fingerprints?: readonly string[];
  /** Only within one of these. */
  readonly hours?: readonly Hours[];
  /** Only from these addresses: CIDR blocks. */
  readonly sources?: readonly string[];
  /** A statement that runs longer is cancelled. Milliseconds. */
  readonly statementTimeoutMs?: number;
  /** A session that is idle for longer is ended. Milliseconds. */
  readonly idleTimeoutMs?: number;
  /** A row of a result with more bytes is not passed on. */
  readonly maxRowBytes?: number;
}

const MAX_LIST = 256;
const MAX_HOURS = 16;
const DAY_MS = 86_400_000;
const MAX_ROWS = 1_000_000_000_000;
/** PostgreSQL itself has no larger message. */
const MAX_ROW_BYTES = 2 ** 31;

/**
 * Checks conditions and gives their canonical form: `false` and empty lists are left out, lists are sorted and without repeats.
 *
 * @throws PosternError POSTERN_INVALID, which says what is wrong
 */
export function checkConditions(input: GrantConditions): GrantConditions {
  const { maxRows, requireWhere, noDdl, fingerprints, hours, sources } = input;
  const { statementTimeoutMs, idleTimeoutMs, maxRowBytes } = input;
  return {
    ...(maxRows !== undefined && { maxRows: whole(maxRows, 'maxRows', 0, MAX_ROWS) }),
    ...(requireWhere === true && { requireWhere }),
    ...(noDdl === true && { noDdl }),
    ...(some(fingerprints) && { fingerprints: unique(fingerprints, 'fingerprints', checkFingerprint) }),
    ...(some(hours) && { hours: checkHours(hours) }),
    ...(some(sources) && { sources: unique(sources, 'sources', checkCidr) }),
    ...(statementTimeoutMs !== undefined && {
      statementTimeoutMs: whole(statementTimeoutMs, 'statementTimeoutMs', 1000, DAY_MS),
    }),
    ...(idleTimeoutMs !== undefined && {
      idleTimeoutMs: whole(idleTimeoutMs, 'idleTimeoutMs', 1000, DAY_MS),
    }),
    ...(maxRowBytes !== undefined && { maxRowBytes: whole(maxRowBytes, 'maxRowBytes', 1024, MAX_ROW_BYTES) }),
  };
}

function some<T>(list: readonly T[] | undefined): list is readonly T[] {
  return list !== undefined && list.length > 0;
}

function fail(message: string, hint?: string): never {
  throw new PosternError('POSTERN_INVALID', message, hint);
}

function whole(value: number, name: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  return fail(`The condition ${name} must be a whole number from ${min} to ${max}.`);
}

function unique(list: readonly string[], name: string, check: (text: string) => string): string[] {
  if (list.length > MAX_LIST) fail(`The condition ${name} has more than ${MAX_LIST} entries.`);
  return [...new Set(list.map(check))].sort();
}

function checkFingerprint(text: string): string {
  const fingerprint = text.toLowerCase();
  if (/^[0-9a-f]{16}$/.test(fingerprint)) return fingerprint;
  return fail(
    `${JSON.stringify(text.slice(0, 40))} is not the fingerprint of a statement.`,
    'It has 16 hexadecimal digits. The records of a statement show it: postern activity --json.',
  );
}

/** A block of addresses; a bare address is a block of one. */
function checkCidr(text: string): string {
  const [, address = '', , bits] = /^([0-9A-Fa-f:.]{2,45})(\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  if (family === 0 || length > most) {
    fail(
      `${JSON.stringify(text.slice(0, 60))} is not a block of addresses.`,
      'Write 10.1.0.0/16 or 2001:db8::/32.',
    );
  }
  return `${address.toLowerCase()}/${length}`;
}

function checkHours(list: readonly Hours[]): Hours[] {
  if (list.length > MAX_HOURS) fail(`The condition hours has more than ${MAX_HOURS} entries.`);
  return list.map(({ days, from, to, timeZone }) => {
    const sorted = DAYS.filter((day) => days.includes(day));
    if (sorted.length === 0 || days.some((day) => !DAYS.includes(day))) {
      fail('The days of the condition hours are not days of the week.', `They are ${DAYS.join(', ')}.`);
    }
    if (minutesOf(from) === null || from === '24:00' || minutesOf(to) === null || from === to) {
      fail(`${from}-${to} is not a span of hours.`, 'Write 08:00-18:00, with two digits each.');
    }
    return { days: sorted, from, to, timeZone: checkTimeZone(timeZone) };
  });
}

/** Minutes since midnight of `HH:MM`; null where it is none. */
export function minutesOf(time: string): number | null {
  const [, hours, minutes] = /^(\d\d):(\d\d)$/.exec(time) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  return Number(minutes) < 60 && total <= 1440 ? total : null;
}

function checkTimeZone(name: string): string {
  try {
    // An offset such as +01:00 would be taken too, but no place keeps one all year round by name.
    if (name.length <= 64 && /^[A-Za-z]/.test(name)) {
      return new Intl.DateTimeFormat('en-GB', { timeZone: name }).resolvedOptions().timeZone;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return fail(
    `${JSON.stringify(name.slice(0, 64))} is not a time zone.`,
    'Write an IANA name: Europe/Berlin, UTC.',
  );
}
