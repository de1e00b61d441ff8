/**
 * The columns that the classifier finds, against a real PostgreSQL: a role that holds rights on exactly those columns can run the
 * statement, so none was overlooked, whatever way it is read; and beside each statement stands what it is thought to use.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { Classified } from '../src/protocols/postgres/classified.ts';
import {
  CATALOG_QUERY,
  type CatalogRow,
  catalogFrom,
  type RelationCatalog,
} from '../src/protocols/postgres/names.ts';
import { examine, loadParser } from '../src/protocols/postgres/parser.ts';
import { compileScope, covers, parseScope } from '../src/protocols/postgres/scope.ts';
import { usedColumns } from '../src/protocols/postgres/scope-columns.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { RandomQuery } from './support/random-query.ts';

const SETUP = `
create schema hr; create schema s;
create type hr.pair as (x int, y int);
create table hr.t (id int primary key, a int, b int, note text, p hr.pair);
create table s.u (id int primary key, a int, c int);
create table hr.parent (id int, a int, secret int) partition by list (id);
create table hr.child partition of hr.parent default;
create table hr.base (id int, a int); create table hr.heir (secret int) inherits (hr.base);
create view s.view as select id, a as seen, b as secret from hr.t;
create materialized view s.mat as select id, a from hr.t;
create function hr.f(int) returns int language sql as 'select 1';
create function hr.a_of(hr.t) returns int language sql as 'select 1';
insert into hr.t values (1, 1, 1, 'x', '(1,2)'); insert into s.u values (1, 1, 1);
create role probe; grant usage on schema hr, s to probe; grant delete on hr.t, s.u to probe;
grant execute on all functions in schema hr to probe;
`;

/** A statement, and below it the columns: `+` reads, `>` inserts, `=` updates, `^` points at; `some`: any one. */
const CASES = `
select id, a from hr.t
  + hr.t(a id)
select t.id from hr.t
  + hr.t(id)
select hr.t.id from hr.t
  + hr.t(id)
select * from hr.t
  + hr.t(a b id note p)
table hr.t
  + hr.t(a b id note p)
select t.* from hr.t, s.u
  + hr.t(a b id note p)
  + s.u(some)
select x from hr.t x
  + hr.t(a b id note p)
select t::text from hr.t
  + hr.t(a b id note p)
select row_to_json(t) from hr.t
  + hr.t(a b id note p)
select json_agg(x.*) from hr.t x
  + hr.t(a b id note p)
select count(t) from hr.t
  + hr.t(a b id note p)
select (t).a from hr.t
  + hr.t(a b id note p)
select a(t) from hr.t
  + hr.t(a b id note p)
select t.to_json from hr.t
  + hr.t(a b id note p)
select t.a_of from hr.t
  + hr.t(a b id note p)
select t is null from hr.t
  + hr.t(a b id note p)
select row(t.*) from hr.t
  + hr.t(a b id note p)
select 1 from hr.t order by t
  + hr.t(a b id note p)
select count(*) from hr.t
  + hr.t(some)
select 1 from hr.t
  + hr.t(some)
select exists (select from hr.t)
  + hr.t(some)
select (p).x from hr.t
  + hr.t(p)
select ctid, id from hr.t
  + hr.t(ctid id)
select xmin, id from hr.t t1
  + hr.t(id xmin)
select a + 1 as total from hr.t where b > 0 group by a having max(id) > 0 order by total
  + hr.t(a b id)
select distinct on (b) id from hr.t order by b, a
  + hr.t(a b id)
select sum(a) over (partition by b order by id) from hr.t
  + hr.t(a b id)
select sum(a) filter (where b > 0) from hr.t
  + hr.t(a b)
select string_agg(note, ',' order by id) from hr.t
  + hr.t(id note)
select percentile_cont(0.5) within group (order by a) from hr.t
  + hr.t(a)
select a, grouping(a) from hr.t group by rollup (a)
  + hr.t(a)
select t.a, u.c from hr.t join s.u on t.id = u.id
  + hr.t(a id)
  + s.u(c id)
select c from hr.t join s.u using (id)
  + hr.t(id)
  + s.u(c id)
select j.id from hr.t join s.u using (id) as j
  + hr.t(a b id note p)
  + s.u(a c id)
select j.c from (hr.t join s.u using (id)) j
  + hr.t(a b id note p)
  + s.u(a c id)
select 1 from hr.t natural join s.u
  + hr.t(a b id note p)
  + s.u(a c id)
select e.one from hr.t e (one, two)
  + hr.t(a b id note p)
select two from hr.t e (one, two)
  + hr.t(a b id note p)
select x.id from (select id from hr.t) x
  + hr.t(id)
select * from (select id from hr.t) x
  + hr.t(id)
select x from (select id from hr.t) x
  + hr.t(id)
select x.* from (select * from s.u) x, hr.t
  + hr.t(some)
  + s.u(a c id)
with w as (select id from hr.t) select * from w
  + hr.t(id)
with w as (select id, a from hr.t) select w.a from w join s.u on u.id = w.id
  + hr.t(a id)
  + s.u(id)
with recursive w (n) as (select id from hr.t union all select n + 1 from w where n < 3) select n from w
  + hr.t(id)
select id from hr.t union select c from s.u order by 1
  + hr.t(id)
  + s.u(c)
select (select max(c) from s.u where u.id = t.id) from hr.t
  + hr.t(id)
  + s.u(c id)
select id from hr.t where a in (select c from s.u)
  + hr.t(a id)
  + s.u(c)
select id from hr.t where (a, b) = (select c, u.a from s.u)
  + hr.t(a b id)
  + s.u(a c)
select x.n from hr.t, lateral (select t.a as n) x
  + hr.t(a)
select x.n from hr.t, lateral (select max(c) as n from s.u where u.id = t.id) x
  + hr.t(id)
  + s.u(c id)
select g from hr.t, generate_series(1, a) g
  + hr.t(a)
select x.v from hr.t, unnest(array[a, b]) with ordinality x (v, o)
  + hr.t(a b)
select j.* from hr.t, json_table(to_json(note), '$' columns (v text path '$')) j
  + hr.t(note)
select x.* from hr.t, xmltable('/r' passing xml(note) columns v text path '.') x
  + hr.t(note)
select id from hr.t tablesample system (50) repeatable (1)
  + hr.t(id)
select hr.f(a) from hr.t
  + hr.t(a)
select case when a > 0 then b else id end from hr.t
  + hr.t(a b id)
select id from hr.t for update
  + hr.t(id)
  = hr.t(some)
select id from s.u limit (select max(a) from hr.t)
  + hr.t(a)
  + s.u(a id)
select "id" from "hr"."t" "a"
  + hr.t(id)
select "a" from hr.t "a"
  + hr.t(a b id note p)
select seen from s.view
  + s.view(seen)
select * from s.view
  + s.view(id secret seen)
select id from s.mat
  + s.mat(id)
select a from hr.parent
  + hr.parent(a)
select a from only hr.base
  + hr.base(a)
select * from hr.base
  + hr.base(a id)
values ((select a from hr.t limit 1))
  + hr.t(a)
insert into hr.t (id, a) values (2, 2)
  > hr.t(a id)
insert into hr.t values (2, 2)
  > hr.t(a b id note p)
insert into hr.t default values
  > hr.t(a b id note p)
insert into hr.t (id, p.x) values (7, 1)
  > hr.t(id p)
insert into hr.t (id) select id + 100 from s.u
  > hr.t(id)
  + s.u(id)
insert into hr.t (id) values (3) returning id, a
  > hr.t(id)
  + hr.t(a id)
insert into hr.t (id) values (3) returning *
  > hr.t(id)
  + hr.t(a b id note p)
insert into hr.t (id) values (3) returning t
  > hr.t(id)
  + hr.t(a b id note p)
insert into hr.t (id) values (3) returning new.b
  > hr.t(id)
  + hr.t(b)
insert into hr.t (id) values (3) returning with (new as n) n.b
  > hr.t(id)
  + hr.t(b)
insert into hr.t (id) values (1) on conflict do nothing
  > hr.t(id)
insert into hr.t (id) values (1) on conflict (id) do nothing
  > hr.t(id)
  + hr.t(id)
insert into hr.t (id) values (1) on conflict on constraint t_pkey do nothing
  > hr.t(id)
  + hr.t(a b id note p)
insert into hr.t (id, a) values (1, 5) on conflict (id) do update set a = excluded.a where t.b = 1
  > hr.t(a id)
  + hr.t(a b id)
  = hr.t(a)
insert into hr.t as x (id) values (1) on conflict (id) do update set (a, b) = (select u.c, 2 from s.u)
  > hr.t(id)
  + hr.t(id)
  = hr.t(a b)
  + s.u(c)
update hr.t set a = 5
  = hr.t(a)
update hr.t set a = b where id = 1
  = hr.t(a)
  + hr.t(b id)
update hr.t set p.x = 5
  = hr.t(p)
update hr.t set (a, b) = row(1, 2)
  = hr.t(a b)
update hr.t as x set a = u.c from s.u where u.id = x.id
  = hr.t(a)
  + hr.t(id)
  + s.u(c id)
update hr.t set a = 5 returning old.b, new.a
  = hr.t(a)
  + hr.t(a b)
update hr.t set a = 5 returning *
  = hr.t(a)
  + hr.t(a b id note p)
delete from hr.t where id = 1
  + hr.t(id)
delete from hr.t using s.u where u.id = t.id returning t.a, c
  + hr.t(a id)
  + s.u(c id)
merge into hr.t using s.u on t.id = u.id when matched then update set a = u.c when not matched then insert (id) values (u.id)
  > hr.t(id)
  + hr.t(id)
  = hr.t(a)
  + s.u(c id)
merge into hr.t using (select id from s.u) x on t.id = x.id when matched and b > 5 then update set note = 'y'
  + hr.t(b id)
  = hr.t(note)
  + s.u(id)
copy hr.t (id, a) to stdout
  + hr.t(a id)
copy hr.t to stdout
  + hr.t(a b id note p)
copy (select id from hr.t) to stdout
  + hr.t(id)
explain select id from hr.t
  + hr.t(id)
prepare p1 as select id from hr.t where a = $1
  + hr.t(a id)
declare c1 cursor for select id from hr.t
  + hr.t(id)
create temp table x1 as select id from hr.t
  + hr.t(id)
create temp view x2 as select id from hr.t
  + hr.t(id)
create temp table x3 (like hr.t)
  + hr.t(a b id note p)
create temp table x4 (id int references hr.t (id))
  ^ hr.t(id)
create temp table x5 (id int references hr.t)
  ^ hr.t(a b id note p)
`;

