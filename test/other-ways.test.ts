/**
 * Everything that reaches data another way than by its name in a plain query. The upstream user is a superuser here, so nothing
 * but the scope stands between; and each reading statement is shown to reach the secret where no scope is in its way.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { say, WireClient } from './support/wire-client.ts';

const SECRET = 'quiet-heron-42';

/** With the schema in scope on it. */
const PATH = '-c search_path=shop,public';

const SETUP = `
create schema shop; create schema vault; create extension dblink schema vault;
create table vault.secret (id int primary key, note text, code text);
insert into vault.secret values (1, 'plain', '${SECRET}');
create table shop.goods (id int primary key, name text); insert into shop.goods values (1, 'tea');
create table shop.stock (id int, name text);
create view vault.peek as select code from vault.secret;
create materialized view vault.kept as select code from vault.secret;
create table vault.parts (id int, code text) partition by list (id);
create table vault.part partition of vault.parts default; insert into vault.parts values (1, '${SECRET}');
create table vault.base (id int); create table vault.heir (code text) inherits (vault.base);
insert into vault.heir values (1, '${SECRET}');
create function vault.tell() returns text language sql security definer as 'select code from vault.secret';
create function vault.rows() returns setof vault.secret language sql security definer as 'select * from vault.secret';
create function shop.hint(shop.goods) returns text language sql security definer as 'select code from vault.secret';
create function vault.tell_op(int, int) returns text language sql as 'select code from vault.secret';
create operator vault.### (leftarg = int, rightarg = int, function = vault.tell_op);
create type vault.token as (n int);
create function vault.tell_cast(vault.token) returns text language sql as 'select code from vault.secret';
create cast (vault.token as text) with function vault.tell_cast(vault.token);
create function vault.tell_agg(text, int) returns text language sql as 'select code from vault.secret';
create aggregate vault.leak(int) (sfunc = vault.tell_agg, stype = text);
create procedure vault.act(inout told text) language sql as 'select code from vault.secret';
select lo_from_bytea(4711, '${SECRET}');
create table vault.many (code text); insert into vault.many select '${SECRET}' from generate_series(1, 20);
analyze vault.many;
`;

/** They show the secret to a superuser. `FROM` is a subquery that yields it. */
const READS = `
table vault.secret
select * from only vault.secret
select * from vault.secret *
select s from vault.secret s
select s.* from vault.secret as s
select (s).code from vault.secret s
select row_to_json(s) from vault.secret s
select s::text from vault.secret s
select code(s) from vault.secret s
select code from bank.vault.secret
select * from vault.peek
select * from vault.kept
select * from vault.parts
select * from vault.part
select * from only vault.part
select * from vault.heir
select code from vault.heir where id in (select id from vault.base)
select vault.tell()
select * from vault.tell()
select * from vault.rows()
select (vault.rows()).code
select * from rows from (vault.rows()) x
select hint from shop.goods g, lateral (select g.hint) x
select g.hint from shop.goods g
select shop.hint(g) from shop.goods g
select 1 operator(vault.###) 1
select 1 operator("vault".###) 1
select vault.leak(1)
select vault.leak(id) over () from shop.goods
call vault.act(null)
select query_to_xml('select code from vault.secret', true, false, '')
select query_to_xml_and_xmlschema('select code from vault.secret', true, false, '')
select table_to_xml('vault.secret', true, false, '')
select table_to_xml_and_xmlschema('vault.secret', true, false, '')
select schema_to_xml('vault', true, false, '')
select schema_to_xml_and_xmlschema('vault', true, false, '')
select database_to_xml(true, false, '')
select pg_catalog.query_to_xml('select code from vault.secret', true, false, '')
select word from ts_stat('select to_tsvector(''simple'', replace(code, ''-'', '''')) from vault.secret')
select * from vault.dblink('DSN', 'select code from vault.secret') as x (code text)
select convert_from(lo_get(4711), 'UTF8')
select convert_from(loread(lo_open(4711, 262144), 100), 'UTF8')
select convert_from(data, 'UTF8') from pg_largeobject
select most_common_vals from pg_stats where schemaname = 'vault'
select stavalues1 from pg_statistic where starelid = 'vault.many'::regclass
select query from pg_stat_activity where query like '%${SECRET}%'
select convert_from(pg_read_binary_file('base/' || oid || '/PG_VERSION'), 'UTF8') || (select code from vault.secret) from pg_database limit 1
with w as (select * from vault.secret) select * from w
with recursive w as (select code, 1 as n from vault.secret union all select code, n + 1 from w where n < 2) select * from w
with w as materialized (update vault.secret set note = note returning code) select * from w
select (select code from vault.secret)
select array(select code from vault.secret)
select * from shop.goods, lateral (select code from vault.secret) x
select name from shop.goods union all select code from vault.secret
select coalesce(null, (select code from vault.secret))
select case when true then (select code from vault.secret) end
select json_array(select code from vault.secret)
select json_object('a': (select code from vault.secret))
select xmlelement(name a, (select code from vault.secret))
select * from xmltable('/a' passing (select xmlelement(name a, code) from vault.secret) columns c text path '.')
select * from json_table((select to_jsonb(code) from vault.secret), '$' columns (c text path '$'))
select * from unnest(array(select code from vault.secret))
select string_agg(x.code, '') filter (where true) from (select code from vault.secret) x
select max((select code from vault.secret)) over () from shop.goods
values ((select code from vault.secret))
insert into shop.stock (name) values ((select code from vault.secret)) returning name
insert into shop.stock (name) table vault.peek returning name
update shop.goods set name = (select code from vault.secret) returning name
update shop.goods set name = s.code from vault.secret s returning name
insert into shop.goods values (1, '') on conflict (id) do update set name = (select code from vault.secret) returning name
merge into shop.goods g using vault.secret s on g.id = s.id when matched then update set name = s.code returning s.code
delete from shop.goods using vault.secret s returning s.code
explain (analyze, verbose, costs off) select code || '${SECRET}' from vault.secret
select * from U&"\\0076ault".U&"s\\0065cret"
select * from U&"!0076ault" uescape '!'.secret
select * from VAULT.SeCrEt
select * from "vault"."secret"
select * from vault/**/./* /* nested */ */secret
select * from vault -- one\\n. -- two\\nsecret
select code\\tfrom\\fvault.\\vsecret
prepare p as select code from vault.secret; execute p
begin; declare c cursor for select code from vault.secret; fetch all from c
`;

