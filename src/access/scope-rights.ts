/** The rights of a scope one by one, for who only reads the log. Pure. */
import type { ProtocolName } from '../core/views.ts';
import * as http from '../protocols/http/scope-text.ts';
import { routeOf } from '../protocols/http/target.ts';
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
   * fits no pattern is certainly none of these objects. A path of more than 300 characters, which a record does not have whole, fits those alone
   * that are open at their end.
   */
  readonly glob: string;
}

/** @throws PosternError POSTERN_INVALID where the text is no scope of the protocol */
export function rightsOf(protocol: ProtocolName, scope: string): ScopeRight[] {
  return protocol === 'http' ? httpRights(scope) : postgresRights(scope);
}

/** Conditions of a rule are left out: what was done under it met them. */
function httpRights(scope: string): ScopeRight[] {
  return http
    .parseScope(scope)
    .rules.flatMap(({ verbs, paths }) =>
      verbs.flatMap((verb) =>
        paths.map((path) => ({ verb, columns: null, object: http.pathText(path), glob: routeGlob(path) })),
      ),
    );
}

/** Records have `*` for what looks like an id, and so has a path that names one. */
function routeGlob(path: readonly http.SegmentPattern[]): string {
  const glob = (segment: http.SegmentPattern): string =>
    typeof segment === 'string' ? '/*' : literal(routeOf({ segments: [segment.text] }));
  return path.map(glob).join('');
}

function postgresRights(scope: string): ScopeRight[] {
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

const literal = (text: string): string => text.replace(/[*?[]/g, '[$&]');

/** A name that needs quotes has them in records: around what a wildcard stands for, too. */
function globOf({ text, quoted }: NamePattern): string {
  if (quoted || !/[*?]/.test(text)) return literal(quoteName(text));
  return `*${text.replaceAll('[', '[[]').replaceAll('?', '*')}*`.replace(/\*+/g, '*');
}
