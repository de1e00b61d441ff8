import type { SavedQueries } from '../access/saved-queries.ts';
import type { ActivityFilter } from '../activity/filter.ts';
import { PosternError } from '../core/errors.ts';
import type { Ref } from '../core/record.ts';
import { readPeriod } from '../evidence/assess/period.ts';

/** What a question to the activity may say, beside a filter. */
export interface AskedActivity extends ActivityFilter {
  /** `2026-Q3` and the like, or `last-quarter`, `this-month`. */
  readonly period?: string | undefined;
  /** IANA name of the zone whose calendar the period is of. */
  readonly zone?: string | undefined;
  /** Name of a query that was kept; what is said besides goes before it. */
  readonly saved?: string | undefined;
}

/**
 * The filter that a question comes to.
 *
 * @param now milliseconds since the epoch
 * @throws PosternError POSTERN_NOT_FOUND for an unknown query; POSTERN_INVALID for a period that is none, or beside times
 */
export async function filterOf(
  asked: AskedActivity,
  person: Ref,
  queries: SavedQueries,
  now: number = Date.now(),
): Promise<ActivityFilter> {
  const { saved, ...said } = asked;
  const kept = saved === undefined ? {} : ((await queries.get(person, saved)).filter as AskedActivity);
  // A time that is said now takes the place of a period that was kept, and the other way round.
  const { period: _, zone: __, since: ___, until: ____, ...rest } = kept;
  const timed = [said.period, said.since, said.until].some((each) => each !== undefined);
  const { period, zone, ...filter } = { ...(timed ? rest : kept), ...said };
  if (period === undefined) return filter;
  if (filter.since !== undefined || filter.until !== undefined) {
    throw new PosternError('POSTERN_INVALID', 'A period says since when and until when itself.');
  }
  const { since, until } = readPeriod(named(period, zone ?? 'UTC', now), zone);
  return { ...filter, since, until };
}

const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

/** `last-quarter` by its name, on the calendar of the zone; what is a name already stays. */
function named(period: string, zone: string, now: number): string {
  const match = /^(this|last)-(month|quarter|year)$/.exec(period);
  if (match === null) return period;
  const months = MONTHS[match[2] as keyof typeof MONTHS];
  // `readPeriod` says what is wrong with a zone that is none.
  const [year, month] = yearAndMonth(zone, now) ?? [1970, 1];
  const index = Math.floor((year * 12 + month - 1) / months) - (match[1] === 'last' ? 1 : 0);
  const first = index * months;
  const of = Math.floor(first / 12);
  if (months === 12) return String(of);
  return months === 3
    ? `${of}-Q${(first % 12) / 3 + 1}`
    : `${of}-${String((first % 12) + 1).padStart(2, '0')}`;
}

function yearAndMonth(zone: string, now: number): readonly [number, number] | null {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, year: 'numeric', month: 'numeric' });
    const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, Number(value)]));
    return [parts.get('year') ?? 1970, parts.get('month') ?? 1];
  } catch {
    return null;
  }
}
