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
