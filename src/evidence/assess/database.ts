/** The database that queries are asked of: its tables are the populations of a package, and nothing else is in it. */
import { constants, DatabaseSync } from 'node:sqlite';
import { populationCells } from '../population-columns.ts';
import { entityOf } from '../populations.ts';
import { ASSESS_TABLES, type AssessTable, RECORDS_TABLE, sqlValue } from './tables.ts';
import type { AsOf, AssessedParameter, Period } from './types.ts';

type Row = Readonly<Record<string, unknown>>;

/** Reads the rows of a file of the package; null where it has no such file. */
export type ReadRows = (file: string) => Iterable<Row> | null;

/** A database to ask, and what it has. */
export interface AssessDatabase {
  readonly sql: DatabaseSync;
  readonly tables: ReadonlySet<string>;
}

/** Most memory that SQLite may take, in bytes. */
const MOST_MEMORY = 2 ** 31;

/**
 * Builds the database and closes it to everything but reading.
 *
 * Beside the tables of the package there are `period` (one row: name, since, until, zone, and `asOf`, to when the log goes, at
 * most the end of the period), `parameters` (id, value; a list is JSON), and for each population that change records make
 * one with `_end` behind its name: the things as they stood at the end of the period.
 */
export function buildDatabase(
  read: ReadRows,
  period: Period,
  asOf: AsOf,
  parameters: readonly Pick<AssessedParameter, 'id' | 'value'>[],
): AssessDatabase {
  const db = new DatabaseSync(':memory:', { allowExtension: false, enableDoubleQuotedStringLiterals: false });
  db.exec(`PRAGMA hard_heap_limit = ${MOST_MEMORY}; PRAGMA trusted_schema = OFF; BEGIN`);
  for (const table of ASSESS_TABLES) {
    const rows = read(table.file);
    if (rows !== null) fill(db, table.name, table.columns, cellsOf(table, rows));
  }
  const until = period.until;
  const records = read(RECORDS_TABLE.file);
  const issued = records === null ? null : fillEnds(db, records, until);
  const end = asOf.time !== null && asOf.time < until ? asOf.time : until;
  const { name, since, zone } = period;
  fill(db, 'period', ['name', 'since', 'until', 'zone', 'asOf'], [[name, since, until, zone, end]]);
  fill(
    db,
    'parameters',
    ['id', 'value'],
    parameters.filter(({ value }) => value !== null).map(({ id, value }) => [id, value]),
  );
  const tables = new Set(
    db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
      .all()
      .map(({ name }) => String(name)),
  );
  index(db, tables);
  // Looked up by principal: after the indexes.
  if (issued !== null && tables.has('sessions')) fillLastUse(db, issued, until);
  db.exec('COMMIT; PRAGMA query_only = ON; PRAGMA cell_size_check = ON');
  db.enableDefensive(true);
  db.setAuthorizer((action, first, second) =>
    mayDo(action, first, second) ? constants.SQLITE_OK : constants.SQLITE_DENY,
  );
  return { sql: db, tables };
}

/** Functions whose answer depends on when, where or in what order they are asked, or that reach outside. */
const REFUSED: ReadonlySet<string> = new Set([
  ...['random', 'randomblob', 'load_extension', 'sqlite_version', 'sqlite_source_id', 'changes'],
  ...['total_changes', 'last_insert_rowid', 'sqlite_compileoption_get', 'sqlite_compileoption_used'],
  ...[
    'current_time',
    'current_date',
    'current_timestamp',
    'fts3_tokenizer',
    'fts5',
    'rtreecheck',
    'zeroblob',
  ],
]);

/** Queries read, call functions, and do nothing else. Recursion, which need not end, is not for them. */
function mayDo(action: number, first: string | null, second: string | null): boolean {
  if (action === constants.SQLITE_SELECT) return true;
  if (action === constants.SQLITE_READ) return !(first ?? '').toLowerCase().startsWith('sqlite_');
  return action === constants.SQLITE_FUNCTION && !REFUSED.has((second ?? '').toLowerCase());
}

function* cellsOf(table: AssessTable, rows: Iterable<Row>): Generator<readonly unknown[]> {
  for (const row of rows) yield table.cells(row);
}

