/**
 * The scope of a PostgreSQL grant: compiled for the hot path, and the decision whether it covers a statement.
 * docs/scopes.md is the page for users.
 */
import type { ErrorCode } from '../../core/errors.ts';
import type { ResourceView } from '../../core/views.ts';
import { isReadableCatalog } from './catalogs.ts';
import { type Access, type Classified, COLUMN_VERBS, type Verb } from './classified.ts';
import { alternatives, type QualifiedName, type RelationCatalog, resolve, type SearchPath } from './names.ts';
import { type ColumnMatch, lackingColumns } from './scope-columns.ts';
import { type NamePattern, quoteName, type Scope } from './scope-text.ts';

export { formatScope, parseScope, type Scope } from './scope-text.ts';

export interface CompiledScope {
  /** Does the scope let `verb` be done to the object? `schema` is null for a channel; `name` is empty for a schema as a whole. */
  (verb: Verb, schema: string | null, name: string): boolean;
  /** On which columns, where it does not on all of it; null where on none. */
  columns(verb: Verb, schema: string | null, name: string): ColumnMatch | null;
  /** Whether there is anything in the schema, under whatever name, that `verb` may be done to. */
  anyIn(verb: Verb, schema: string): boolean;
  /** Whether it is about anything in the schema. */
  reaches(schema: string): boolean;
}

/** Why a statement is not covered. It names one thing that is missing, not all that a scope lacks. */
export interface Denial {
  readonly code: ErrorCode;
  /** Null where the refusal is not about one object. */
  readonly verb: Verb | null;
  readonly object: string | null;
  readonly reason: string;
  readonly hint: string | null;
  /** The scope that would cover what was missing, as it can be asked for: `select on hr.salaries`. */
  readonly scope: string | null;
}

/** Whether the catalogues that tools read need no scope. */
export type CatalogAccess = ResourceView['catalogAccess'];

type Match = (name: string) => boolean;

