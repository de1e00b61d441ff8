/** The rights of a scope one by one, for who only reads the log. Pure. */
import {
  type NamePattern,
  type ObjectPattern,
  parseScope,
  quoteName,
} from '../protocols/postgres/scope-text.ts';

export interface ScopeRight {
  readonly verb: string;
  /** As written; null where it is of whole objects. */
  readonly columns: readonly string[] | null;
  /** As written. */
  readonly object: string;
  /**
   * A GLOB pattern of SQLite for the names that records give to such objects. Where the two kinds of pattern differ it takes more: what
   * fits no pattern is certainly none of these objects.
   */
  readonly glob: string;
}

/** @throws PosternError POSTERN_INVALID where the text is no scope of the protocol */
export function rightsOf(scope: string): ScopeRight[] {
  return parseScope(scope).rules.flatMap(({ rights, objects }) =>
    rights.flatMap(({ verb, columns }) =>
      objects.map((object) => ({
        verb,
        columns: columns === null ? null : columns.map(written),
        object: partsOf(object).map(written).join('.'),
        glob: partsOf(object).map(globOf).join('.'),
      })),
    ),
  );
}

const partsOf = ({ schema, name }: ObjectPattern): NamePattern[] =>
  schema === null ? [name] : [schema, name];

const written = ({ text, quoted }: NamePattern): string => (quoted ? quoteName(text) : text);

/** A name that needs quotes has them in records: around what a wildcard stands for, too. */
function globOf({ text, quoted }: NamePattern): string {
  if (quoted || !/[*?]/.test(text)) return quoteName(text).replace(/[*?[]/g, '[$&]');
  return `*${text.replaceAll('[', '[[]').replaceAll('?', '*')}*`.replace(/\*+/g, '*');
}