const MARKS = { select: '+', insert: '>', update: '=', references: '^' } as const;
type ColumnVerb = keyof typeof MARKS;

interface Case {
  readonly sql: string;
  readonly expected: readonly string[];
}

function readCases(): Case[] {
  const cases: { sql: string; expected: string[] }[] = [];
  for (const line of CASES.split('\n').filter((each) => each !== '')) {
    if (line.startsWith('  ')) cases.at(-1)?.expected.push(line.slice(2));
    else cases.push({ sql: line, expected: [] });
  }
  return cases;
}

let server: TestPostgres;
let client: pg.Client;
let catalog: RelationCatalog;

before(async () => {
  await loadParser();
  server = await startPostgres({ tls: false });
  const { user, password } = server.superuser;
  client = new pg.Client({ host: server.host, port: server.port, user, password, database: 'postgres' });
  await client.connect();
  await client.query(SETUP);
  catalog = catalogFrom((await client.query<CatalogRow>(CATALOG_QUERY)).rows);
});

after(async () => {
  await client?.end();
  await server?.stop();
});

async function classified(sql: string): Promise<Classified> {
  const { classified } = await examine(sql);
  assert.equal(classified.denied, null, sql);
  return classified;
}

interface Used {
  readonly verb: ColumnVerb;
  readonly relation: string;
  readonly columns: readonly string[];
}

