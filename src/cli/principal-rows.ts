/** Principals as rows of a file: what `postern principal export` writes and `import` reads. */
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { PRINCIPAL_KINDS } from '../store/entities.ts';
import type { Problem } from './apply/manifests.ts';
import type { WantedPrincipal } from './apply/principal-kind.ts';
import type { ListedPrincipal } from './support/api-types.ts';
import { csvRow } from './support/csv.ts';
import { guard, readCsv, unguard } from './support/csv-read.ts';
import { CliError } from './support/failure.ts';

const SAID = [
  ...['name', 'kind', 'owner', 'backupOwner', 'purpose', 'environment', 'reviewIntervalDays', 'expiresAt'],
  ...['tags', 'sponsor'],
];
/** For people to read; nothing is made of them. */
const TOLD = ['status', 'createdAt', 'lastUsedAt'];
const ROWS_MAX = 100_000;

const text = Type.String({ minLength: 1, maxLength: 2000 });
const orNull = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()]);
const Row = Type.Object(
  {
    name: text,
    kind: Type.Optional(Type.Enum([...PRINCIPAL_KINDS])),
    owner: Type.Optional(text),
    backupOwner: Type.Optional(text),
    purpose: Type.Optional(text),
    environment: Type.Optional(text),
    reviewIntervalDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
    expiresAt: Type.Optional(orNull(text)),
    tags: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9._/-]{0,62}$' }), text, {
        additionalProperties: false,
      }),
    ),
    sponsor: Type.Optional(orNull(text)),
    ...Object.fromEntries(TOLD.map((name) => [name, Type.Optional(Type.Unknown())])),
  },
  { additionalProperties: false },
);

/** A row that has the right shape. */
export interface PrincipalRow {
  readonly line: number;
  readonly name: string;
  /** What is absent is not said, and stays as it is. */
  readonly spec: WantedPrincipal;
}

function toRow(principal: ListedPrincipal) {
  const { name, kind, owner, backupOwner, purpose, environment, reviewIntervalDays, expiresAt } = principal;
  const { tags, sponsor, status, createdAt, lastUsedAt } = principal;
  return {
    ...{ name, kind, owner: owner.email, backupOwner: backupOwner?.email, purpose, environment },
    ...{ reviewIntervalDays, expiresAt, tags, sponsor, status, createdAt, lastUsedAt },
  };
}

export const rowsToJson = (principals: readonly ListedPrincipal[]): string =>
  `${JSON.stringify(principals.map(toRow), null, 2)}\n`;

/** CSV that a spreadsheet runs nothing of. @see https://www.rfc-editor.org/rfc/rfc4180 */
export function rowsToCsv(principals: readonly ListedPrincipal[]): string {
  const columns = [...SAID, ...TOLD];
  const lines = principals.map((principal) => {
    const row: Readonly<Record<string, unknown>> = { ...toRow(principal), tags: tagsText(principal.tags) };
    return csvRow(
      columns.map((column) => {
        const value = row[column];
        return typeof value === 'number'
          ? value
          : value === null || value === undefined
            ? null
            : guard(String(value));
      }),
    );
  });
  return csvRow(columns) + lines.join('');
}

/**
 * The rows of a file, CSV with a header or a JSON list.
 *
 * @param problems takes what is wrong, with its line (of JSON: the number of the item)
 * @throws CliError where the file cannot be read at all
 */
export function readRows(file: string, content: string, problems: Problem[]): PrincipalRow[] {
  const given = /^\s*[[{]/.test(content) ? jsonRows(content) : csvRows(content);
  if (given.length > ROWS_MAX) throw new CliError('CLI_TOO_MANY', `${file} has more than ${ROWS_MAX} rows`);
  const seen = new Map<string, number>();
  return given.flatMap(({ line, value }) => {
    const errors = [...Value.Errors(Row, value)];
    for (const { instancePath, message } of errors.slice(0, 5)) {
      const what = message === 'schema is false' ? 'is not known here' : message;
      problems.push({ file, line, message: `${instancePath.slice(1).replaceAll('/', '.')} ${what}`.trim() });
    }
    if (errors.length > 0) return [];
    const { name, ...all } = value as { name: string } & Record<string, unknown>;
    const before = seen.get(name);
    if (before !== undefined) {
      problems.push({ file, line, message: `${name} is in line ${before} already` });
      return [];
    }
    seen.set(name, line);
    const spec = Object.fromEntries(Object.entries(all).filter(([field]) => !TOLD.includes(field)));
    return [{ line, name, spec }];
  });
}

interface Given {
  readonly line: number;
  readonly value: unknown;
}

function jsonRows(content: string): Given[] {
  let items: unknown;
  try {
    items = JSON.parse(content);
  } catch (error) {
    throw new CliError('CLI_MALFORMED_JSON', `that is not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(items)) throw new CliError('CLI_MALFORMED_JSON', 'that is not a JSON list');
  return items.map((value: unknown, n) => ({ line: n + 1, value }));
}

function csvRows(content: string): Given[] {
  const [head, ...rows] = readCsv(content);
  const columns = head?.cells.map((cell) => cell.trim()) ?? [];
  const strange = columns.find((name) => ![...SAID, ...TOLD].includes(name));
  if (strange !== undefined || !columns.includes('name') || new Set(columns).size < columns.length) {
    throw new CliError(
      'CLI_MALFORMED_CSV',
      strange === undefined
        ? 'the first line has to name each column once, and "name" among them'
        : `the column ${JSON.stringify(strange)} is not known`,
      `The columns are ${[...SAID, ...TOLD].join(', ')}.`,
    );
  }
  return rows.map(({ line, cells }) => {
    if (cells.length !== columns.length) {
      throw new CliError(
        'CLI_MALFORMED_CSV',
        `line ${line} has ${cells.length} cells, and the first line ${columns.length}`,
      );
    }
    const said = columns.flatMap((column, n) => {
      const value = cellValue(column, unguard(cells[n] ?? '').trim(), line);
      return value === undefined ? [] : [[column, value] as const];
    });
    return { line, value: Object.fromEntries(said) };
  });
}

/** An empty cell says nothing, except of what can be none. */
function cellValue(column: string, cell: string, line: number): unknown {
  if (column === 'tags') return tagsOf(cell, line);
  if (cell === '') return column === 'expiresAt' || column === 'sponsor' ? null : undefined;
  return column === 'reviewIntervalDays' && /^\d{1,4}$/.test(cell) ? Number(cell) : cell;
}

/** `team=ledger; cost=7`, with a backslash before a semicolon or backslash of a value. */
const tagsText = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value.replace(/[\\;]/g, '\\$&')}`)
    .join('; ');

function tagsOf(cell: string, line: number): Record<string, string> {
  const parts = (cell.match(/(?:\\[\s\S]|[^\\;])+/g) ?? [])
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new CliError('CLI_MALFORMED_CSV', `line ${line} has a tag that is not NAME=VALUE`);
      return [part.slice(0, at), part.slice(at + 1).replace(/\\([\s\S])/g, '$1')];
    }),
  );
}
