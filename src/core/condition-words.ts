import { DAYS, type Day, type GrantConditions, type Hours } from './conditions.ts';
import { formatDuration } from './duration.ts';

/** What a grant is for only, one phrase for each of its conditions: `results of at most 50 rows`. */
export function describeConditions(conditions: GrantConditions): string[] {
  const { maxRows, fingerprints, hours, sources, statementTimeoutMs, idleTimeoutMs, maxRowBytes } =
    conditions;
  const words: string[] = [];
  if (sources !== undefined) words.push(`from ${sources.join(', ')}`);
  if (hours !== undefined) words.push(hours.map(describeHours).join(', or '));
  if (fingerprints !== undefined) words.push(`statements with the fingerprint ${fingerprints.join(', ')}`);
  if (conditions.noDdl === true) words.push('statements that create, alter and drop nothing');
  if (conditions.requireWhere === true) words.push('UPDATE and DELETE with a WHERE that looks at a column');
  if (maxRows !== undefined) words.push(`results of at most ${grouped(maxRows)} rows`);
  if (maxRowBytes !== undefined) words.push(`rows of at most ${grouped(maxRowBytes)} bytes`);
  if (statementTimeoutMs !== undefined)
    words.push(`statements of at most ${formatDuration(statementTimeoutMs)}`);
  if (idleTimeoutMs !== undefined) words.push(`sessions idle for at most ${formatDuration(idleTimeoutMs)}`);
  return words;
}

function describeHours({ days, from, to, timeZone }: Hours): string {
  return `${describeDays(days)} ${from}-${to} ${timeZone}`;
}

/** Runs of three days and more as `mon-fri`. */
function describeDays(days: readonly Day[]): string {
  const runs: Day[][] = [];
  for (const day of DAYS.filter((each) => days.includes(each))) {
    const run = runs.at(-1);
    if (run !== undefined && DAYS.indexOf(run.at(-1) as Day) + 1 === DAYS.indexOf(day)) run.push(day);
    else runs.push([day]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run.join(','))).join(',');
}

/** With commas between the thousands, the same in every place: evidence is compared byte for byte. */
function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

const HOURS = /^([a-z,-]+) +(\d\d:\d\d)-(\d\d:\d\d) +(\S+)$/i;

/** Hours from `mon-fri,sun 08:00-18:00 Europe/Berlin`, or with `daily`; what is wrong, where it is none. */
export function readHours(text: string): Hours | string {
  const [, days, from, to, timeZone] = HOURS.exec(text.trim()) ?? [];
  if (days === undefined || from === undefined || to === undefined || timeZone === undefined) {
    return `"${text}" is not a span of hours`;
  }
  const found = readDays(days.toLowerCase());
  return typeof found === 'string' ? found : { days: found, from, to, timeZone };
}

function readDays(text: string): Day[] | string {
  if (text === 'daily') return [...DAYS];
  const found = new Set<Day>();
  for (const part of text.split(',')) {
    const [first = '', last = first] = part.split('-');
    const from = DAYS.indexOf(first as Day);
    const to = DAYS.indexOf(last as Day);
    if (from === -1 || to === -1) return `"${part}" is not a day of the week`;
    // fri-mon goes over the end of the week.
    for (const [at, day] of DAYS.entries()) {
      if (from <= to ? from <= at && at <= to : at >= from || at <= to) found.add(day);
    }
  }
  return DAYS.filter((day) => found.has(day));
}
