/** Checks of what people type, shared by everything that makes state from it. */
import { PosternError } from '../core/errors.ts';
import { rfc3339 } from '../core/time.ts';
import { isId } from '../store/queries.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{1,62}$/;

/**
 * Characters that move a cursor, hide text or turn its direction: controls, formats (zero-width, bidirectional),
 * line and paragraph separators, lone surrogates. They have no place in a record that people read in a terminal.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/**
 * The name of a principal or resource.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function checkName(name: string, what: string): string {
  if (!NAME.test(name) || isId(name)) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${JSON.stringify(name.slice(0, 80))} cannot be the name of a ${what}.`,
      'Use 2 to 63 characters: lower-case letters, digits, dot, underscore and hyphen, beginning with a letter or digit.',
    );
  }
  return name;
}

/**
 * One line of text: trimmed, not empty, without hidden characters.
 *
 * @param max characters
 * @throws PosternError POSTERN_INVALID
 */
export function checkText(text: string, what: string, max: number): string {
  const trimmed = text.trim().normalize('NFC');
  if (trimmed === '') throw new PosternError('POSTERN_INVALID', `The ${what} is missing.`);
  if (trimmed.length > max) {
    throw new PosternError('POSTERN_INVALID', `The ${what} is longer than ${max} characters.`);
  }
  if (HIDDEN.test(trimmed)) {
    throw new PosternError('POSTERN_INVALID', `The ${what} holds control or invisible characters.`);
  }
  return trimmed;
}

/** As `checkText`, where it may be left out. */
export function checkOptionalText(text: string | undefined, what: string, max: number): string | null {
  return text === undefined ? null : checkText(text, what, max);
}

export const REASON_MAX = 1000;

/** Every ending needs its reason: it is what the examiner reads. */
export const checkReason = (reason: string): string => checkText(reason, 'reason', REASON_MAX);

/**
 * An instant given by a person, in the one form in which instants are kept (RFC 3339 UTC, microseconds).
 *
 * @throws PosternError POSTERN_INVALID
 */
export function checkTime(text: string, what: string): string {
  const ms = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms) || ms < 0 || ms > 253_402_300_799_000) {
    throw new PosternError('POSTERN_INVALID', `The ${what} is not an RFC 3339 time with a time zone.`);
  }
  return rfc3339(ms * 1000);
}

/** Milliseconds since the epoch as a stored time. */
export const atMillis = (ms: number): string => rfc3339(Math.floor(ms) * 1000);

/**
 * A lifetime in whole seconds, at least one.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function checkTtl(seconds: number, max: number, what: string): number {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > max) {
    throw new PosternError('POSTERN_INVALID', `The lifetime of a ${what} is 1 to ${max} seconds.`);
  }
  return seconds;
}
