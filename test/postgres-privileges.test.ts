/**
 * The classifier against a real PostgreSQL: a role that holds exactly the privileges which the classifier says a statement needs
 * can run it, so nothing it touches was overlooked; and where one of them is taken away, PostgreSQL refuses, so
 * nothing was made up.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { Access } from '../src/protocols/postgres/classified.ts';
import {
  CATALOG_QUERY,
  type CatalogRow,
  catalogFrom,
  effectivePath,
} from '../src/protocols/postgres/names.ts';
import { examine, loadParser } from '../src/protocols/postgres/parser.ts';
import { compileScope, covers, parseScope } from '../src/protocols/postgres/scope.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

const SETUP = `
create schema hr; create schema s;
create table hr.t (id int primary key, a int, b int, c text);
create table hr.salaries (id int, a int, b int, amount int);
create table s.u (id int primary key, a int, b int);
create table s.v (id int, a int, b int);
create table hr.parent (id int, a int) partition by list (id);
create table hr.child partition of hr.parent default;
create view s.view as select id, a from hr.t;
create sequence hr.seq;
create function hr.f(int default 0) returns int language sql as 'select 1';
create function hr.total(hr.salaries) returns int language sql as 'select 1';
create procedure hr.p() language sql as 'select 1';
insert into hr.t values (1, 1, 1, 'x'); insert into s.u values (1, 1, 1);
revoke execute on all routines in schema hr from public;
create role probe; grant usage on schema hr, s to probe;
`;

/** All names are qualified: how others are resolved is tested elsewhere. */
const STATEMENTS = `
select * from hr.t
table hr.t
select count(*) from hr.t
select t.a from hr.t join s.u using (id)
select (select max(a) from hr.t)
select exists (select 1 from hr.t where hr.t.id = 1)
select 1 where 1 in (select id from s.u)
with w as (select * from hr.t) select * from w
with t as (select 1 as id) select * from hr.t
with recursive w as (select id from s.u union all select w.id + 1 from w join s.v on s.v.id = w.id) select * from w
select * from hr.t union all select id, a, b, 'x' from s.u
select * from s.view
select * from hr.parent
select * from only hr.child
select * from lateral (select a from hr.t) x
select * from hr.t tablesample system (50)
select sum(a) over (partition by b) from hr.t window w as (order by id)
select * from hr.t for update
select * from hr.t, s.u for share of t
select * from (select id from hr.t) x for update
select x.* from hr.t x, s.u y where x.id = y.id for update of y
select t from hr.t
select json_agg(t) from hr.t
select xmlforest(a) from hr.t
select * from json_table('{}', '$' columns (a int path '$.a')) j, hr.t
select * from rows from (unnest(array(select a from hr.t))) x
select hr.f()
select * from hr.f()
select a from s.u where hr.f(a) = 1
select 1 operator(pg_catalog.+) 1
values ((select 1 from hr.t limit 1))
insert into hr.t values (2, 2, 2, 'x')
insert into hr.t (id) select id + 100 from s.u
insert into hr.t values (3) returning id
insert into hr.t values (1) on conflict do nothing
insert into hr.t values (1) on conflict (id) do nothing
insert into hr.t values (1, 5) on conflict (id) do update set a = excluded.a
insert into hr.t values (1, 5) on conflict (id) do update set a = (select max(a) from s.u) where t.b = 1
with w as (insert into s.v values (1) returning id) select * from w
with w as (delete from s.v returning *) insert into hr.t (id) select id from w
update hr.t set a = 5
update hr.t set a = b
update hr.t set a = 5 where id = 1
update hr.t set a = 5 returning id
update hr.t set (a, b) = (select a, b from s.u where s.u.id = 1)
update hr.t set a = u.a from s.u where u.id = t.id
delete from s.v
delete from hr.t where id = 1
delete from hr.t using s.u where t.id = u.id
delete from s.v returning id
merge into hr.t using s.u on t.id = u.id when matched then update set a = u.a when not matched then insert (id) values (u.id)
merge into hr.t using s.u on t.id = u.id when matched and u.a > 5 then delete
truncate hr.t
lock table hr.t in access share mode
copy hr.t to stdout
copy (select id from hr.t join s.u using (id)) to stdout
copy (delete from s.v returning id) to stdout
explain select * from hr.t
explain analyze delete from s.v
prepare p1 as select * from hr.t; execute p1
declare c1 cursor for select * from hr.t; fetch c1
create temp table x1 as select * from hr.t
select * into temp x2 from s.u
create temp table x3 (like hr.t)
create temp view x4 as select * from hr.t; select * from x4
call hr.p()
analyze hr.t
create temp table x5 (id int default hr.f()); insert into x5 default values
`
  .trim()
  .split('\n');

/** Where PostgreSQL is content with less: bulk moves need `copy`, LOCK any of several privileges, and the like. */
function required(access: Access): string | null {
  const on =
    access.kind === 'function'
      ? `routine ${access.schema}.${access.name}`
      : `${access.schema}.${access.name}`;
  if (access.schema === null || access.schema.startsWith('pg_')) return null;
  switch (access.verb) {
    case 'copy':
    case 'create':
      return null;
    case 'lock':
      return `select on ${on}`;
    default:
      return `${access.verb} on ${on}`;
  }
}

