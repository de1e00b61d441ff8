import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { type CatalogRow, catalogFrom, type RelationCatalog, type SearchPath } from './names.ts';
import { examine, loadParser } from './parser.ts';
import { type CompiledScope, compileScope, covers, type Denial, parseScope, touched } from './scope.ts';

before(loadParser);

const scope = (text: string): CompiledScope => compileScope(parseScope(text));

const rows: CatalogRow[] = [
  ...['public', 'ledger', 'hr', 'pg_catalog', 'information_schema'].map((schema) => ({
    kind: 's',
    schema,
    name: '',
  })),
  ...[
    'ledger.entries',
    'ledger.accounts',
    'hr.salaries',
    'public.entries',
    'pg_catalog.pg_class',
    'pg_catalog.pg_authid',
  ].map((dotted) => {
    const [schema, name] = dotted.split('.') as [string, string];
    return { kind: 'r', schema, name };
  }),
  { kind: 'f', schema: 'pg_catalog', name: 'lower' },
  { kind: 'f', schema: 'pg_catalog', name: 'pg_read_file' },
  { kind: 'f', schema: 'pg_catalog', name: 'abs' },
  { kind: 'f', schema: 'public', name: 'abs' },
  { kind: 'f', schema: 'ledger', name: 'post' },
  { kind: 'f', schema: 'public', name: 'full_name' },
  { kind: 'a', schema: 'public', name: 'full_name' },
];
const catalog = catalogFrom(rows);

function decide(
  scopeText: string,
  sql: string,
  path: SearchPath = ['ledger'],
  names: RelationCatalog | null = catalog,
): Denial | null {
  const examined = examine(sql);
  assert.ok(!(examined instanceof Promise));
  return covers(scope(scopeText), examined.classified, path, names);
}

function allowed(scopeText: string, sql: string, path?: SearchPath): void {
  assert.deepEqual(decide(scopeText, sql, path), null, `${sql} under ${scopeText}`);
}

function refusedFor(scopeText: string, sql: string, missing: string | null, path?: SearchPath): void {
  const denial = decide(scopeText, sql, path);
  assert.notEqual(denial, null, `${sql} under ${scopeText}`);
  assert.equal(denial?.scope, missing, sql);
}

test('wildcards match as a regular expression of the same meaning would', () => {
  const letters = fc
    .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 8 })
    .map((list) => list.join(''));
  const glob = fc
    .array(fc.constantFrom('a', 'b', '*', '?'), { minLength: 1, maxLength: 8 })
    .map((list) => list.join(''));
  fc.assert(
    fc.property(glob, letters, (pattern, name) => {
      const regex = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
      assert.equal(
        scope(`select on s.${pattern}`)('select', 's', name),
        regex.test(name),
        `${pattern} ~ ${name}`,
      );
    }),
    { numRuns: 3000 },
  );
});

test('a hostile pattern is matched in a bounded number of steps', () => {
  const matches = scope(`select on s.${'*a'.repeat(60)}b`);
  assert.equal(matches('select', 's', 'a'.repeat(10_000)), false);
});

test('in quotes a wildcard is a letter like any other', () => {
  const matches = scope('select on "s*"."t?"');
  assert.equal(matches('select', 's*', 't?'), true);
  assert.equal(matches('select', 'sx', 'tx'), false);
});

test('wildcards never reach a system schema: it must be spelled out', () => {
  const everything = scope('all on *.*');
  for (const schema of ['pg_catalog', 'pg_temp', 'pg_toast', 'pg_temp_3', 'information_schema']) {
    assert.equal(everything('select', schema, 'x'), false, schema);
    assert.equal(scope('all on p*.*, i*.*, ??_*.*')('select', schema, 'x'), false, schema);
  }
  assert.equal(scope('select on pg_catalog.pg_authid')('select', 'pg_catalog', 'pg_authid'), true);
  assert.equal(scope('select on pg_*.*')('select', 'pg_catalog', 'x'), true);
  assert.equal(scope('select on "pg_catalog".x')('select', 'pg_catalog', 'x'), true);
});

test('a schema as a whole is covered only by schema.*', () => {
  allowed('create on hr.*', 'create schema hr');
  allowed('all on *.*', 'create schema hr');
  refusedFor('create on hr.t*', 'create schema hr', 'create on hr.*');
  refusedFor('create on hr."*"', 'create schema hr', 'create on hr.*');
});

test('bare names are channels and never relations', () => {
  allowed('listen on jobs_*', 'listen jobs_new');
  refusedFor('listen on jobs_*', 'listen other', 'listen on other');
  refusedFor('all on *.*', 'notify jobs', 'notify on jobs');
  refusedFor('listen on *', 'select * from ledger.entries', 'select on ledger.entries');
});