/** Two pointers and one point to fall back to: at most `pattern * name` steps, no recursion, no regular expression. */
function globMatches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p;
      p += 1;
      resume = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p += 1;
      n += 1;
    } else if (star !== -1) {
      p = star + 1;
      resume += 1;
      n = resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

const isGlob = (pattern: NamePattern): boolean => !pattern.quoted && /[*?]/.test(pattern.text);

function compileName(pattern: NamePattern): Match {
  const { text } = pattern;
  if (!isGlob(pattern)) return (name) => name === text;
  if (text === '*') return () => true;
  const head = text.slice(0, -1);
  if (text.endsWith('*') && !/[*?]/.test(head)) return (name) => name !== '' && name.startsWith(head);
  return (name) => name !== '' && globMatches(text, name);
}

/** Schemas that PostgreSQL keeps for itself, and the session's temporary one. */
export function isSystemSchema(schema: string): boolean {
  return schema.startsWith('pg_') || schema === 'information_schema';
}

/** A system schema is meant only by a pattern that spells it out: `*.*` never reaches pg_catalog. */
function compileSchema(pattern: NamePattern): Match {
  const matches = compileName(pattern);
  const literal = pattern.quoted ? pattern.text : (pattern.text.split(/[*?]/, 1)[0] as string);
  if (literal.startsWith('pg_') || pattern.text === 'information_schema') return matches;
  return (schema) => !isSystemSchema(schema) && matches(schema);
}

interface CompiledObject {
  readonly schema: Match | null;
  readonly name: Match;
}

interface CompiledColumns {
  readonly objects: readonly CompiledObject[];
  readonly matches: Match;
}

const isAmong = (objects: readonly CompiledObject[], schema: string | null, name: string): boolean => {
  for (const object of objects) {
    if (schema === null ? object.schema !== null : object.schema === null || !object.schema(schema)) continue;
    if (object.name(name)) return true;
  }
  return false;
};

const anyOf = (matches: readonly Match[]): Match => {
  const [only] = matches;
  return matches.length === 1 && only !== undefined ? only : (name) => matches.some((each) => each(name));
};

/** Compiles a scope to one function without regular expressions; checks cost one map lookup and the rules of that verb. */
export function compileScope(scope: Scope): CompiledScope {
  const whole = new Map<Verb, CompiledObject[]>();
  const parts = new Map<Verb, CompiledColumns[]>();
  for (const { rights, objects } of scope.rules) {
    const compiled = objects.map((object) => ({
      schema: object.schema === null ? null : compileSchema(object.schema),
      name: compileName(object.name),
    }));
    for (const { verb, columns } of rights) {
      if (columns === null) whole.set(verb, [...(whole.get(verb) ?? []), ...compiled]);
      else {
        const part = { objects: compiled, matches: anyOf(columns.map(compileName)) };
        parts.set(verb, [...(parts.get(verb) ?? []), part]);
      }
    }
  }
  const covered = (verb: Verb, schema: string | null, name: string): boolean => {
    const objects = whole.get(verb);
    return objects !== undefined && isAmong(objects, schema, name);
  };
  const columns = (verb: Verb, schema: string | null, name: string): ColumnMatch | null => {
    const found = (parts.get(verb) ?? []).filter((part) => isAmong(part.objects, schema, name));
    return found.length === 0 ? null : anyOf(found.map((part) => part.matches));
  };
  const anyIn = (verb: Verb, schema: string): boolean =>
    (whole.get(verb) ?? []).some((object) => object.schema?.(schema) ?? false);
  const schemas = [
    ...whole.values(),
    ...[...parts.values()].map((list) => list.flatMap(({ objects }) => objects)),
  ].flat();
  const reaches = (schema: string): boolean => schemas.some((object) => object.schema?.(schema) ?? false);
  return Object.assign(covered, { columns, anyIn, reaches });
}

/** The object of an access as it is written in a scope and in the record. */
export function formatObject(schema: string | null, name: string): string {
  if (schema === null) return quoteName(name);
  return `${quoteName(schema)}.${name === '' ? '*' : quoteName(name)}`;
}

function missing(verb: Verb, schema: string | null, name: string): Denial {
  const object = formatObject(schema, name);
  return {
    code: 'POSTERN_SCOPE_DENIED',
    verb,
    object,
    reason: `no active grant covers ${verb} on ${object}`,
    hint: `Ask for a grant with the scope: ${verb} on ${object}`,
    scope: `${verb} on ${object}`,
  };
}

function missingColumns(verb: Verb, schema: string | null, name: string, columns: readonly string[]): Denial {
  if (columns.length === 0) return missing(verb, schema, name);
  const object = formatObject(schema, name);
  const list = columns.map(quoteName).join(', ');
  const scope = `${verb} (${list}) on ${object}`;
  return {
    code: 'POSTERN_SCOPE_DENIED',
    verb,
    object,
    reason: `no active grant covers ${verb} on column${columns.length === 1 ? '' : 's'} ${list} of ${object}`,
    hint: `Ask for a grant with the scope: ${scope}`,
    scope,
  };
}

function unclear(access: Access): Denial {
  return {
    code: 'POSTERN_STATEMENT_UNSEEN',
    verb: access.verb,
    object: quoteName(access.name),
    reason: `which schema ${quoteName(access.name)} is in cannot be told from the search path`,
    hint: `Write the name with its schema: schema.${quoteName(access.name)}`,
    scope: null,
  };
}

function coversRelation(
  scope: CompiledScope,
  classified: Classified,
  access: Access,
  path: SearchPath,
  catalog: RelationCatalog | null,
  catalogAccess: CatalogAccess,
): Denial | null {
  const { verb, name } = access;
  const target = resolve(access, path, catalog);
  if (target === 'unsure') return unclear(access);
  for (const each of [target, ...alternatives(access, target, path, catalog)]) {
    const denial = coversTarget(scope, classified, access, each, catalog, catalogAccess);
    if (denial !== null) return denial;
  }
  // A temporary object of the same name would be found first, where this scope lets the session make one.
  const mayBeTemporary = access.schema === null && verb !== 'create' && scope('create', 'pg_temp', name);
  return mayBeTemporary && !scope(verb, 'pg_temp', name) ? missing(verb, 'pg_temp', name) : null;
}

function coversTarget(
  scope: CompiledScope,
  classified: Classified,
  access: Access,
  target: QualifiedName,
  catalog: RelationCatalog | null,
  catalogAccess: CatalogAccess,
): Denial | null {
  const { verb, name } = access;
  const free =
    catalogAccess === 'tools' &&
    (verb === 'select' || verb === 'copy') &&
    isReadableCatalog(target.schema, target.name);
  if (!free && !scope(verb, target.schema, target.name)) {
    const rights = COLUMN_VERBS.has(verb) ? scope.columns(verb, target.schema, target.name) : null;
    if (rights === null || target.schema === null) return missing(verb, target.schema, target.name);
    const use = classified.columns.find(
      (each) => each.verb === verb && each.name === name && each.schema === access.schema,
    );
    const relation = catalog?.relation(target.schema, target.name);
    const lacking = lackingColumns(verb, use ?? null, rights, relation);
    if (lacking !== null) return missingColumns(verb, target.schema, target.name, lacking);
  }
  return null;
}

/**
 * PostgreSQL chooses among the functions of that name in every schema of the path by the types of the arguments, so
 * each of them must be covered.
 */
function functionTargets(schemas: readonly string[], path: SearchPath): string[] {
  return schemas.filter((schema) => schema === 'pg_catalog' || path.includes(schema));
}

function coversFunction(
  scope: CompiledScope,
  access: Access,
  path: SearchPath,
  catalog: RelationCatalog | null,
): Denial | null {
  const { verb, schema, name } = access;
  if (schema !== null) return scope(verb, schema, name) ? null : missing(verb, schema, name);
  if (catalog === null) return unclear(access);
  const targets = functionTargets(catalog.functionSchemas(name), path);
  const first = path[0];
  if (targets.length === 0 && first !== undefined) targets.push(first);
  if (targets.length === 0) return unclear(access);
  const lacking = targets.find((target) => !scope(verb, target, name));
  return lacking === undefined ? null : missing(verb, lacking, name);
}

/** Overloads of built-in functions, and functions called in attribute notation, that the path would reach. */
function coversOverloads(
  scope: CompiledScope,
  classified: Classified,
  path: SearchPath,
  catalog: RelationCatalog | null,
): Denial | null {
  if (catalog === null) {
    const name = classified.calls[0];
    return name === undefined ? null : unclear({ verb: 'execute', kind: 'function', schema: null, name });
  }
  for (const name of classified.calls) {
    for (const schema of functionTargets(catalog.functionSchemas(name), path)) {
      if (schema !== 'pg_catalog' && !scope('execute', schema, name)) return missing('execute', schema, name);
    }
  }
  for (const name of classified.attributes) {
    for (const schema of functionTargets(catalog.attributeSchemas(name), path)) {
      if (!scope('execute', schema, name)) return missing('execute', schema, name);
    }
  }
  return null;
}

/**
 * Whether the scope covers all that the statements do.
 *
 * @param path The search path in force when the statement is analysed.
 * @param catalogAccess Whether the system catalogues that tools read are free.
 * @param catalog Null while the names of the database are not known: names that need them are refused then.
 * @returns null when covered, else the first thing that is missing.
 */
export function covers(
  scope: CompiledScope,
  classified: Classified,
  path: SearchPath,
  catalog: RelationCatalog | null,
  catalogAccess: CatalogAccess = 'tools',
): Denial | null {
  if (classified.denied !== null) {
    const { code, reason, hint } = classified.denied;
    return { code, verb: null, object: null, reason, hint: hint ?? null, scope: null };
  }
  for (const access of classified.accesses) {
    let denial: Denial | null;
    if (access.kind === 'relation' || access.kind === 'type') {
      denial = coversRelation(scope, classified, access, path, catalog, catalogAccess);
    } else if (access.kind === 'function') {
      denial = coversFunction(scope, access, path, catalog);
    } else {
      const { verb, schema, name } = access;
      denial = scope(verb, schema, name) ? null : missing(verb, schema, name);
    }
    if (denial !== null) return denial;
  }
  return coversOverloads(scope, classified, path, catalog);
}

/** Verbs and objects for the record: resolved where they can be, sorted, without repeats. */
export function touched(
  classified: Classified,
  path: SearchPath,
  catalog: RelationCatalog | null,
): { readonly verbs: readonly string[]; readonly objects: readonly string[] } {
  const verbs = new Set<string>();
  const objects = new Set<string>();
  for (const access of classified.accesses) {
    verbs.add(access.verb);
    const target =
      access.kind === 'function' ? functionName(access, path, catalog) : resolve(access, path, catalog);
    const { schema, name } = target === 'unsure' ? access : target;
    objects.add(formatObject(schema, name));
    if (target === 'unsure') continue;
    for (const other of alternatives(access, target, path, catalog)) {
      objects.add(formatObject(other.schema, other.name));
    }
  }
  return { verbs: [...verbs].sort(), objects: [...objects].sort() };
}

function functionName(
  access: Access,
  path: SearchPath,
  catalog: RelationCatalog | null,
): Pick<Access, 'schema' | 'name'> {
  if (access.schema !== null || catalog === null) return access;
  const schema = functionTargets(catalog.functionSchemas(access.name), path)[0];
  return schema === undefined ? access : { schema, name: access.name };
}