/** They do something that no statement through Postern may do, or write what they read to another place. */
const NEVER = `
copy vault.secret to stdout
copy (select code from vault.secret) to stdout
copy vault.peek (code) to stdout
copy shop.stock from program 'echo x'
copy shop.goods to program 'cat'
copy shop.goods to '/dev/null'
copy shop.stock from '/etc/hostname'
select pg_read_file('/etc/hostname')
select pg_catalog.pg_read_file('PG_VERSION')
select pg_read_binary_file('PG_VERSION')
select pg_ls_dir('.')
select * from pg_ls_logdir()
select (pg_stat_file('PG_VERSION')).size
select lo_import('/etc/hostname')
select lo_export(4711, '/dev/null')
select lo_put(4711, 0, 'x')
select lo_unlink(4711)
select vault.dblink_exec('DSN', 'select 1')
select vault.dblink_connect('DSN')
select pg_terminate_backend(1)
select pg_reload_conf()
select pg_switch_wal()
select pg_logical_emit_message(true, 'x', 'y')
select pg_create_restore_point('x')
select nextval('vault.none')
select cursor_to_xml('c', 1, true, false, '')
select ts_rewrite('a'::tsquery, 'select code::tsquery, code::tsquery from vault.secret')
do $$ begin perform 1; end $$
do language plpgsql $a$ begin execute 'select 1'; end $a$
create function shop.f() returns text language sql as $_$ select code from vault.secret $_$
create procedure shop.f() language sql as ''
create rule r as on select to shop.goods do instead select 1, code from vault.secret
create trigger t after insert on shop.goods for each row execute function vault.tell()
create event trigger e on ddl_command_start execute function vault.tell()
create cast (int as text) without function
create operator shop.+ (leftarg = text, rightarg = text, function = textcat)
create policy p on shop.goods using (true)
create extension postgres_fdw
create foreign data wrapper w
create server s foreign data wrapper w
create foreign table shop.f (x int) server s
import foreign schema public from server s into shop
create user mapping for current_user server s
create publication p for all tables
create subscription s connection 'host=x' publication p
create language plperl
create transform for int language sql (from sql with function vault.tell())
create table shop.x as table vault.secret
create table shop.x (like vault.secret)
create view shop.x as select * from vault.secret
create materialized view shop.x as select * from vault.secret
select * into shop.x from vault.secret
create rule r as on insert to shop.goods do also select 1
alter role ledger_app set search_path = vault
alter database bank set search_path = vault
alter function vault.tell() set search_path = shop
alter function vault.tell() owner to ledger_app
alter table vault.secret set schema shop
alter schema vault rename to shop2
alter view vault.peek rename to other
alter table vault.secret owner to ledger_app
alter table vault.secret disable row level security
alter table shop.goods enable trigger all
alter system set log_statement = 'all'
alter default privileges grant select on tables to public
grant select on vault.secret to public
reassign owned by ledger_app to postgres
set role ledger_app
set session authorization ledger_app
set session_replication_role = replica
set standard_conforming_strings = off
select set_config('standard_conforming_strings', 'off', false)
set client_encoding = 'SJIS'
set names 'LATIN1'
select set_config('client_encoding', 'BIG5', false)
select set_config('ro' || 'le', 'ledger_app', false)
set backslash_quote = on
set session_preload_libraries = 'x'
set lo_compat_privileges = on
load 'dblink'
truncate vault.secret
lock table vault.secret
comment on table vault.secret is 'x'
analyze vault.secret
refresh materialized view vault.kept
drop table vault.secret
listen vault
security label on table vault.secret is 'x'
prepare transaction 'x'
`;

