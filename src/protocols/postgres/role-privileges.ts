/**
 * What a scope comes to in PostgreSQL's own privileges, for a role that is to have these and no more. Pure.
 *
 * @see https://www.postgresql.org/docs/18/ddl-priv.html
 */

import { COLUMN_VERBS, type Verb } from './classified.ts';
import type { Relation } from './columns.ts';
import type { RelationCatalog } from './names.ts';
import type { CompiledScope, Scope } from './scope.ts';

/** Rights that only the owner of an object has: no GRANT gives them. */
const OF_OWNERS: ReadonlySet<Verb> = new Set(['alter', 'drop']);

const TABLE_PRIVILEGES: readonly Verb[] = ['select', 'insert', 'update', 'delete', 'truncate', 'references'];
/** MAINTAIN came with PostgreSQL 17; before, only the owner may. */
const MAINTAIN_SINCE = 17;

/** Objects named in one GRANT. */
const MOST_IN_ONE = 500;

/** Whether a scope gives rights that only owners of objects have, so that no other role can be made for it. */
export function needsOwner(scope: Scope, serverVersion: number): boolean {
  return scope.rules.some(({ rights }) =>
    rights.some(({ verb }) => OF_OWNERS.has(verb) || (verb === 'maintain' && serverVersion < MAINTAIN_SINCE)),
  );
}

/** A routine, by its OID and the names of its schema and itself. */
export interface Routine {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** As GRANT names it: `schema.name(type, type)`. */
  readonly signature: string;
}

export interface GrantInput {
  readonly scope: CompiledScope;
  readonly catalog: RelationCatalog;
  readonly database: string;
  readonly role: string;
  /** Major version of the server. */
  readonly serverVersion: number;
  /** Sequences that belong to columns of a table (`serial`, identity), by the OID of the table. */
  readonly sequencesOf: ReadonlyMap<number, readonly string[]>;
  readonly routines: readonly Routine[];
}

/**
 * The GRANT statements that give `role` what the scope covers of what the database holds now. What GRANT cannot say is left to Postern:
 * conditions, masks, listen, notify, settings, and names that objects made later will have.
 */
export function grantStatements(input: GrantInput): string[] {
  const { scope, catalog, database, role, serverVersion } = input;
  const to = `to ${ident(role)}`;
  const objects = new Map<string, string[]>();
  const schemas = new Map<string, Set<'usage' | 'create'>>();
  const add = (privileges: string, kind: string, object: string, schema: string): void => {
    put(objects, `${privileges} on ${kind}`, object);
    use(schemas, schema, 'usage');
  };
  const verbs =
    serverVersion >= MAINTAIN_SINCE ? [...TABLE_PRIVILEGES, 'maintain' as const] : TABLE_PRIVILEGES;
  for (const relation of catalog.relations()) {
    const { schema, kind } = relation;
    const name = qualified(schema, relation.name);
    if (kind === 'S') {
      const privileges = sequencePrivileges(scope, relation);
      if (privileges !== '') add(privileges, 'sequence', name, schema);
      continue;
    }
    if (!/^[rpvmf]$/.test(kind)) continue;
    const whole = verbs.filter((verb) => scope(verb, schema, relation.name));
    const parts = columnPrivileges(scope, relation, whole);
    if (whole.length > 0) add(whole.join(', '), 'table', name, schema);
    for (const part of parts) add(part, 'table', name, schema);
    const inserts = whole.includes('insert') || parts.some((part) => part.startsWith('insert'));
    if (!inserts) continue;
    for (const sequence of input.sequencesOf.get(relation.oid) ?? [])
      add('usage', 'sequence', sequence, schema);
  }
  for (const { schema, name, signature } of input.routines) {
    if (scope('execute', schema, name)) add('execute', 'routine', signature, schema);
  }
  for (const schema of catalog.schemas()) {
    // The name that an object will have cannot be said in a privilege on the schema: Postern sees to that.
    if (schema !== 'pg_catalog' && scope.anyIn('create', schema)) {
      use(schemas, schema, 'usage');
      use(schemas, schema, 'create');
    }
  }
  const statements = [`grant connect on database ${ident(database)} ${to}`];
  if (scope.anyIn('create', 'pg_temp')) {
    statements.push(`grant temporary on database ${ident(database)} ${to}`);
  }
  for (const [schema, privileges] of schemas) {
    statements.push(`grant ${[...privileges].join(', ')} on schema ${ident(schema)} ${to}`);
  }
  for (const [what, names] of objects) {
    for (let at = 0; at < names.length; at += MOST_IN_ONE) {
      statements.push(`grant ${what} ${names.slice(at, at + MOST_IN_ONE).join(', ')} ${to}`);
    }
  }
  return statements;
}

/** `setval` and `nextval` change a sequence: whoever may update it may use it. */
function sequencePrivileges(scope: CompiledScope, { schema, name }: Relation): string {
  const privileges: string[] = [];
  if (scope('select', schema, name)) privileges.push('select');
  if (scope('update', schema, name)) privileges.push('usage', 'update');
  return privileges.join(', ');
}

/** `select (a, b)`, for each verb that the scope gives on columns only. */
function columnPrivileges(scope: CompiledScope, relation: Relation, whole: readonly Verb[]): string[] {
  const out: string[] = [];
  for (const verb of COLUMN_VERBS) {
    if (whole.includes(verb)) continue;
    const matches = scope.columns(verb, relation.schema, relation.name);
    if (matches === null) continue;
    const names = relation.columns.filter(({ name }) => matches(name)).map(({ name }) => ident(name));
    if (names.length > 0) out.push(`${verb} (${names.join(', ')})`);
  }
  return out;
}

/** A name as SQL takes it, in double quotes. */
export function ident(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL takes it, in quotes; standard strings are on. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const qualified = (schema: string, name: string): string => `${ident(schema)}.${ident(name)}`;

function put(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else if (!list.includes(value)) list.push(value);
}

function use(map: Map<string, Set<'usage' | 'create'>>, schema: string, privilege: 'usage' | 'create'): void {
  const set = map.get(schema);
  if (set === undefined) map.set(schema, new Set([privilege]));
  else set.add(privilege);
}
