import { readPeriod } from '../assess/period.ts';
import type { Period } from '../assess/types.ts';

export type Every = 'month' | 'quarter' | 'year';

const MONTHS: Readonly<Record<Every, number>> = { month: 1, quarter: 3, year: 12 };
/** No more periods are made up for at once. */
const MOST = 40;

/**
 * The whole periods of which a package is due, the oldest first: from the one in which the schedule was made.
 *
 * @param from RFC 3339: when the schedule was made, or, with `after`, any time in the last period that is done
 * @param at `HH:MM` after the end of a period
 * @param now milliseconds
 */
export function duePeriods(
  { every, zone, at }: { readonly every: Every; readonly zone: string; readonly at: string },
  from: string,
  now: number,
): Period[] {
  const [hours = 0, minutes = 0] = at.split(':').map(Number);
  const wait = (hours * 60 + minutes) * 60_000;
  const due: Period[] = [];
  let { year, month } = monthOf(from, zone, every);
  while (due.length < MOST) {
    const period = readPeriod(nameOf(year, month, every), zone);
    if (Date.parse(period.until) + wait > now) break;
    due.push(period);
    month += MONTHS[every];
    if (month > 12) {
      year += 1;
      month = 1;
    }
  }
  return due;
}

/** The first month of the period in which a time is, by the calendar of a zone. */
function monthOf(
  time: string,
  zone: string,
  every: Every,
): { readonly year: number; readonly month: number } {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    calendar: 'iso8601',
  });
  const parts = new Map(
    format.formatToParts(Date.parse(time)).map(({ type, value }) => [type, Number(value)]),
  );
  const [year, month] = [parts.get('year') ?? 1970, parts.get('month') ?? 1];
  return { year, month: month - ((month - 1) % MONTHS[every]) };
}

function nameOf(year: number, month: number, every: Every): string {
  if (every === 'year') return String(year);
  return every === 'quarter' ? `${year}-Q${(month + 2) / 3}` : `${year}-${String(month).padStart(2, '0')}`;
}
