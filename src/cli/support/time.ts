import { durationSeconds, formatDuration } from '../../core/duration.ts';
import { usageError } from './failure.ts';

const TEN_YEARS = 315_360_000;

/**
 * Seconds in a duration such as `90s`, `15m`, `2h`, `7d`, `1h30m`.
 *
 * @throws CliError (usage) when it is none, is zero or is longer than ten years
 */
export function parseDuration(text: string): number {
  const seconds = durationSeconds(text);
  if (seconds === null) {
    throw usageError(
      `"${text}" is not a duration`,
      'Write a number with s, m, h, d or w: 90s, 15m, 2h, 1h30m, 7d.',
    );
  }
  if (seconds === 0 || seconds > TEN_YEARS) {
    throw usageError(
      `the duration "${text}" is out of range`,
      'It must be longer than nothing and at most ten years.',
    );
  }
  return seconds;
}

/** Microseconds as a person reads them: `850 µs`, `12.3 ms`, `4 s`. */
export function formatMicros(micros: number): string {
  if (micros < 1000) return `${micros} µs`;
  if (micros < 1_000_000) return `${(micros / 1000).toFixed(1)} ms`;
  return formatDuration(micros / 1000);
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/**
 * A moment as RFC 3339 UTC, from such a time, a day (its beginning, UTC), or a duration counted back from now
 * (`direction` -1) or on from now (1).
 *
 * @param now milliseconds since the Unix epoch
 * @throws CliError (usage) when it is none of these
 */
export function parseMoment(text: string, direction: -1 | 1, now: number = Date.now()): string {
  const value = text.trim();
  if (/^[\dsmhdw]+$/i.test(value) && /[smhdw]$/i.test(value)) {
    return new Date(now + direction * parseDuration(value) * 1000).toISOString();
  }
  const millis =
    DAY.test(value) || MOMENT.test(value) ? Date.parse(value.replace(' ', 'T').toUpperCase()) : Number.NaN;
  // `Date` takes 31 February for 3 March; a day that does not come back the same does not exist.
  const day = value.slice(0, 10);
  if (Number.isNaN(millis) || new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10) !== day) {
    throw usageError(
      `"${text}" is not a time`,
      'Write 2026-11-21, 2026-11-21T19:30:00Z, 2026-11-21T19:30:00+01:00, or a duration such as 2h.',
    );
  }
  // Keeps microseconds, which `Date` would cut.
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
  return new Date(millis).toISOString().replace(/\.\d+Z$/, fraction ? `.${fraction.padEnd(6, '0')}Z` : 'Z');
}

/** An RFC 3339 time to the second, UTC, as tables show it: `2026-11-21 19:30:05Z`. */
export function formatTime(time: string | null | undefined): string {
  if (!time) return '-';
  const millis = Date.parse(time);
  return Number.isNaN(millis) ? time : `${new Date(millis).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** How far off a time is: `in 2 h`, `5 min ago`. */
export function formatDistance(time: string, now: number = Date.now()): string {
  const distance = Date.parse(time) - now;
  if (Number.isNaN(distance)) return '-';
  return distance >= 0 ? `in ${formatDuration(distance)}` : `${formatDuration(-distance)} ago`;
}