function used({ columns }: Classified): Used[] {
  return columns.map((use) => {
    const relation = catalog.relation(use.schema ?? '', use.name);
    assert.ok(relation, use.name);
    const found = [...usedColumns(use.verb, use, relation)].sort();
    return { verb: use.verb as ColumnVerb, relation: `${use.schema}.${use.name}`, columns: found };
  });
}

/** Null when it went well. Nothing of it stays. */
async function runWith(grants: readonly string[], sql: string): Promise<string | null> {
  await client.query('begin');
  try {
    for (const grant of grants) await client.query(`grant ${grant} to probe`);
    // Foreign keys of temporary tables cannot point at others.
    if (sql.includes('references')) await client.query('grant create on schema s to probe');
    await client.query('set local role probe; set local search_path = hr');
    const text = sql.includes('references') ? sql.replace('temp table ', 'table s.') : sql;
    await client.query(text.startsWith('copy') ? `explain ${copied(text)}` : text);
    return null;
  } catch (error) {
    return `${(error as { code?: string }).code} ${String(error)}`;
  } finally {
    await client.query('rollback');
    await client.query('discard all');
  }
}

/** The query that moves the same. */
function copied(sql: string): string {
  const query = /^copy \((.*)\) to/.exec(sql);
  if (query !== null) return query[1] as string;
  const [, table, columns] = /^copy (\S+) (?:\((.*)\) )?to/.exec(sql) ?? [];
  return `select ${columns ?? '*'} from ${table}`;
}

