import { DatabaseSync } from 'node:sqlite';
import type { Finding } from '../ledger/verify.ts';
import { BLOCK } from './schema.ts';
import { NETWORKS_MAX } from './use-table.ts';

const FILE = 'index.db';
/** Rows told one by one, of each table; the rest is counted. */
const TOLD = 10;

/** What must be equal in two indexes of which one may have leaves from `:size` on as well. */
const TABLES: readonly (readonly [table: string, sql: string])[] = [
  ['events', 'SELECT * FROM events WHERE leaf < :size ORDER BY leaf'],
  ['details', 'SELECT * FROM details WHERE leaf < :size ORDER BY leaf'],
  ['outcomes', 'SELECT * FROM outcomes WHERE leaf < :size ORDER BY intent'],
  ['names', 'SELECT n, kind, id, first FROM names WHERE first < :size ORDER BY n'],
  ['blocks', `SELECT * FROM blocks WHERE (block + 1) * ${BLOCK} <= :size ORDER BY block`],
  ['owners', 'SELECT leaf, principal, owner FROM owners WHERE leaf < :size ORDER BY leaf, principal'],
];
/** The last state of things: equal where both have the same leaves. */
const STATES: typeof TABLES = [
  ['uses', 'SELECT * FROM uses ORDER BY principal, resource, class'],
  ['entities', 'SELECT changed, kind, id, name, email, created, after FROM entities ORDER BY changed'],
  ['last_uses', 'SELECT * FROM last_uses ORDER BY principal'],
  // Where there are as many as are kept, which of them are there depends on what came together.
  [
    'sources',
    'SELECT * FROM sources WHERE principal IN ' +
      `(SELECT principal FROM sources GROUP BY principal HAVING count(*) < ${NETWORKS_MAX}) ORDER BY principal, network`,
  ],
];

type Row = readonly unknown[];

/**
 * Compares an index with one just made from the log.
 *
 * @param file the index to check
 * @param rebuilt an index of the first `size` leaves
 */
export function* compareIndex(file: string, rebuilt: string, size: number): Generator<Finding, void> {
  const [theirs, ours] = [file, rebuilt].map(
    (path) => new DatabaseSync(path, { readOnly: true, timeout: 5000 }),
  );
  if (!theirs || !ours) return;
  try {
    theirs.exec('BEGIN');
    const has = Number(theirs.prepare("SELECT value FROM meta WHERE key = 'size'").get()?.value ?? 0);
    if (has < size) {
      yield { severity: 'error', file: FILE, message: `has ${has} leaves, and the log ${size}` };
      return;
    }
    for (const [table, sql] of has === size ? [...TABLES, ...STATES] : TABLES) {
      yield* told(table, differences(rows(ours, sql, size), rows(theirs, sql, size)));
    }
  } catch (error) {
    yield { severity: 'error', file: FILE, message: `cannot be read: ${(error as Error).message}` };
  } finally {
    theirs.close();
    ours.close();
  }
}

function* rows(db: DatabaseSync, sql: string, size: number): Generator<Row, void> {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  const all = sql.includes(':size') ? statement.iterate({ ':size': size }) : statement.iterate();
  for (const row of all) yield row as unknown as Row;
}

/** Walks two lists that are ordered by their first column, and names it where a row is not in both alike. */
function* differences(ours: Generator<Row, void>, theirs: Generator<Row, void>): Generator<string, void> {
  let a = ours.next();
  let b = theirs.next();
  while (!a.done || !b.done) {
    const [left, right] = [a.done ? Infinity : Number(a.value[0]), b.done ? Infinity : Number(b.value[0])];
    if (left < right) yield `row ${left} is missing`;
    else if (right < left) yield `row ${right} does not follow from the log`;
    else if (JSON.stringify(a.value) !== JSON.stringify(b.value))
      yield `row ${left} is not what the log says`;
    if (left <= right) a = ours.next();
    if (right <= left) b = theirs.next();
  }
}

function* told(table: string, problems: Iterable<string>): Generator<Finding, void> {
  let count = 0;
  for (const problem of problems) {
    if (++count <= TOLD) yield { severity: 'error', file: FILE, message: `table ${table}: ${problem}` };
  }
  if (count > TOLD) {
    const message = `table ${table}: ${count - TOLD} more rows are not those that follow from the log`;
    yield { severity: 'error', file: FILE, message };
  }
}
