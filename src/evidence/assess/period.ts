import { microsOf } from '../../activity/times.ts';
import { PosternError } from '../../core/errors.ts';
import { rfc3339 } from '../../core/time.ts';
import type { Period } from './types.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;
/** Offsets of zones from UTC are smaller. */
const FARTHEST_MS = 16 * HOUR_MS;

interface Day {
  readonly year: number;
  /** From 1; 13 is the January after. */
  readonly month: number;
  readonly day: number;
}

/**
 * Reads a period: a year (`2026`), half (`2026-H1`), quarter (`2026-Q3`), month (`2026-07`), day (`2026-07-01`), or two days or
 * times with a slash between them, the second not included. Days begin at midnight in the zone.
 *
 * @param zone IANA name
 * @throws PosternError POSTERN_INVALID
 * @see https://www.rfc-editor.org/rfc/rfc3339#appendix-A (period-explicit)
 */
export function readPeriod(name: string, zone = 'UTC'): Period {
  const clock = clockOf(zone);
  const [from, to] = boundsOf(name);
  const since = typeof from === 'string' ? microsOf(from) : midnight(from, clock) * 1000;
  const until = typeof to === 'string' ? microsOf(to) : midnight(to, clock) * 1000;
  if (since >= until) throw invalid(name, 'it ends before it begins');
  return { name, since: rfc3339(since), until: rfc3339(until), zone: clock.resolvedOptions().timeZone };
}

/** The period that two times make. @throws PosternError POSTERN_INVALID */
function boundsOf(name: string): readonly [Day | string, Day | string] {
  const parts = name.split('/');
  if (parts.length === 2) return [momentOf(parts[0] ?? '', name), momentOf(parts[1] ?? '', name)];
  const match = /^(\d{4})(?:-(?:Q([1-4])|H([12])|(\d{2})(?:-(\d{2}))?))?$/.exec(name);
  if (match === null) throw invalid(name);
  const year = Number(match[1]);
  if (match[5] !== undefined) {
    const day = dayOf(name);
    return [day, { ...day, day: day.day + 1 }];
  }
  const [first, months] =
    match[2] !== undefined
      ? [3 * Number(match[2]) - 2, 3]
      : match[3] !== undefined
        ? [6 * Number(match[3]) - 5, 6]
        : match[4] !== undefined
          ? [Number(match[4]), 1]
          : [1, 12];
  if (first < 1 || first > 12) throw invalid(name, 'there is no such month');
  return [
    { year, month: first, day: 1 },
    { year, month: first + months, day: 1 },
  ];
}

function momentOf(text: string, name: string): Day | string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return dayOf(text);
  try {
    microsOf(text);
  } catch {
    throw invalid(name);
  }
  return text;
}

function dayOf(text: string): Day {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number);
  if (new Date(Date.UTC(year, month - 1, day)).toISOString().slice(0, 10) !== text)
    throw invalid(text, 'there is no such day');
  return { year, month, day };
}

function clockOf(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
  } catch {
    throw new PosternError(
      'POSTERN_INVALID',
      `There is no time zone ${JSON.stringify(zone.slice(0, 64))}.`,
      'Name it as the IANA does: Europe/Zurich, America/New_York.',
    );
  }
}

/** The first minute of a day in a zone, in milliseconds: no clock is put on at a part of a minute these days. */
function midnight({ year, month, day }: Day, clock: Intl.DateTimeFormat): number {
  const utc = Date.UTC(year, month - 1, day);
  const wanted = Math.round(utc / DAY_MS);
  let [before, at] = [utc - FARTHEST_MS, utc + FARTHEST_MS];
  while (at - before > MINUTE_MS) {
    const middle = before + Math.floor((at - before) / 2 / MINUTE_MS) * MINUTE_MS;
    if (localDay(middle, clock) < wanted) before = middle;
    else at = middle;
  }
  return at;
}

/** Days since the epoch by the calendar of a zone. */
function localDay(ms: number, clock: Intl.DateTimeFormat): number {
  const parts = new Map(clock.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const [year, month, day] = [parts.get('year') ?? 0, parts.get('month') ?? 1, parts.get('day') ?? 1];
  return Math.round(Date.UTC(year, month - 1, day) / DAY_MS);
}

function invalid(name: string, why?: string): PosternError {
  const what = `${JSON.stringify(name.slice(0, 100))} is no period${why === undefined ? '' : `: ${why}`}.`;
  return new PosternError(
    'POSTERN_INVALID',
    what,
    'Write 2026, 2026-H1, 2026-Q3, 2026-07, 2026-07-01, or 2026-07-01/2026-10-01 (the end is not included).',
  );
}