/** One column stands for any. */
const some = ({ relation }: Used, which = 0): string => {
  const [schema = '', name = ''] = relation.split('.');
  const columns = catalog.columnsOf(schema, name) ?? [];
  return columns[which % columns.length]?.name ?? '';
};

test('each statement uses the columns that are written below it', async () => {
  for (const { sql, expected } of readCases()) {
    const found = used(await classified(sql)).map(
      ({ verb, relation, columns }) => `${MARKS[verb]} ${relation}(${columns.join(' ') || 'some'})`,
    );
    assert.deepEqual(found.sort(), [...expected].sort(), sql);
  }
});

test('rights on these columns are enough: none that PostgreSQL reads or writes was overlooked', async () => {
  const failed: string[] = [];
  for (const { sql } of readCases()) {
    // Here PostgreSQL wants a right on the table as a whole.
    if (sql.includes('(like')) continue;
    const grants = used(await classified(sql)).map(
      (each) => `${each.verb} (${each.columns.join(', ') || some(each)}) on ${each.relation}`,
    );
    const error = await runWith(grants, sql);
    // Other failures than of rights are of no interest, but they hide what they come before.
    if (error !== null && !/^(23|428C9|22)/.test(error))
      failed.push(`${error}: ${sql} with ${grants.join('; ')}`);
  }
  assert.deepEqual(failed, []);
});

test('random queries read no column that was not found, whatever they are made of', async (t) => {
  const seed = Number(process.env.COLUMNS_SEED ?? (process.env.CI ? 4711 : Date.now() % 1_000_000));
  const count = Number(process.env.COLUMNS_COUNT ?? 1500);
  t.diagnostic(`seed ${seed}`);
  let ran = 0;
  for (let each = seed; each < seed + count; each++) {
    const sql = new RandomQuery(each).statement();
    const what = (await examine(sql)).classified;
    // Not every text parses, and functions in attribute notation are another matter.
    if (what.denied !== null) continue;
    const uses = used(what);
    // Of a relation that is there twice, one may be used by no column at all.
    const grants = uses.map(
      (use) =>
        `${use.verb} (${[...new Set([...use.columns, some(use, each)])].join(', ')}) on ${use.relation}`,
    );
    const error = await runWith(grants, sql);
    assert.doesNotMatch(error ?? '', /^42501/, `seed ${each}: ${sql} with ${grants.join('; ')}`);
    if (error === null) ran += 1;
  }
  t.diagnostic(`${ran} of ${count} were valid`);
  assert.ok(ran > count / 20, `${ran} of ${count}`);
});

test('a scope of these columns covers the statement, and one with a column less does not', async () => {
  for (const { sql } of readCases()) {
    const what = await classified(sql);
    const uses = used(what);
    const rest = 'delete, copy, execute on hr.*, s.*; create on pg_temp.*';
    const scopeOf = (each: Used, columns: readonly string[]): string =>
      `${each.verb} (${columns.join(', ')}) on ${each.relation}`;
    const whole = uses.map((each) => scopeOf(each, each.columns.length === 0 ? [some(each)] : each.columns));
    const decide = (rules: readonly string[]) =>
      covers(compileScope(parseScope([...rules, rest].join('; '))), what, ['hr', 's'], catalog);
    assert.equal(decide(whole), null, `${sql} under ${whole.join('; ')}`);
    for (const [index, each] of uses.entries()) {
      const others = whole.filter((_, at) => at !== index);
      assert.equal(decide(others)?.scope, `${each.verb} on ${each.relation}`, sql);
      for (const column of each.columns) {
        const less = each.columns.filter((other) => other !== column);
        const denial = decide([...others, scopeOf(each, less.length === 0 ? ['no_such'] : less)]);
        assert.equal(denial?.code, 'POSTERN_SCOPE_DENIED', `${sql} without ${column}`);
        assert.equal(denial.scope, `${each.verb} (${column}) on ${each.relation}`, sql);
      }
    }
  }
});
