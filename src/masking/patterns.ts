/** Patterns of columns: `schema.table.column`, and column names anywhere. They match rather too much than too little. */
import { PosternError } from '../core/errors.ts';
import { globMatches } from '../core/glob.ts';

/** Longest pattern, in characters. */
export const PATTERN_MAX = 400;

interface Part {
  readonly text: string;
  readonly quoted: boolean;
}

/** A pattern of columns, read. */
export interface ColumnPattern {
  readonly source: string;
  readonly parts: readonly [schema: Part, table: Part, column: Part];
  /** How much of it is literal: the more, the more specific. */
  readonly literals: number;
}

const BARE = /[A-Za-z0-9_$*?\u0080-\uffff]+/y;
const QUOTED = /"((?:[^"\0]|"")+)"/y;

/**
 * Reads `schema.table.column`. Unquoted parts match whatever their case; in double quotes a part is one exact name.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function parseColumnPattern(source: string): ColumnPattern {
  const parts: Part[] = [];
  let at = 0;
  if (source.length > PATTERN_MAX) throw invalid(source);
  for (;;) {
    QUOTED.lastIndex = at;
    BARE.lastIndex = at;
    const quoted = QUOTED.exec(source);
    const found = quoted ?? BARE.exec(source);
    if (found === null) throw invalid(source);
    at += found[0].length;
    if (quoted === null) parts.push({ text: found[0].toLowerCase().replace(/\*+/g, '*'), quoted: false });
    else parts.push({ text: (quoted[1] as string).replaceAll('""', '"'), quoted: true });
    if (at === source.length) break;
    if (source[at] !== '.') throw invalid(source);
    at += 1;
  }
  const [schema, table, column] = parts;
  if (schema === undefined || table === undefined || column === undefined || parts.length > 3) {
    throw invalid(source);
  }
  return { source, parts: [schema, table, column], literals: literals(parts) };
}

const literals = (parts: readonly Part[]): number =>
  parts.reduce((sum, { text, quoted }) => sum + (quoted ? text.length : text.replace(/[*?]/g, '').length), 0);

function invalid(source: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `${JSON.stringify(source.slice(0, 80))} is no pattern of columns.`,
    'Write schema.table.column, for example hr.salaries.amount or *.*.iban; other names in double quotes.',
  );
}

const NAME = /^[A-Za-z0-9_$*? \u0080-\uffff-]+$/;

/**
 * Reads a pattern of column names, for example `*first_name*`.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function parseNamePattern(source: string): string {
  const glob = plain(source).replace(/\*+/g, '*');
  if (source.length > PATTERN_MAX || !NAME.test(source) || glob === '') {
    throw new PosternError(
      'POSTERN_INVALID',
      `${JSON.stringify(source.slice(0, 80))} is no pattern of column names.`,
      'Write a name with * and ?, for example *first_name*.',
    );
  }
  return glob;
}

/** A column name without what people vary: case, `_`, `-`, spaces. */
export const plain = (name: string): string => name.toLowerCase().replace(/[_\- ]+/g, '');

/** Whether a column is one of a pattern's. */
export function matchesColumn({ parts }: ColumnPattern, names: readonly [string, string, string]): boolean {
  return parts.every(({ text, quoted }, i) => {
    const name = names[i] as string;
    return quoted ? name === text : globMatches(text, name.toLowerCase());
  });
}
