/** Ways round the conditions of a grant, each tried against a real server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { say, WireClient } from './support/wire-client.ts';

describe('ways round the conditions of a grant', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '1'] });
    await bank.server.query(
      `create schema box; create schema hr2; grant usage, create on schema box, hr2 to ledger_app;
       create table box.n (id int primary key, note text); insert into box.n select i, 'note' from generate_series(1, 100) i;
       create table hr2.n (id int primary key, note text); insert into hr2.n values (1, 'secret');
       create table box.o (id int); insert into box.o values (5);
       create function box.all_n() returns setof box.n language sql as 'select * from box.n';
       grant all on all tables in schema box, hr2 to ledger_app; alter table box.n owner to ledger_app`,
      'bank',
    );
  });
  after(() => bank?.stop());

  let names = 0;
  const identity = (scope: string, conditions: object): Promise<Credential> => {
    names += 1;
    return bank.identity(`round-${names}`, scope, { conditions });
  };
  const wire = (who: Credential): Promise<WireClient> =>
    WireClient.login({ ...bank.postern.postgres, ca: bank.postern.caPem }, who, 'ledger-db');
  const untouched = async (): Promise<void> => {
    const [row] = await bank.server.query<{ n: number }>(
      "select count(*)::int as n from box.n where note = 'note'",
      'bank',
    );
    assert.equal(row?.n, 100);
  };

  it('maxRows: no cursor, function, string or execution gives more rows than one result may have', async () => {
    const who = await identity('select, insert, execute, copy on box.*', { maxRows: 5 });
    for (const steps of [
      [
        'begin; declare c cursor with hold for select id from box.n; commit',
        'fetch 3 from c',
        'fetch 3 from c',
        'fetch 3 from c',
      ],
      [
        'begin; declare c scroll cursor for select id from box.n',
        'fetch 5 from c',
        'fetch backward 4 from c',
        'fetch absolute 7 from c',
      ],
      ['begin; declare c cursor for select id from box.n', 'fetch 4 from c; fetch 4 from c; fetch 4 from c'],
      ['begin; declare c cursor for select id from box.n', 'move 50 in c', 'fetch all from c'],
      ['select id from box.n limit 3; select id from box.n limit 3; select id from box.n limit 3'],
      ['select id from box.all_n()'],
      ['prepare p as select id from box.n', 'execute p'],
      ['copy box.n (id) to stdout', 'rollback'],
      ['table box.n'],
      ['select unnest(array_agg(id)) from box.n'],
      [
        'explain (analyze, verbose, buffers) select a.id from box.n a join box.n b using (id) join box.n c using (id)',
      ],
    ]) {
      const client = await wire(who);
      let rows = 0;
      for (const step of steps) {
        const heard = await client.ask([say.query(step)]);
        rows += heard.filter((each) => each === 'D' || each === 'd').length;
      }
      assert.ok(rows <= 5, `${rows}: ${steps.join(' / ')}`);
      client.socket.destroy();
    }
  });

  it('maxRows counts rows, not what is packed into one: that is for maxRowBytes', async () => {
    const sql = "select string_agg(repeat(note, 100), ',') from box.n";
    const rows = await bank.connect(await identity('select on box.*', { maxRows: 1 }));
    assert.equal((await rows.query(sql)).rowCount, 1);
    const bytes = await bank.connect(await identity('select on box.*', { maxRows: 1, maxRowBytes: 1024 }));
    for (const packed of [
      sql,
      'select json_agg(a) from box.n a, box.o b, box.n c',
      'select array_agg(a) from box.n a, box.n b',
      'select array(select a from box.n a, box.n b)',
      'select xmlagg(xmlelement(name x, a.id)) from box.n a, box.n b',
    ]) {
      assert.equal((await databaseError(bytes.query(packed))).code, '54000', packed);
    }
    for (const client of [rows, bytes]) await client.end();
  });

  it('requireWhere: nothing changes a whole table by a condition that is about something else', async () => {
    const client = await bank.connect(await identity('all on box.*', { requireWhere: true }));
    await client.query('prepare one as select id from box.n where id = $1');
    for (const sql of [
      'truncate box.n',
      'truncate only box.n restart identity',
      'delete from box.n using box.o where o.id = 5',
      "update box.n set note = 'x' from box.o where o.id = 5",
      'delete from box.n where exists (select 1 from box.o where id = 5)',
      'delete from box.n where (select true from box.o limit 1)',
      'delete from box.n where current_user is not null',
      "update box.n as t set note = 'x' where 'n' is not null",
      "update box.n set note = 'x' where true returning *",
      'merge into box.n n using box.o o on o.id = 5 when matched then delete',
      'merge into box.n n using (select 0 as i) o on n.id = o.i when not matched by source then delete',
      "with x as (update box.n set note = 'x' returning 1), y as (select 1) select * from x",
      'copy (delete from box.n returning id) to stdout',
      'explain (analyze) delete from box.n',
      'prepare gone as delete from box.n where true',
      'begin; truncate box.n; commit',
    ]) {
      const error = await databaseError(client.query(sql));
      assert.match(error.message, /no UPDATE or DELETE without a WHERE, and no TRUNCATE/, sql);
      await client.query('rollback');
    }
    await untouched();
    await client.query('begin');
    await client.query('delete from box.n where exists (select 1 from box.o where o.id = n.id)');
    await client.query('merge into box.n n using box.o o on n.id = o.id when matched then delete');
    await client.query('declare c cursor for select id from box.n for update');
    await client.query('fetch 1 from c');
    await client.query('delete from box.n where current of c');
    await client.query('rollback');
    await client.end();
  });

  it('fingerprints: a statement that says the same of another schema is another statement', async () => {
    const sql = 'select note from box.n where id = 1';
    const first = await identity('select on box.*', {});
    const probe = await bank.connect(first);
    await probe.query(sql);
    await probe.end();
    const last = (await bank.commands(first.username)).at(-1);
    const { record } = await bank.statement(last?.id ?? '');
    const client = await bank.connect(
      await identity('select, create on box.*, hr2.*, pg_temp.*', { fingerprints: [record.fingerprint] }),
    );
    assert.equal((await client.query(sql)).rowCount, 1);
    assert.equal((await client.query('/* c */ SELECT "note"\nFROM box . n WHERE id = 77')).rowCount, 1);
    for (const other of [
      'select note from hr2.n where id = 1',
      'select note from n where id = 1',
      'select note from only box.n where id = 1',
      'select note from box.n where id = 1 or true',
      'select note from box.n where id = id',
      'select note from box.n as hr2 where id = 1 for update',
      'create temp table n (id int, note text)',
    ]) {
      assert.match((await databaseError(client.query(other))).message, /fingerprint|no active grant/, other);
    }
    await client.query('set search_path = hr2');
    assert.equal((await client.query(sql)).rows[0].note, 'note');
    await client.end();
  });

  it('noDdl: nothing is made, changed or dropped by another word', async () => {
    const client = await bank.connect(await identity('all on box.*, pg_temp.*', { noDdl: true }));
    const before = await bank.server.query(
      "select relname from pg_class where relnamespace = 'box'::regnamespace",
      'bank',
    );
    for (const sql of [
      'select * into box.made from box.n',
      'select * into temp made from box.n',
      'create table box.made as table box.n',
      'create table box.made as execute p',
      'create unlogged table box.made (n int)',
      'create materialized view box.made as select 1 as n',
      'create or replace view box.made as select 1 as n',
      'create sequence box.made',
      'create schema made',
      "do $$ begin execute 'create table box.made (n int)'; end $$",
      "create function box.made() returns int language sql as 'select 1'",
      'create index concurrently made on box.n (note)',
      'alter table box.n rename to made',
      'alter table box.n owner to current_user',
      'alter index box.n_pkey rename to made',
      "comment on column box.n.note is 'made'",
      "security label on table box.n is 'made'",
      'drop index box.n_pkey',
      'drop owned by current_user',
      'reassign owned by current_user to postgres',
      'import foreign schema box from server x into box',
      'explain analyze create table box.made as select 1 as n',
      'prepare made as create table box.made (n int)',
      'begin; create table box.made (n int); commit',
      'with x as (select 1) select * into box.made from x',
    ]) {
      await databaseError(client.query(sql));
      await client.query('rollback');
    }
    assert.deepEqual(
      await bank.server.query(
        "select relname from pg_class where relnamespace = 'box'::regnamespace",
        'bank',
      ),
      before,
    );
    await client.end();
  });
});