test('the demo: insert and select on ledger, and nothing else', () => {
  const demo = 'insert, select on ledger.*';
  allowed(demo, 'select * from ledger.entries where id = 5');
  allowed(demo, 'insert into ledger.entries values (1) returning id');
  allowed(demo, 'select count(*), sum(amount) from entries');
  allowed(demo, 'begin');
  allowed(demo, "set search_path = 'ledger'");
  refusedFor(demo, 'select * from hr.salaries', 'select on hr.salaries');
  refusedFor(demo, 'with entries as (select 1) select * from hr.salaries', 'select on hr.salaries');
  refusedFor(demo, 'update ledger.entries set amount = 0', 'update on ledger.entries');
  refusedFor(demo, 'drop table ledger.entries', 'drop on ledger.entries');
  refusedFor(demo, 'copy ledger.entries to stdout', 'copy on ledger.entries');
  refusedFor(demo, "select pg_read_file('/etc/passwd')", 'execute on pg_catalog.pg_read_file');
  refusedFor(demo, 'select * from ledger.entries for update', 'update on ledger.entries');
  refusedFor(demo, "set app.user_id = '5'", 'set on app.user_id');
  refusedFor(demo, 'drop table ledger.entries cascade', null);
});

test('what no scope can allow stays refused under all on everything', () => {
  for (const sql of [
    'do $$ x $$',
    'set role postgres',
    "copy t to program 'x'",
    'grant all on t to x',
    'not sql',
  ]) {
    assert.notEqual(decide('all on *.*, pg_*.*; listen, notify on *', sql), null, sql);
  }
});

test('an unqualified name is the first on the search path that has it', () => {
  allowed('select on ledger.*', 'select * from entries', ['ledger', 'public']);
  refusedFor('select on ledger.*', 'select * from entries', 'select on public.entries', ['public', 'ledger']);
  refusedFor('select on ledger.*', 'select * from salaries', 'select on hr.salaries', ['ledger', 'hr']);
  refusedFor('select on ledger.*', 'select * from nowhere', 'select on public.nowhere', ['public', 'ledger']);
});

test('a new name stands in the first schema of the path, or beside what is renamed', () => {
  refusedFor('create on ledger.*', 'create table t (a int)', 'create on public.t', ['public', 'ledger']);
  allowed('create on ledger.*', 'create table t (a int)', ['ledger', 'public']);
  refusedFor('alter on hr.*', 'alter table salaries rename to x', 'create on hr.x', ['ledger', 'hr']);
  assert.equal(decide('create on ledger.*', 'create table t (a int)', [])?.code, 'POSTERN_STATEMENT_UNSEEN');
});

test('without the names of the database, a name that needs them is refused with a hint to qualify it', () => {
  for (const [sql, path] of [
    ['select * from entries', ['ledger', 'public']],
    ['select * from entries', []],
    ['select lower(x) from ledger.entries', ['ledger']],
    ['select * from pg_class', ['ledger']],
    ['drop type e', ['ledger', 'public']],
  ] as const) {
    const denial = decide('all on *.*', sql, path, null);
    assert.equal(denial?.code, 'POSTERN_STATEMENT_UNSEEN', sql);
    assert.match(denial?.hint ?? '', /schema\./);
  }
  assert.equal(decide('select on ledger.*', 'select * from entries', ['ledger'], null), null);
});

test('system names are found before the path, and only harmless ones are free', () => {
  allowed('select on ledger.*', 'select * from pg_class');
  allowed('select on ledger.*', 'select * from pg_catalog.pg_class');
  allowed('select on ledger.*', 'select * from information_schema.tables');
  allowed('select on ledger.*', 'copy (select relname from pg_class) to stdout');
  refusedFor('select on ledger.*, *.*', 'select * from pg_authid', 'select on pg_catalog.pg_authid');
  refusedFor('all on *.*', 'update pg_class set relname = null', 'update on pg_catalog.pg_class');
  allowed('select on pg_catalog.pg_authid', 'select * from pg_authid');
});

test('a temporary object of the same name must be covered where the session may make one', () => {
  allowed('select on ledger.*', 'select * from entries');
  refusedFor('select on ledger.*; create on pg_temp.*', 'select * from entries', 'select on pg_temp.entries');
  allowed('select on ledger.*, pg_temp.*; create on pg_temp.*', 'select * from entries');
  allowed('select on ledger.*; create on pg_temp.*', 'select * from ledger.entries');
  refusedFor('select on *.*', 'select * from pg_temp.x', 'select on pg_temp.x');
  refusedFor('create on *.*', 'create temp table x (a int)', 'create on pg_temp.x');
});

test('a function that the path reaches beside the built-in one needs execute', () => {
  allowed('select on ledger.*', 'select abs(1)', ['ledger']);
  refusedFor('select on ledger.*', 'select abs(1)', 'execute on public.abs', ['ledger', 'public']);
  allowed('select on ledger.*', 'select pg_catalog.abs(1)', ['ledger', 'public']);
  allowed('execute on public.abs', 'select abs(1)', ['public']);
});

