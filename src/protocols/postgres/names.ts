/**
 * From the names in a statement to the objects that PostgreSQL would take for them.
 *
 * @see https://www.postgresql.org/docs/18/ddl-schemas.html#DDL-SCHEMAS-PATH
 */
import type { Access } from './classified.ts';
import { type Column, Relation } from './columns.ts';

/**
 * The schemas of the session's search path that exist and that its user may use, in order, without the implicit
 * ones: `pg_catalog` stands in it only where the setting names it, `pg_temp` likewise.
 */
export type SearchPath = readonly string[];

/** What the upstream database holds, as far as names go. */
export interface RelationCatalog {
  /** Does the schema hold a table, view, index, sequence or composite type of that name? */
  has(schema: string, name: string): boolean;
  /** Who may use the schema, if there is one of that name: `all` is PUBLIC, `user` the upstream user. */
  schemaUse(schema: string): 'all' | 'user' | 'none' | undefined;
  /** The schemas that hold a function or procedure of that name, `pg_catalog` included. */
  functionSchemas(name: string): readonly string[];
  /** The schemas outside `pg_catalog` that hold a function of that name that `row.name` may call. */
  attributeSchemas(name: string): readonly string[];
  relation(schema: string, name: string): Relation | undefined;
  /** @param oid as RowDescription names the table of a column */
  relationByOid(oid: number): Relation | undefined;
  relations(): Iterable<Relation>;
  /** Whoever may use them. */
  schemas(): Iterable<string>;
  /**
   * May somebody of the principal take the name away (drop, rename) while a statement with it is on its way? Then it means the next one of
   * that name on the search path. Where it is not there nobody may.
   */
  readonly mayVanish?: (schema: string, name: string) => boolean;
  /** Its columns, system columns left out; undefined where there is no such relation. */
  columnsOf(schema: string, name: string): readonly Column[] | undefined;
}

export interface QualifiedName {
  readonly schema: string | null;
  readonly name: string;
}

/**
 * Names of a database, one row each: `kind` (`s` schema, `r` relation, `f` function, `a` function that attribute notation may call),
 * `schema`, `name` (of a schema who may use it), and for a relation its `oid`, `relkind` and `columns` as JSON. Read it with the upstream user of the session, since PostgreSQL skips schemas that it may not use.
 */
export const CATALOG_QUERY = `
select 's' as kind, n.nspname as schema,
    case when pg_catalog.has_schema_privilege('public', n.oid, 'USAGE') then 'all'
      when pg_catalog.has_schema_privilege(n.oid, 'USAGE') then 'user' else 'none' end as name,
    null as oid, null as relkind, null as columns
  from pg_catalog.pg_namespace n
union all
select 'r', n.nspname, c.relname, c.oid::pg_catalog.text, c.relkind::pg_catalog.text, a.columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
  left join (
    select a.attrelid, pg_catalog.json_agg(
        pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid::pg_catalog.int8) order by a.attnum)::pg_catalog.text as columns
      from pg_catalog.pg_attribute a
      where a.attnum operator(pg_catalog.>) 0 and not a.attisdropped group by a.attrelid
  ) a on a.attrelid operator(pg_catalog.=) c.oid and c.relkind operator(pg_catalog.<>) all ('{i,I}'::pg_catalog."char"[])
  where c.relkind operator(pg_catalog.<>) 't' and n.nspname operator(pg_catalog.!~~) 'pg\\_toast%'
union all
select distinct 'f', n.nspname, p.proname, null, null, null
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
union all
select distinct 'a', n.nspname, p.proname, null, null, null
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
  join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) p.proargtypes[0]
  left join pg_catalog.pg_type b on b.oid operator(pg_catalog.=) t.typbasetype
  where n.nspname operator(pg_catalog.<>) 'pg_catalog'
    and p.pronargs operator(pg_catalog.-) p.pronargdefaults operator(pg_catalog.<=) 1
    and (t.typtype operator(pg_catalog.=) any ('{c,p}'::pg_catalog."char"[]) or b.typtype operator(pg_catalog.=) 'c')`;

export interface CatalogRow {
  readonly kind: string;
  readonly schema: string;
  readonly name: string;
  readonly oid?: string | null;
  readonly relkind?: string | null;
  readonly columns?: string | null;
}