function fill(
  db: DatabaseSync,
  name: string,
  columns: readonly string[],
  rows: Iterable<readonly unknown[]>,
): void {
  // Without a type, a column keeps each value as it is.
  db.exec(`CREATE TABLE "${name}" (${columns.map((column) => `"${column}"`).join(', ')})`);
  const insert = db.prepare(`INSERT INTO "${name}" VALUES (${columns.map(() => '?').join(', ')})`);
  for (const cells of rows) insert.run(...cells.map(sqlValue));
}

interface Standing {
  readonly leaf: number;
  lastLeaf: number;
  after: Row;
}

/** The things as they stood at a moment: by the last record of each before it. Answers when principals last got a credential by themselves. */
function fillEnds(db: DatabaseSync, records: Iterable<Row>, until: string): ReadonlyMap<string, string> {
  const standing = new Map<string, Map<string, Standing>>();
  const used = new Map<string, string>();
  for (const record of records) {
    const { leaf, time, entity, thing, after } = record as { leaf: number } & Record<string, string>;
    if (time === undefined || time >= until) continue;
    if (record.type === 'credential.issued' && record.actorKind === 'principal')
      used.set(String(record.principalId), time);
    if (typeof entity !== 'string' || typeof thing !== 'string') continue;
    const things = standing.get(entity) ?? new Map<string, Standing>();
    standing.set(entity, things);
    const known = things.get(thing);
    const state = after as unknown as Row;
    if (known === undefined) things.set(thing, { leaf, lastLeaf: leaf, after: state });
    else Object.assign(known, { lastLeaf: leaf, after: state });
  }
  for (const { name, columns } of ASSESS_TABLES) {
    const entity = entityOf(name);
    if (entity === null) continue;
    const rows = [...(standing.get(entity) ?? [])].map(([id, { leaf, lastLeaf, after }]) =>
      populationCells(name as never, { leaf, lastLeaf, ...after, id }),
    );
    fill(db, `${name}_end`, columns, rows);
  }
  return used;
}

/** When principals were last used before the end: a session that they opened or closed, or a credential they got by themselves. */
function fillLastUse(db: DatabaseSync, issued: ReadonlyMap<string, string>, until: string): void {
  fill(db, 'issued_last', ['id', 'time'], issued);
  db.exec('CREATE INDEX issued_by_id ON issued_last (id)');
  db.prepare(
    `UPDATE principals_end SET lastUsedAt = (
       SELECT max(time) FROM (
         SELECT max(openedAt) AS time FROM sessions
          WHERE principal->>'id' = principals_end.id AND status <> 'refused' AND openedAt < ?1
         UNION ALL
         SELECT max(closedAt) FROM sessions WHERE principal->>'id' = principals_end.id AND closedAt < ?1
         UNION ALL
         SELECT time FROM issued_last WHERE issued_last.id = principals_end.id))`,
  ).run(until);
  db.exec('DROP TABLE issued_last');
}

/** What queries look things up by. An expression is found again where a query has the same. */
const INDEXES: readonly (readonly [string, string])[] = [
  ['records', 'leaf'],
  ['records', 'type'],
  ['records', 'thing'],
  ['commands_summary', '"grant"'],
  ['commands_summary', 'session'],
  ['commands_summary', 'principalId'],
  ['sessions', 'id'],
  ['sessions', `principal->>'id'`],
  ['sessions', `resource->>'id'`],
  ['credentials', 'id'],
  ['grants', 'id'],
  ['grants', `principal->>'id'`],
  ['grants_end', 'id'],
  ['principals', 'id'],
  ['principals_end', 'id'],
  ['principals_end', 'lower(name)'],
  ['persons_end', 'id'],
  ['resources', 'id'],
  ['resources_end', 'id'],
  ['requests', 'id'],
  ['reviews', 'id'],
  ['review_items', '"grant"'],
  ['review_items', `principal->>'id'`],
  ['notices', `principal->>'id'`],
  ['bindings_end', 'details'],
  ['administrators', `person->>'id'`],
];

function index(db: DatabaseSync, tables: ReadonlySet<string>): void {
  for (const [n, [table, columns]] of INDEXES.entries()) {
    if (tables.has(table)) db.exec(`CREATE INDEX i${n} ON ${table} (${columns})`);
  }
}
