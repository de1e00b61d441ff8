/** What a grant says beside its scope holds at every statement, for every way to send one, and the record says so. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { until } from './support/processes.ts';
import { say, WireClient } from './support/wire-client.ts';

describe('conditions of a grant', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start();
    await bank.server.query(
      `create schema box; grant usage, create on schema box to ledger_app;
       create table box.n (id int primary key, note text, secret text default 's');
       insert into box.n select i, 'note' from generate_series(1, 1000) i;
       create table box.log (id int); grant all on all tables in schema box to ledger_app`,
      'bank',
    );
  });
  after(() => bank?.stop());

  let names = 0;
  const identity = (scope: string, conditions: object): Promise<Credential> => {
    names += 1;
    return bank.identity(`conditional-${names}`, scope, { conditions });
  };
  const wire = (who: Credential): Promise<WireClient> =>
    WireClient.login({ ...bank.postern.postgres, ca: bank.postern.caPem }, who, 'ledger-db');
  const lastOf = async (who: Credential) => (await bank.commands(who.username)).at(-1);

  describe('maxRows', () => {
    const scope = 'select, insert, copy on box.*';

    it('cuts a longer result off with an error, and the session goes on', async () => {
      const who = await identity(scope, { maxRows: 10 });
      const client = await bank.connect(who);
      assert.equal((await client.query('select id from box.n limit 10')).rowCount, 10);
      const error = await databaseError(client.query('select id from box.n limit 11'));
      assert.equal(error.code, '54000');
      assert.match(error.message, /more than 10 rows/);
      const prepared = { text: 'select id from box.n where id > $1', values: [0] };
      assert.equal((await databaseError(client.query(prepared))).code, '54000');
      assert.equal((await client.query('select count(*) from box.n')).rows[0].count, '1000');
      await client.end();
      const rows = (await bank.commands(who.username)).filter(({ status }) => status === 'error');
      assert.deepEqual(
        rows.map(({ code, rows }) => [code, rows]),
        [
          ['POSTERN_LIMIT_EXCEEDED', 10],
          ['POSTERN_LIMIT_EXCEEDED', 10],
        ],
      );
    });

    it('lets no row beyond it through, whether the server was still at it or not', async () => {
      const client = await wire(await identity(scope, { maxRows: 3 }));
      for (const sql of [
        'select id from box.n limit 4',
        'select a.id from box.n a, box.n b, box.n c limit 2000000',
        'copy box.n (id) to stdout',
        'copy (select id from box.n limit 4) to stdout (format binary)',
        'values (1), (2), (3), (4)',
        'explain select a.id from box.n a, box.n b order by a.note, b.note',
      ]) {
        const answer = await client.ask([say.query(sql)]);
        assert.equal(
          answer.filter((each) => each === 'D' || each === 'd').length,
          3,
          `${sql}: ${answer.slice(-3)}`,
        );
        assert.deepEqual(answer.slice(-2), ['E 54000', 'Z I'], sql);
      }
      assert.deepEqual(await client.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      await client.end();
    });

    it('counts what is fetched of one cursor or portal together', async () => {
      const client = await wire(await identity(scope, { maxRows: 5 }));
      await client.ask([say.query('begin; declare c cursor for select id from box.n')]);
      assert.equal((await client.ask([say.query('fetch 3 from c')])).at(-2), 'C FETCH 3');
      assert.equal((await client.ask([say.query('fetch 2 from c')])).at(-2), 'C FETCH 2');
      assert.equal((await client.ask([say.query('fetch 1 from c')])).at(-2), 'E 54000');
      await client.ask([say.query('rollback')]);
      const portal = [say.parse('', 'select id from box.n'), say.bind('p', '')];
      const heard = await client.ask(
        [say.query('begin'), ...portal, say.execute('p', 4), say.execute('p', 4), say.sync()],
        2,
      );
      assert.equal(heard.filter((each) => each === 'D').length, 5);
      assert.equal(heard.at(-2), 'E 54000');
      await client.end();
    });

    it('is told as an error only where that is true: behind it nothing runs, else the session ends', async () => {
      const who = await identity(scope, { maxRows: 2 });
      const client = await wire(who);
      const three = [say.parse('', 'select id from box.n limit 3'), say.bind('', ''), say.execute('')];
      const insert = [say.parse('', 'insert into box.log values (1)'), say.bind('', ''), say.execute('')];
      // Sent one by one, the rest of the batch is skipped as after any error.
      client.send(...three, say.flush());
      await client.until((heard) => heard.some(({ type }) => type === 'E'));
      const before = await bank.server.query('select * from box.log', 'bank');
      const rest = await client.ask([...insert, say.sync()]);
      assert.deepEqual(rest, ['Z I']);
      assert.equal((await bank.server.query('select * from box.log', 'bank')).length, before.length);
      // Sent at once, what follows has run: the client must not believe that it was skipped.
      client.heard.length = 0;
      client.send(...three, ...insert, say.sync());
      await client.until(() => client.closed);
      assert.equal(client.error.get('V'), 'FATAL');
      assert.equal(client.error.get('C'), '54000');
      // The same for a result of rows that were changed.
      const other = await wire(who);
      other.send(say.query('insert into box.log values (1), (2), (3) returning id'));
      await other.until(() => other.closed);
      assert.equal(other.heard.filter(({ type }) => type === 'D').length, 2);
      assert.equal(other.error.get('V'), 'FATAL');
      assert.equal((await lastOf(who))?.code, 'POSTERN_LIMIT_EXCEEDED');
    });

    it('holds for each result of a pipeline, and what stands behind the Sync goes on', async () => {
      const client = await wire(await identity(scope, { maxRows: 2 }));
      const select = (limit: number): Buffer[] => [
        say.parse('', `select id from box.n limit ${limit}`),
        say.bind('', ''),
        say.describe('P', ''),
        say.execute(''),
        say.sync(),
      ];
      const heard = await client.ask([...select(2), ...select(3), ...select(1)], 3);
      assert.deepEqual(
        heard
          .join(' ')
          .split(' Z I')
          .map((each) => each.trim()),
        ['1 2 T D D C SELECT 2', '1 2 T D D E 54000', '1 2 T D C SELECT 1', ''],
      );
      await client.end();
    });
  });

  it('maxRowBytes refuses a larger row, and no part of it goes out', async () => {
    const client = await wire(await identity('select, copy on box.*', { maxRowBytes: 4096 }));
    assert.equal((await client.ask([say.query("select repeat('x', 4000)")])).at(-2), 'C SELECT 1');
    const heard = await client.ask([say.query("select repeat('x', 5000000)")]);
    assert.deepEqual(heard, ['T', 'E 54000', 'Z I']);
    assert.deepEqual(await client.ask([say.query("copy (select repeat('x', 5000)) to stdout")]), [
      'H',
      'E 54000',
      'Z I',
    ]);
    await client.end();
  });

  it('requireWhere refuses UPDATE and DELETE without a WHERE that looks at a column, at any depth', async () => {
    const client = await bank.connect(
      await identity('select, insert, update, delete on box.*', { requireWhere: true }),
    );
    for (const sql of [
      "update box.n set note = ''",
      'delete from box.n',
      'delete from box.n where true',
      "update box.n set note = '' where 1 = 1",
      'with gone as (delete from box.n returning id) select count(*) from gone',
      "explain analyze update box.n set note = ''",
      'merge into box.n using (values (1)) v (i) on true when matched then delete',
      'prepare all_gone as delete from box.n',
      'begin; delete from box.n; commit',
    ]) {
      const error = await databaseError(client.query(sql));
      assert.match(error.message, /no UPDATE or DELETE without a WHERE/, sql);
      assert.equal(error.code, '42501');
    }
    assert.equal((await client.query("update box.n set note = 'x' where id = 1")).rowCount, 1);
    assert.equal((await client.query('delete from box.n where id = $1', [1000])).rowCount, 1);
    await bank.server.query("insert into box.n values (1000, 'note')", 'bank');
    await client.end();
  });

  it('noDdl refuses whatever creates, alters or drops', async () => {
    const client = await bank.connect(await identity('all on box.*; all on pg_temp.*', { noDdl: true }));
    for (const sql of [
      'create table box.x (id int)',
      'create temp table x (id int)',
      'select id into box.x from box.n',
      'create table box.x as select 1 as id',
      'alter table box.n add column x int',
      'create index on box.n (note)',
      "comment on table box.n is 'x'",
      'drop table box.n',
      'explain analyze create table box.x as select 1 as id',
    ]) {
      const error = await databaseError(client.query(sql));
      assert.match(error.message, /creates, alters or drops/, sql);
    }
    assert.equal((await client.query('select 1 from box.n where id = 1')).rowCount, 1);
    await client.end();
  });

  it('fingerprints let only the named statements run, however they are sent', async () => {
    const first = await bank.connect(await identity('select on box.*', {}));
    await first.query('select note from box.n where id = 1');
    const [known] = (await bank.commands(`conditional-${names}`)).slice(-1);
    const { record } = await bank.statement(known?.id ?? '');
    await first.end();
    const who = await identity('select, insert on box.*', { fingerprints: [record.fingerprint] });
    const client = await bank.connect(who);
    assert.equal((await client.query('select note from box.n where id = 77')).rowCount, 1);
    assert.equal((await client.query('select note from box.n where id = $1', [78])).rowCount, 1);
    await client.query('begin');
    await client.query('commit');
    for (const sql of [
      'select secret from box.n where id = 1',
      'select note from box.n',
      'select note from box.n where id = 1; select 1 from box.n',
      'prepare p as select secret from box.n',
      'explain select note from box.n where id = 1',
      'insert into box.log values (1)',
    ]) {
      assert.match((await databaseError(client.query(sql))).message, /fingerprint/, sql);
    }
    await client.end();
  });

  it('sources are looked at before the session begins', async () => {
    const inside = await identity('select on box.*', { sources: ['127.0.0.0/8', '::1'] });
    const client = await bank.connect(inside);
    assert.equal((await client.query('select 1 from box.n where id = 1')).rowCount, 1);
    await client.end();
    const outside = await identity('select on box.*', { sources: ['10.0.0.0/8'] });
    const error = await databaseError(bank.connect(outside));
    assert.equal(error.code, '42501');
    assert.match(error.message, /is not for 127\.0\.0\.1/);
  });

  it('hours are looked at by each statement', async () => {
    const now = new Date();
    const day = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][now.getUTCDay()];
    const at = (minutes: number): string => {
      const time = new Date(now.getTime() + minutes * 60_000);
      return time.toISOString().slice(11, 16);
    };
    // A minute of slack on both sides; a span over midnight belongs to the day on which it begins.
    const began = now.getUTCHours() * 60 + now.getUTCMinutes() < 60 ? { from: '00:00', to: '23:59' } : null;
    const open = await identity('select on box.*', {
      hours: [{ days: [day], ...(began ?? { from: at(-60), to: '24:00' }), timeZone: 'UTC' }],
    });
    const client = await bank.connect(open);
    assert.equal((await client.query('select 1 from box.n where id = 1')).rowCount, 1);
    await client.end();
    const other = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].filter((each) => each !== day)[3];
    const shut = await bank.connect(
      await identity('select on box.*', {
        hours: [{ days: [other], from: '08:00', to: '18:00', timeZone: 'UTC' }],
      }),
    );
    const error = await databaseError(shut.query('select 1 from box.n'));
    assert.match(error.message, /not for this time of day/);
    assert.match(error.hint ?? '', /08:00-18:00 UTC/);
    await shut.end();
  });

  it('another grant of the principal is used where the conditions of the first do not hold', async () => {
    await bank.principal('two-grants');
    await bank.grant('two-grants', 'select on box.*', { conditions: { maxRows: 1, noDdl: true } });
    await bank.grant('two-grants', 'select, create on box.*', {});
    const client = await bank.connect(await bank.credential('two-grants'));
    await client.query('create table box.by_the_second (id int)');
    await client.query('select 1 from box.n where id = 1');
    await client.end();
  });

  it('statementTimeoutMs cancels what runs longer, and the record says who did', async () => {
    const who = await identity('select on box.*', { statementTimeoutMs: 1000 });
    const client = await bank.connect(who);
    await client.query('set statement_timeout = 0');
    const error = await databaseError(client.query('select pg_sleep(30)'));
    assert.equal(error.code, '57014');
    assert.match(error.message, /postern: cancelled: it ran for more than the 1 s/);
    assert.equal((await client.query('select 1 from box.n where id = 1')).rowCount, 1);
    await client.end();
    const slept = (await bank.commands(who.username)).find(({ status }) => status === 'error');
    assert.equal(slept?.code, 'POSTERN_TIMEOUT');
  });

  it('idleTimeoutMs ends a session that does nothing, in a transaction too, and none that works', async () => {
    const who = await identity('select on box.*', { idleTimeoutMs: 1000 });
    const idle = await bank.connect(who);
    await idle.query('begin');
    const busy = await bank.connect(who);
    const slow = busy.query('select pg_sleep(2)');
    await until(() => idle.lost.length > 0, 'the idle session to be closed', 5000);
    assert.match(String(idle.lost[0]), /it was idle for the 1 s/);
    assert.equal((await slow).rowCount, 1);
    await busy.end();
  });

  it('columns: what the scope names is all that goes through', async () => {
    const client = await bank.connect(
      await identity('select (id, note), update (note) on box.n; copy on box.n', {}),
    );
    assert.equal((await client.query('select id, note from box.n where id = 2')).rowCount, 1);
    assert.equal((await client.query('select count(*) from box.n')).rows[0].count, '1000');
    assert.equal((await client.query("update box.n set note = 'y' where id = 2 returning id")).rowCount, 1);
    for (const [sql, column] of [
      ['select secret from box.n', 'secret'],
      ['select * from box.n', 'secret'],
      ['table box.n', 'secret'],
      ['select n from box.n', 'secret'],
      ['select row_to_json(n) from box.n', 'secret'],
      ['select id from box.n where secret = $$s$$', 'secret'],
      ['select id from box.n order by secret', 'secret'],
      ['select n.ctid from box.n', 'ctid'],
      ['copy box.n to stdout', 'secret'],
      ["update box.n set secret = ''", 'secret'],
      ["update box.n set note = '' where id = 2 returning *", 'secret'],
    ] as const) {
      const error = await databaseError(client.query(sql));
      assert.match(error.message, new RegExp(`on column ${column} of box.n`), sql);
      assert.match(error.hint ?? '', new RegExp(`\\(${column}\\) on box.n`), sql);
    }
    await client.end();
  });

  it('a resource without catalogue access shows its catalogues to a scope only', async () => {
    await bank.resource('closed-db', { catalogAccess: 'none' });
    await bank.principal('reader-of-closed');
    await bank.grant('reader-of-closed', 'select on box.*; select on pg_catalog.pg_class', {
      resource: 'closed-db',
    });
    const client = await bank.connect(await bank.credential('reader-of-closed'), { database: 'closed-db' });
    assert.equal((await client.query("select 1 from pg_class where relname = 'pg_class'")).rowCount, 1);
    for (const sql of ['select * from pg_attribute', 'select * from information_schema.tables']) {
      assert.equal((await databaseError(client.query(sql))).code, '42501', sql);
    }
    await client.end();
  });

  it('conditions are refused where they cannot be kept, shown with the grant, and are in its record', async () => {
    await assert.rejects(identity('select on box.*', { sources: ['everywhere'] }), /block of addresses/);
    await assert.rejects(identity('select on box.*', { maxRows: -1 }), /maxRows/);
    await assert.rejects(identity('select on box.*', { unheardOf: 1 }));
    const who = await identity('select on box.*', {
      maxRows: 7,
      requireWhere: false,
      sources: ['10.1.0.0/16'],
    });
    const grant = await bank.postern.call<{ conditions: object }>('GET', `/v1/grants/${who.grant}`);
    assert.deepEqual(grant.conditions, { maxRows: 7, sources: ['10.1.0.0/16'] });
  });
});
