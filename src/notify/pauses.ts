/** How long a message waits for its next try. Pure. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Together about a day. */
const PAUSES = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  8 * HOUR,
];
const JITTER = 0.2;
/** What an endpoint may ask for at most. */
const ASKED_MAX = 12 * HOUR;

/** A message is tried so often, and then given up. */
export const TRIES = PAUSES.length + 1;

/** No pause lasts longer. */
export const LONGEST_PAUSE_MS = ASKED_MAX;

/**
 * Milliseconds until the next try; null: there is none.
 *
 * @param attempts how many there were
 * @param askedMs what the endpoint asked for, which only makes it longer; null where it did not
 * @param random from 0 to 1, so that what failed together does not come again together
 */
export function pauseAfter(attempts: number, askedMs: number | null, random: number): number | null {
  const pause = PAUSES[attempts - 1];
  if (pause === undefined) return null;
  const spread = pause * (1 + JITTER * (2 * random - 1));
  return Math.round(Math.min(Math.max(spread, askedMs ?? 0), ASKED_MAX));
}

/**
 * What a `Retry-After` asks for, in milliseconds; null for what is none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfter(header: string | undefined, nowMs: number): number | null {
  if (header === undefined || header.length > 40) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header) * SECOND;
  const at = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
