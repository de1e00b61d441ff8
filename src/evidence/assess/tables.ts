import { POPULATIONS, type Population } from '../format.ts';
import { populationCells, populationColumns } from '../population-columns.ts';
import { SUMMARY_COLUMNS } from './command-summary.ts';
import { RECORD_COLUMNS } from './record-rows.ts';

/** A table of an assessment, and the file of a package that its rows stand in. */
export interface AssessTable {
  readonly name: string;
  /** Path in the package, NDJSON. */
  readonly file: string;
  readonly columns: readonly string[];
  /** The column of the leaf that rows are in the order of. */
  readonly key: string;
  /** The cells of a row of the file, in the order of the columns. */
  readonly cells: (row: Readonly<Record<string, unknown>>) => readonly unknown[];
}

function plain(name: string, columns: readonly string[], key: string): AssessTable {
  return { name, file: `activity/${name}.ndjson`, columns, key, cells: (row) => columns.map((c) => row[c]) };
}

function population(name: Population): AssessTable {
  return {
    name,
    file: `populations/${name}.ndjson`,
    columns: populationColumns(name),
    key: 'leaf',
    cells: (row) => populationCells(name, row),
  };
}

export const RECORDS_TABLE: AssessTable = plain('records', RECORD_COLUMNS, 'leaf');
export const SUMMARY_TABLE: AssessTable = plain('commands_summary', SUMMARY_COLUMNS, 'firstLeaf');

/** All of them. What of these a package does not have is a table that is not there. */
export const ASSESS_TABLES: readonly AssessTable[] = [
  ...POPULATIONS.map(population),
  RECORDS_TABLE,
  SUMMARY_TABLE,
];

/** A value as a cell of SQLite: what is no number or text is JSON. */
export function sqlValue(value: unknown): string | number | bigint | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  // As a number it would be one with a fraction: `99.0`.
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return JSON.stringify(value);
}