test('a function that is not known to be harmless needs execute wherever the path finds it', () => {
  refusedFor('select on ledger.*', 'select post(1)', 'execute on ledger.post');
  allowed('execute on ledger.*', 'select post(1)');
  allowed('execute on ledger.post', 'call ledger.post(1)');
  refusedFor('execute on ledger.*', 'select pg_read_file(1)', 'execute on pg_catalog.pg_read_file');
  refusedFor('execute on *.*', "select pg_catalog.pg_read_file('x')", 'execute on pg_catalog.pg_read_file');
});

test('a function called as if it were a column needs execute', () => {
  refusedFor(
    'select on ledger.*',
    'select e.full_name from ledger.entries e',
    'execute on public.full_name',
    ['public'],
  );
  refusedFor(
    'select on ledger.*',
    'select (e).full_name from ledger.entries e',
    'execute on public.full_name',
    ['public'],
  );
  allowed('select on ledger.*', 'select e.full_name from ledger.entries e', ['ledger']);
});

test('the record names verbs and resolved objects, sorted, once each', () => {
  const examined = examine('insert into entries select lower(a) from hr.salaries, accounts, ledger.entries');
  assert.ok(!(examined instanceof Promise));
  assert.deepEqual(touched(examined.classified, ['ledger'], catalog), {
    verbs: ['insert', 'select'],
    objects: ['hr.salaries', 'ledger.accounts', 'ledger.entries'],
  });
});

const withColumns = catalogFrom([
  ...rows.filter((row) => row.kind !== 'r'),
  {
    kind: 'r',
    schema: 'ledger',
    name: 'entries',
    oid: '1',
    relkind: 'r',
    columns: '[[1,"id",20],[2,"amount",1700],[3,"Note",25]]',
  },
  {
    kind: 'r',
    schema: 'hr',
    name: 'salaries',
    oid: '2',
    relkind: 'r',
    columns: '[[1,"id",20],[2,"pay",20]]',
  },
]);
const columnDenial = (scopeText: string, sql: string, names: RelationCatalog | null = withColumns) =>
  decide(scopeText, sql, ['ledger'], names);

test('a refusal for a column names it and hints the smallest scope', () => {
  const denial = columnDenial('select (id) on ledger.entries', 'select id, "Note", amount from entries');
  assert.equal(denial?.reason, 'no active grant covers select on columns "Note", amount of ledger.entries');
  assert.equal(denial?.scope, 'select ("Note", amount) on ledger.entries');
  const other = columnDenial('select (id) on ledger.entries', 'select pay from hr.salaries');
  assert.equal(other?.scope, 'select on hr.salaries');
  const none = columnDenial('select (nothing) on ledger.entries', 'select count(*) from entries');
  assert.equal(none?.scope, 'select on ledger.entries');
});

test('rights of several rules on the columns of one relation add up', () => {
  const scopeText = 'select (id) on ledger.*; select ("N*") on ledger.entries; select (am*) on *.entries';
  assert.equal(columnDenial(scopeText, 'select id, amount from entries'), null);
  // In quotes the asterisk is a letter.
  assert.equal(columnDenial(scopeText, 'select * from entries')?.scope, 'select ("Note") on ledger.entries');
  assert.equal(columnDenial('select (*) on ledger.entries', 'select * from entries'), null);
  assert.equal(columnDenial('select (id) on ledger.entries; select on ledger.*', 'table entries'), null);
});

test('rights on columns give nothing of what is about the whole relation', () => {
  const scopeText = 'select (*), insert (*), update (*), references (*) on ledger.entries';
  for (const [sql, missing] of [
    ['delete from entries where id = 1', 'delete'],
    ['truncate entries', 'truncate'],
    ['copy entries (id) to stdout', 'copy'],
    ['lock table entries', 'lock'],
    ['alter table entries add x int', 'alter'],
    ['analyze entries', 'maintain'],
  ] as const) {
    assert.equal(columnDenial(scopeText, sql)?.scope, `${missing} on ledger.entries`, sql);
  }
});

test('rights on columns are not enough where the columns are not known', () => {
  const scopeText = 'select (*) on *.*';
  assert.equal(
    columnDenial(scopeText, 'select id from ledger.brand_new')?.scope,
    'select on ledger.brand_new',
  );
  assert.equal(
    columnDenial(scopeText, 'select id from ledger.entries', null)?.scope,
    'select on ledger.entries',
  );
  // Wildcards do not reach system schemas, nor do columns.
  assert.equal(
    columnDenial(scopeText, 'select rolpassword from pg_catalog.pg_authid')?.scope,
    'select on pg_catalog.pg_authid',
  );
});
