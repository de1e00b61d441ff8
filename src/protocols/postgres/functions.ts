/** Which functions may be called without `execute`. */
import { HARMLESS_FUNCTIONS } from './functions-list.ts';

const HARMLESS: ReadonlySet<string> = new Set(HARMLESS_FUNCTIONS);

/** Is every built-in function of that name free of side effects, and blind to tables, files and other sessions? */
export function isHarmlessFunction(name: string): boolean {
  return HARMLESS.has(name);
}

/** Helpers of the information schema's views: they compute with their arguments, or read `pg_index`. JDBC's metadata calls them. */
const INFORMATION: ReadonlySet<string> = new Set([
  '_pg_char_max_length',
  '_pg_char_octet_length',
  '_pg_datetime_precision',
  '_pg_expandarray',
  '_pg_index_position',
  '_pg_interval_type',
  '_pg_numeric_precision',
  '_pg_numeric_precision_radix',
  '_pg_numeric_scale',
  '_pg_truetypid',
  '_pg_truetypmod',
]);

/** May a function be called without `execute`, as far as its name tells? `schema` is null where the text has none. */
export function isHarmlessCall(schema: string | null, name: string): boolean {
  if (schema === 'information_schema') return INFORMATION.has(name);
  return (schema === null || schema === 'pg_catalog') && isHarmlessFunction(name);
}

const SAMPLING: ReadonlySet<string> = new Set(['bernoulli', 'system']);

/** Is it one of PostgreSQL's own TABLESAMPLE methods? */
export function isHarmlessSampling(name: string): boolean {
  return SAMPLING.has(name);
}