/** Builds the catalogue from the rows of `CATALOG_QUERY`. */
export function catalogFrom(rows: Iterable<CatalogRow>): RelationCatalog {
  const schemas = new Map<string, 'all' | 'user' | 'none'>();
  const relations = new Map<string, Map<string, Relation>>();
  const byOid = new Map<number, Relation>();
  const functions = new Map<string, string[]>();
  const attributes = new Map<string, string[]>();
  const add = (map: Map<string, string[]>, { name, schema }: CatalogRow): void => {
    const list = map.get(name);
    if (list === undefined) map.set(name, [schema]);
    else list.push(schema);
  };
  for (const row of rows) {
    if (row.kind === 's') {
      schemas.set(row.schema, row.name === 'all' || row.name === 'none' ? row.name : 'user');
    } else if (row.kind === 'f') {
      add(functions, row);
    } else if (row.kind === 'a') {
      add(attributes, row);
    } else {
      const { schema, name } = row;
      const relation = new Relation(schema, name, Number(row.oid ?? 0), row.relkind ?? '', row.columns ?? '');
      byOid.set(relation.oid, relation);
      const names = relations.get(schema);
      if (names === undefined) relations.set(schema, new Map([[name, relation]]));
      else names.set(name, relation);
    }
  }
  return {
    has: (schema, name) => relations.get(schema)?.has(name) ?? false,
    schemaUse: (schema) => schemas.get(schema),
    functionSchemas: (name) => functions.get(name) ?? [],
    attributeSchemas: (name) => attributes.get(name) ?? [],
    relation: (schema, name) => relations.get(schema)?.get(name),
    relationByOid: (oid) => byOid.get(oid),
    relations: () => byOid.values(),
    schemas: () => schemas.keys(),
    columnsOf: (schema, name) => relations.get(schema)?.get(name)?.columns,
  };
}

/**
 * The value of the `search_path` setting as PostgreSQL prints it, as a list of schema names. `"$user"` becomes
 * `user`. Unquoted names are folded to lower case.
 */
export function parseSearchPath(text: string, user: string): string[] {
  const names: string[] = [];
  const item = /\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(?:,|$)/y;
  let at = 0;
  while (at < text.length) {
    item.lastIndex = at;
    const match = item.exec(text);
    if (match === null) break;
    const raw =
      match[1] === undefined
        ? (match[2] ?? '').replace(/[A-Z]/g, (c) => c.toLowerCase())
        : match[1].replaceAll('""', '"');
    if (raw !== '') names.push(raw === '$user' ? user : raw);
    at = item.lastIndex;
  }
  return names;
}

/**
 * The search path as PostgreSQL walks it: schemas that exist and are usable, each once.
 *
 * @param given for a role that is not the upstream user: whether it was given something in the schema
 */
export function effectivePath(
  setting: string,
  user: string,
  catalog: RelationCatalog,
  given: ((schema: string) => boolean) | null,
): SearchPath {
  const wanted = parseSearchPath(setting, user);
  return [...new Set(wanted)].filter((schema) => {
    if (schema === 'pg_temp') return true;
    const use = catalog.schemaUse(schema);
    return use === 'all' || (use !== undefined && (given === null ? use === 'user' : given(schema)));
  });
}

/**
 * The relation or type that an access means. Temporary objects of the session are left out: the caller asks for them apart.
 *
 * @returns `unsure` where the name may mean more than one thing as far as can be told.
 */
export function resolve(
  access: Access,
  path: SearchPath,
  catalog: RelationCatalog | null,
): QualifiedName | 'unsure' {
  const { schema, name, kind } = access;
  if (schema !== null || kind === 'channel' || kind === 'setting') return { schema, name };
  if (access.beside !== undefined) {
    const neighbour = resolve({ verb: 'alter', kind, schema, name: access.beside }, path, catalog);
    return neighbour === 'unsure' ? neighbour : { schema: neighbour.schema, name };
  }
  const listed = path.filter((each) => each !== 'pg_temp');
  const first = path[0];
  if (access.verb === 'create') return first === undefined ? 'unsure' : { schema: first, name };
  if (kind === 'type') {
    return listed.length === 1 && !path.includes('pg_temp')
      ? { schema: listed[0] as string, name }
      : 'unsure';
  }
  const order = path.includes('pg_catalog') ? listed : ['pg_catalog', ...listed];
  if (catalog === null) {
    const only = listed.length === 1 ? listed[0] : undefined;
    return only === undefined || name.startsWith('pg_') ? 'unsure' : { schema: only, name };
  }
  const found = order.find((each) => catalog.has(each, name)) ?? listed[0];
  return found === undefined ? 'unsure' : { schema: found, name };
}

/**
 * What else a relation's name may mean besides what {@link resolve} found: a transaction that is open, in this session or in another one of the
 * principal, may have dropped or renamed that, which nobody else sees yet.
 */
export function alternatives(
  { kind, verb, schema, name }: Access,
  found: QualifiedName,
  path: SearchPath,
  catalog: RelationCatalog | null,
): QualifiedName[] {
  const { mayVanish } = catalog ?? {};
  if (catalog === null || mayVanish === undefined) return [];
  if (schema !== null || kind !== 'relation' || verb === 'create' || found.schema === null) return [];
  const others: QualifiedName[] = [];
  let last = found.schema;
  for (const next of path.slice(path.indexOf(last) + 1)) {
    if (!catalog.has(next, name)) continue;
    if (last === 'pg_catalog' || !mayVanish(last, name)) break;
    others.push({ schema: next, name });
    last = next;
  }
  return others;
}
