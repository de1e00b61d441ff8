/**
 * What looks like a person at a machine's credential. None of it is proof: a client calls itself what it likes, and a script can
 * wait between statements. That nothing was found says nothing.
 */

/** Tools that somebody sits in front of, by what they call themselves. `psql` too: who runs it from a script sets another name. */
const TOOLS =
  /^(?:psql|pgcli|pgadmin|dbeaver|datagrip|intellij|jetbrains|tableplus|heidisql|navicat|postico|beekeeper|dbvisualizer|azure ?data ?studio|sql ?workbench|squirrel|toad|dbgate|adminer|phppgadmin|omnidb|valentina|visual ?studio|vscode|rstudio|jupyter|microsoft ?excel|libreoffice)\b/i;

const CLIENT_MAX = 128;

/**
 * What a client calls itself, without what differs from run to run: digits are `#`. What cannot be printed is `?`.
 *
 * @param client PostgreSQL `application_name`
 */
export function clientName(client: string | null): string {
  if (client === null || client.trim() === '') return '(none)';
  return client.slice(0, CLIENT_MAX).replace(/\p{C}/gu, '?').replace(/\d+/g, '#').trim();
}

export const isHumanTool = (client: string): boolean => TOOLS.test(client);

/** How the statements of a session come. */
export interface Pace {
  statements: number;
  /** Statements with mistakes that people make when they type. */
  errors: number;
  /** Of the last statement, microseconds; 0 before the first. */
  last: number;
  gaps: number;
  /** Gaps in which somebody could have read, thought and typed. */
  typed: number;
  /** Mean of the logarithms of the gaps, and the sum of squared distances from it (Welford). */
  mean: number;
  spread: number;
  /** Fingerprints, as many as matter. */
  readonly texts: string[];
  /** Whether it was said already. */
  said: boolean;
}

export const newPace = (): Pace => ({
  ...{ statements: 0, errors: 0, last: 0, gaps: 0, typed: 0, mean: 0, spread: 0 },
  ...{ texts: [], said: false },
});

const SECOND = 1_000_000;
/** Faster is a program, and after longer nobody knows what went on. */
const TYPED = { least: 1.5 * SECOND, most: 180 * SECOND };
/** So many different statements: a program that polls has one or two. */
const TEXTS = 5;
/** Of the logarithms of the gaps: a timer has next to none. */
const IRREGULAR = 0.4;
const MOSTLY = 0.7;

/** SQLSTATEs and codes of Postern by which a statement is refused that was mistyped, or aimed at what is not there. */
const MISTAKES: ReadonlySet<string> = new Set([
  ...['42601', '42P01', '42703', '42883', '42P02', '22P02', '3F000'],
  ...['POSTERN_STATEMENT_INVALID', 'POSTERN_SCOPE_DENIED'],
]);

export const isMistake = (code: string): boolean => MISTAKES.has(code);

/** Notes a statement. @param time microseconds */
export function takeStatement(pace: Pace, time: number, fingerprint: string | null): void {
  const gap = pace.last === 0 ? 0 : time - pace.last;
  pace.last = time;
  pace.statements += 1;
  if (fingerprint !== null && pace.texts.length < TEXTS && !pace.texts.includes(fingerprint)) {
    pace.texts.push(fingerprint);
  }
  if (gap <= 0) return;
  pace.gaps += 1;
  if (gap >= TYPED.least && gap <= TYPED.most) pace.typed += 1;
  const log = Math.log(gap);
  const off = log - pace.mean;
  pace.mean += off / pace.gaps;
  pace.spread += off * (log - pace.mean);
}

/** Whether the statements come as from somebody who types, reads and errs: irregularly, seconds apart, each another. */
export function looksTyped(
  pace: Pace,
  { statements, errors }: { readonly statements: number; readonly errors: number },
): boolean {
  if (pace.statements < statements || pace.errors < errors || pace.gaps < 2) return false;
  if (pace.texts.length < TEXTS || pace.typed < pace.gaps * MOSTLY) return false;
  return Math.sqrt(pace.spread / (pace.gaps - 1)) >= IRREGULAR;
}