const lines = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .map((line) =>
      line.replaceAll('\\n', '\n').replaceAll('\\t', '\t').replaceAll('\\f', '\f').replaceAll('\\v', '\v'),
    );

describe('what reaches data another way', () => {
  let bank: Bank;
  let who: Credential;
  let root: pg.Client;
  let dsn: string;
  before(async () => {
    bank = await Bank.start();
    await bank.server.query(SETUP, 'bank');
    const { superuser, host, port, caPem } = bank.server;
    await bank.resource('super-db', { upstream: superuser });
    await bank.principal('shopkeeper');
    const scope =
      'select, insert, update, delete, copy, create, alter, drop on shop.*; select (id, note) on vault.secret';
    const grant = await bank.grant('shopkeeper', scope, { resource: 'super-db' });
    who = await bank.credential('shopkeeper', grant);
    const { user, password } = superuser;
    dsn = `host=${host} port=${port} user=${user} password=${password} dbname=bank`;
    root = new pg.Client({ host, port, user, password, database: 'bank', ssl: { ca: caPem }, options: PATH });
    root.on('error', () => undefined);
    await root.connect();
  });
  after(async () => {
    await root?.end();
    await bank?.stop();
  });

  const door = () => ({ ...bank.postern.postgres, ca: bank.postern.caPem });
  const wire = (): Promise<WireClient> => WireClient.login(door(), who, 'super-db', [['options', PATH]]);
  const heard = (client: WireClient): string =>
    Buffer.concat(client.heard.map(({ bytes }) => bytes)).toString('utf8');

  it('shows the secret to nobody whose scope does not name it, while a superuser would see it', async () => {
    const client = await wire();
    for (const line of lines(READS)) {
      const sql = line.replaceAll('DSN', dsn);
      await root.query('begin');
      const shown = await root.query({ text: sql, rowMode: 'array' }).then(
        (result) => JSON.stringify(Array.isArray(result) ? result.map(({ rows }) => rows) : result.rows),
        (error) => String(error),
      );
      await root.query('rollback');
      await root.query('discard all');
      assert.match(
        shown.replaceAll('-', ''),
        /quietheron42/,
        `a superuser sees nothing: ${sql}: ${shown.slice(0, 200)}`,
      );
      client.heard.length = 0;
      const answer = await client.ask([say.query(sql)]);
      assert.match(answer.at(-2) ?? '', /^E (42501|0A000)/, `${sql}: ${answer.join(', ')}`);
      assert.match(client.error.get('M') ?? '', /^postern: /, sql);
      assert.doesNotMatch(heard(client).replaceAll('-', ''), /quietheron42/, sql);
      await client.ask([say.query('rollback')]);
    }
    await client.end();
  });

  it('is the same in the extended protocol', async () => {
    const client = await wire();
    for (const line of lines(READS).filter((each) => !each.includes(';'))) {
      client.heard.length = 0;
      const parts = [say.parse('', line), say.bind('', ''), say.execute(''), say.sync()];
      const answer = await client.ask(parts);
      assert.match(answer.at(-2) ?? '', /^E (42501|0A000)/, `${line}: ${answer.join(', ')}`);
      assert.doesNotMatch(heard(client).replaceAll('-', ''), /quietheron42/, line);
    }
    await client.end();
  });

  it('refuses what reads and writes files, runs programs, makes code or changes who sees what', async () => {
    const client = await wire();
    for (const line of lines(NEVER)) {
      client.heard.length = 0;
      const answer = await client.ask([say.query(line.replaceAll('DSN', dsn))]);
      assert.match(answer.at(-2) ?? '', /^E (42501|0A000)/, `${line}: ${answer.join(', ')}`);
      assert.match(client.error.get('M') ?? '', /^postern: /, line);
    }
    await client.end();
    assert.equal(
      (await bank.server.query("select 1 from pg_event_trigger where evtname = 'e'", 'bank')).length,
      0,
    );
  });

  it('follows the search path wherever it is set: to a schema out of scope it leads nowhere', async () => {
    const client = await bank.connect(who, { database: 'super-db' });
    for (const set of [
      'set search_path = vault',
      "select set_config('search_path', 'vault', false)",
      'set local search_path to vault, shop',
      "set schema 'vault'",
    ]) {
      await client.query('begin');
      await client.query(set);
      const error = await databaseError(client.query('select code from secret'));
      assert.match(error.message, /column code of vault\.secret/, set);
      await client.query('rollback');
    }
    const error = await databaseError(client.query('set search_path = vault; select code from secret'));
    assert.match(error.message, /earlier statement/);
    await client.end();
    const started = await WireClient.login(door(), who, 'super-db', [['options', '-c search_path=vault']]);
    assert.equal((await started.ask([say.query('select code from secret')])).at(-2), 'E 42501');
    await started.end();
  });

  it('takes no other string rules and no other encoding at the start of a session either', async () => {
    for (const parameter of [
      ['standard_conforming_strings', 'off'],
      ['options', '-c standard_conforming_strings=off'],
      ['client_encoding', 'SJIS'],
      ['client_encoding', 'LATIN1'],
      ['options', '-c client_encoding=BIG5'],
      ['options', '--role=ledger_app'],
      ['session_authorization', 'ledger_app'],
      ['backslash_quote', 'on'],
    ] as const) {
      await assert.rejects(
        WireClient.login(door(), who, 'super-db', [parameter]),
        /postern|not|only/,
        parameter.join(),
      );
    }
  });

  it('reads a text as the server does: NUL ends no statement early, and what is no UTF-8 is refused', async () => {
    const client = await wire();
    for (const text of [
      Buffer.from('select 1 \xff from vault.secret', 'latin1'),
      Buffer.from("select '\xbf' || code from vault.secret --'", 'latin1'),
      // In Big5 or SJIS the quote behind 0xbf would be part of a letter.
      Buffer.from("select '\xbf'; table vault.secret; --'", 'latin1'),
    ]) {
      const answer = await client.ask([say.query(text)]);
      assert.match(answer.at(-2) ?? '', /^E 42601/);
    }
    // An escape string, a dollar quote and a plain string of backslashes end where the server says.
    for (const text of [
      "select E'\\'', code from vault.secret --'",
      "select '\\', code from vault.secret --'",
      "select $$'$$, code from vault.secret --$$",
      'select $a$ $b$ $a$, code, $c$ $c$ from vault.secret',
      "select U&'\\0027', code from vault.secret --'",
      'select 1 as "a""b", code from vault.secret',
    ]) {
      const answer = await client.ask([say.query(text)]);
      assert.match(answer.at(-2) ?? '', /^E 42501/, text);
      assert.match(client.error.get('M') ?? '', /column code of vault\.secret/, text);
    }
    client.send(say.query(Buffer.from('select 1\0; table vault.secret')));
    await client.until(() => client.closed);
    assert.equal(client.error.get('C'), '08P01');
  });

  it('leaves to the database what it does of its own accord: casts, operators of the path, triggers, rules', async () => {
    await bank.server.query(
      `create operator shop.### (leftarg = int, rightarg = int, function = vault.tell_op);
       create table shop.orders (id int, told text);
       create function vault.fill() returns trigger language plpgsql as $$
         begin new.told := (select code from vault.secret); return new; end $$;
       create trigger fill before insert on shop.orders for each row execute function vault.fill()`,
      'bank',
    );
    const client = await wire();
    for (const sql of [
      'select row(1)::vault.token::text',
      'select 1 ### 1',
      'insert into shop.orders values (1) returning told',
    ]) {
      client.heard.length = 0;
      await client.ask([say.query(sql)]);
      assert.match(heard(client), new RegExp(SECRET), sql);
    }
    await client.end();
  });

  it('lets a view, a function and a parent read what they read where they are in scope themselves', async () => {
    await bank.principal('window-shopper');
    const grant = await bank.grant(
      'window-shopper',
      'select on vault.peek; select (code) on vault.parts; execute on vault.tell',
      { resource: 'super-db' },
    );
    const client = await bank.connect(await bank.credential('window-shopper', grant), {
      database: 'super-db',
    });
    for (const sql of [
      'select code from vault.peek',
      'select code from vault.parts',
      'select vault.tell()',
    ]) {
      assert.match(JSON.stringify((await client.query(sql)).rows), new RegExp(SECRET), sql);
    }
    for (const sql of ['select code from vault.part', 'select code from vault.secret', 'table vault.kept']) {
      assert.equal((await databaseError(client.query(sql))).code, '42501', sql);
    }
    await client.end();
  });
});
