import { MASKED } from './text.ts';

/** Types whose values are any text. */
export const TEXT: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'citext', 'name', 'unknown']);

/** What a redacted value is, by type. Of the others only arrays have one. */
const REDACTED: ReadonlyMap<string, string> = new Map([
  ...[...TEXT].map((type) => [type, MASKED] as const),
  ...['int2', 'int4', 'int8', 'oid', 'numeric', 'float4', 'float8'].map((type) => [type, '0'] as const),
  ['char', '*'],
  ['xml', '<masked/>'],
  ['json', `"${MASKED}"`],
  ['jsonb', `"${MASKED}"`],
  ['bool', 'f'],
  ['uuid', '00000000-0000-0000-0000-000000000000'],
  ['bytea', '\\x'],
  ['date', '1900-01-01'],
  ['timestamp', '1900-01-01 00:00:00'],
  ['timestamptz', '1900-01-01 00:00:00+00'],
  ['time', '00:00:00'],
  ['timetz', '00:00:00+00'],
  ['interval', '00:00:00'],
  ['inet', '0.0.0.0'],
  ['cidr', '0.0.0.0/0'],
  ['macaddr', '00:00:00:00:00:00'],
]);

/** The one value that stands for all values of a type; null for NULL. @param type the type's name in `pg_type` */
export function redacted(type: string): string | null {
  return type.startsWith('_') ? '{}' : (REDACTED.get(type) ?? null);
}