/**
 * Where the classifier asks for more on purpose: columns of a subquery may be the target's own, and ANALYZE without the
 * privilege skips the table with a warning.
 */
const MORE_THAN_NEEDED: ReadonlySet<string> = new Set([
  'update hr.t set (a, b) = (select a, b from s.u where s.u.id = 1)',
  'analyze hr.t',
]);

let server: TestPostgres;
let client: pg.Client;

before(async () => {
  await loadParser();
  server = await startPostgres({ tls: false });
  client = new pg.Client({
    host: server.host,
    port: server.port,
    user: server.superuser.user,
    password: server.superuser.password,
    database: 'postgres',
  });
  await client.connect();
  await client.query(SETUP);
});

after(async () => {
  await client?.end();
  await server?.stop();
});

async function accessesOf(sql: string): Promise<readonly Access[]> {
  const accesses: Access[] = [];
  for (const statement of sql.split('; ')) {
    const { classified } = await examine(statement);
    assert.equal(classified.denied, null, statement);
    accesses.push(...classified.accesses);
  }
  return accesses;
}

/** Runs it as a role with these privileges; the SQLSTATE, or null when it went well. Nothing of it stays. */
async function runWith(grants: readonly string[], sql: string): Promise<string | null> {
  await client.query('begin');
  try {
    for (const grant of grants) await client.query(`grant ${grant} to probe`);
    await client.query('set local role probe');
    for (const statement of sql.split('; ')) await client.query(statement);
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await client.query('rollback');
    await client.query('discard all');
  }
}

test('what the classifier lists is enough: no statement fails for a privilege it did not name', async () => {
  const failed: string[] = [];
  for (const sql of STATEMENTS) {
    const grants = (await accessesOf(sql)).map(required).filter((each) => each !== null);
    const code = await runWith(grants, sql);
    if (code !== null) failed.push(`${code}: ${sql} with ${grants.join('; ')}`);
  }
  assert.deepEqual(failed, []);
});

test('what the classifier lists is needed: without any one of them PostgreSQL refuses', async () => {
  const failed: string[] = [];
  for (const sql of STATEMENTS.filter((each) => !MORE_THAN_NEEDED.has(each))) {
    const grants = (await accessesOf(sql)).map(required).filter((each) => each !== null);
    for (const missing of grants) {
      const fewer = grants.filter((each) => each !== missing);
      const code = await runWith(fewer, sql);
      if (code !== '42501') failed.push(`${code}: ${sql} without ${missing}`);
    }
  }
  assert.deepEqual(failed, []);
});

test('a function in attribute notation is found in the names of the database, and needs execute', async () => {
  const rows = await server.query<CatalogRow>(CATALOG_QUERY);
  const catalog = catalogFrom(rows);
  const path = effectivePath('hr, public', server.superuser.user, catalog, null);
  assert.deepEqual(path, ['hr', 'public']);
  assert.equal(catalog.has('hr', 'salaries'), true);
  assert.equal(catalog.has('pg_catalog', 'pg_class'), true);
  const [real] = await server.query<{ oid: number }>("select 'hr.salaries'::regclass::oid as oid");
  const salaries = catalog.relationByOid(real?.oid ?? 0);
  assert.deepEqual([salaries?.schema, salaries?.name, salaries?.kind], ['hr', 'salaries', 'r']);
  assert.equal(salaries, catalog.relation('hr', 'salaries'));
  const named = await server.query<{ number: number; name: string; type: number }>(
    `select attnum as number, attname as name, atttypid as type from pg_attribute
     where attrelid = 'hr.salaries'::regclass and attnum > 0 and not attisdropped order by attnum`,
  );
  assert.deepEqual(catalog.columnsOf('hr', 'salaries'), named);
  const sql = 'select x.total from hr.salaries x';
  assert.equal(await runWith(['select on hr.salaries'], `set local search_path = hr; ${sql}`), '42501');
  const { classified } = await examine(sql);
  assert.equal(
    covers(compileScope(parseScope('select on hr.*')), classified, path, catalog)?.scope,
    'execute on hr.total',
  );
  assert.equal(covers(compileScope(parseScope('select, execute on hr.*')), classified, path, catalog), null);
});

test('every function that is free is open to everyone', async () => {
  const { HARMLESS_FUNCTIONS } = await import('../src/protocols/postgres/functions-list.ts');
  const rows = await server.query<{ name: string; volatile: boolean; acl: boolean }>(
    `select proname as name, bool_or(provolatile = 'v') as volatile, bool_or(proacl is not null) as acl
       from pg_proc where pronamespace = 'pg_catalog'::regnamespace group by 1`,
  );
  const known = new Map(rows.map((row) => [row.name, row]));
  // A few are gone from this version: the list is of all versions that are supported.
  const here = HARMLESS_FUNCTIONS.filter((name) => known.has(name));
  assert.ok(HARMLESS_FUNCTIONS.length - here.length < 20);
  for (const name of here) assert.equal(known.get(name)?.acl, false, name);
});
