/** The conditions of a grant as options of a command. */
import { Option } from 'commander';
import { readHours } from '../../core/condition-words.ts';
import type { GrantConditions, Hours } from '../../core/conditions.ts';
import { usageError } from './failure.ts';
import { parseDuration } from './time.ts';

export interface ConditionOptions {
  readonly maxRows?: number;
  readonly requireWhere?: boolean;
  /** False for `--no-ddl`. */
  readonly ddl?: boolean;
  readonly onlyFingerprint?: readonly string[];
  readonly hours?: readonly Hours[];
  readonly from?: readonly string[];
  readonly statementTimeout?: number;
  readonly idleTimeout?: number;
  readonly maxRowBytes?: number;
}

/** New ones at every call: an option belongs to one command. */
export function conditionOptions(): Option[] {
  return [
    new Option('--max-rows <n>', 'cut results off with an error after so many rows').argParser(wholeNumber),
    new Option('--require-where', 'no UPDATE or DELETE without a WHERE that looks at a column'),
    new Option('--no-ddl', 'nothing is created, altered or dropped'),
    new Option(
      '--only-fingerprint <fingerprint>',
      'only statements with this fingerprint; may be repeated',
    ).argParser(collect<string>((text) => text)),
    new Option(
      '--hours <span>',
      'only then, e.g. "mon-fri 08:00-18:00 Europe/Berlin"; may be repeated',
    ).argParser(collect(parseHours)),
    new Option(
      '--from <cidr>',
      'only from these client addresses, e.g. 10.20.0.0/16; may be repeated',
    ).argParser(collect<string>((text) => text)),
    new Option('--statement-timeout <duration>', 'cancel statements that run longer').argParser(
      parseDuration,
    ),
    new Option('--idle-timeout <duration>', 'end sessions that are idle for longer').argParser(parseDuration),
    new Option('--max-row-bytes <n>', 'refuse rows of results with more bytes').argParser(wholeNumber),
  ];
}

/** `conditions` of the body of a grant, where any were given. */
export function conditionsOf(options: ConditionOptions): { readonly conditions?: GrantConditions } {
  const { maxRows, requireWhere, ddl, onlyFingerprint, hours, from, maxRowBytes } = options;
  const { statementTimeout, idleTimeout } = options;
  const conditions: GrantConditions = {
    ...(maxRows !== undefined && { maxRows }),
    ...(requireWhere === true && { requireWhere }),
    ...(ddl === false && { noDdl: true }),
    ...(onlyFingerprint !== undefined && { fingerprints: onlyFingerprint }),
    ...(hours !== undefined && { hours }),
    ...(from !== undefined && { sources: from }),
    ...(statementTimeout !== undefined && { statementTimeoutMs: statementTimeout * 1000 }),
    ...(idleTimeout !== undefined && { idleTimeoutMs: idleTimeout * 1000 }),
    ...(maxRowBytes !== undefined && { maxRowBytes }),
  };
  return Object.keys(conditions).length === 0 ? {} : { conditions };
}

function parseHours(text: string): Hours {
  const hours = readHours(text);
  if (typeof hours !== 'string') return hours;
  throw usageError(hours, 'Write "mon-fri 08:00-18:00 Europe/Berlin"; instead of days, daily.');
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text)) return value;
  throw usageError(`"${text}" is not a whole number`);
}

function collect<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}
