/** Stock clients through Postern against a real PostgreSQL: what passes, what is refused, and how. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type pg from 'pg';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { run, until } from './support/processes.ts';

describe('a PostgreSQL session', () => {
  let bank: Bank;
  let who: Credential;
  let open: pg.Client[] = [];

  const connect = async (credential = who, over: pg.ClientConfig = {}) => {
    const client = await bank.connect(credential, over);
    open.push(client);
    return client;
  };
  const psql = (args: readonly string[], credential = who, database?: string) =>
    run('psql', ['-X', '-v', 'VERBOSITY=verbose', ...args], { env: bank.env(credential, database) });

  before(async () => {
    bank = await Bank.start();
    who = await bank.identity(
      'batch',
      'insert, select on ledger.*; copy on ledger.*; listen, notify on jobs',
    );
  });
  after(async () => {
    for (const client of open) await client.end();
    open = [];
    await bank?.stop();
  });

  it('lets psql and node-postgres do what the scope covers, with TLS verified and SCRAM', async () => {
    const out = await psql(['-At', '-c', 'select count(*) > 100000 from ledger.entries']);
    assert.deepEqual([out.code, out.stdout], [0, 't\n']);
    const client = await connect();
    const { rows } = await client.query(
      'select $1::int + count(*)::int as n from ledger.accounts where id < $2',
      [1, 0],
    );
    assert.deepEqual(rows, [{ n: 1 }]);
  });

  it('refuses what the scope does not cover with a native error, the record and the request to make, and stays usable', async () => {
    const client = await connect();
    for (const sql of [
      'select * from hr.salaries',
      'drop table ledger.entries',
      'update ledger.accounts set name = name',
      'truncate ledger.entries',
    ]) {
      const error = await databaseError(client.query(sql));
      assert.equal(error.code, '42501', sql);
      assert.match(error.message, /^postern: /);
      assert.match(error.detail ?? '', /Principal batch, resource ledger-db, record [0-9a-f-]{36}\./);
      assert.match(
        error.hint ?? '',
        /^Ask for a grant: postern grant add --principal batch --resource ledger-db --scope '/,
      );
      assert.equal(error.routine, 'POSTERN_SCOPE_DENIED');
      const extended = await databaseError(
        client.query({ text: `${sql} `, values: [], name: `n${sql.length}` }),
      );
      assert.equal(extended.code, '42501');
    }
    assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }]);
    assert.deepEqual((await bank.server.query('select count(*)::int as n from ledger.entries', 'bank'))[0], {
      n: 120_000,
    });
  });

  it('aborts the transaction of a refused statement as PostgreSQL does, and lets a savepoint rescue it', async () => {
    const client = await connect();
    await client.query('begin');
    assert.equal((await databaseError(client.query('select * from hr.salaries'))).code, '42501');
    assert.equal((await databaseError(client.query('select 1'))).code, '25P02');
    await client.query('rollback');
    await client.query('begin');
    await client.query('savepoint s');
    assert.equal(
      (await databaseError(client.query('select * from hr.salaries where $1', [true]))).code,
      '42501',
    );
    await client.query('rollback to s');
    assert.deepEqual((await client.query('select 2 as two')).rows, [{ two: 2 }]);
    await client.query('commit');
  });

  it('refuses a string of statements as a whole when one of them is not covered', async () => {
    const out = await psql(['-At', '-c', 'select 1; delete from ledger.entries; select 2']);
    assert.equal(out.stdout, '');
    assert.match(out.stderr, /42501/);
  });

  it('names the file to trust and refuses a connection in the clear', async () => {
    const clear = await run('psql', ['-X', '-c', 'select 1'], {
      env: { ...bank.env(who), PGSSLMODE: 'disable' },
    });
    assert.match(clear.stderr, /postern: the connection must be encrypted/);
    assert.equal(clear.code, 2);
  });

  it('runs prepared statements again and again, and refuses one whose meaning is out of scope when it is prepared', async () => {
    const client = await connect();
    for (let i = 0; i < 3; i++) {
      const { rows } = await client.query({
        name: 'by-id',
        text: 'select id from ledger.accounts where id = $1',
        values: [i + 1],
      });
      assert.equal(rows.length, 1);
    }
    assert.equal(
      (
        await databaseError(
          client.query({
            name: 'bad',
            text: 'select * from hr.salaries where employee_id = $1',
            values: [1],
          }),
        )
      ).code,
      '42501',
    );
    await client.query('prepare p as select count(*) from ledger.accounts');
    assert.equal((await client.query('execute p')).rowCount, 1);
    assert.equal((await databaseError(client.query('prepare q as select * from hr.salaries'))).code, '42501');
    assert.equal((await databaseError(client.query('execute q'))).code, '26000');
    await client.query('deallocate p');
    assert.equal((await databaseError(client.query('execute p'))).code, '26000');
  });

  it('follows cursors to what they read', async () => {
    const client = await connect();
    await client.query('begin');
    assert.equal(
      (await databaseError(client.query('declare c cursor for select * from hr.salaries'))).code,
      '42501',
    );
    await client.query('rollback');
    await client.query('begin');
    await client.query('declare c cursor for select id from ledger.entries order by 1');
    assert.equal((await client.query('fetch 5 from c')).rowCount, 5);
    assert.equal((await databaseError(client.query('fetch 1 from nothing'))).code, '34000');
    await client.query('rollback');
    const rows = await bank.commands('batch', '&object=ledger.entries');
    assert.ok(rows.some((row) => row.code === 'FETCH 5' && row.rows === 5));
  });

  it('copies both ways within the scope, and not out of a table beyond it', async () => {
    const path = 'ledger.accounts';
    const out = await psql(['-At', '-c', `copy (select 1, 'a') to stdout`]);
    assert.equal(out.stdout, '1\ta\n');
    const table = await psql(['-At', '-c', `copy ${path} to stdout`]);
    assert.equal(
      table.stdout.trimEnd().split('\n').length,
      Number((await bank.server.query(`select count(*) as n from ${path}`, 'bank'))[0]?.n),
    );
    const refused = await psql(['-c', 'copy hr.salaries to stdout']);
    assert.match(refused.stderr, /42501/);
    const program = await psql(['-c', `copy (select 1) to program 'id'`]);
    assert.match(program.stderr, /0A000: postern: COPY to or from a program/);
    const [account] = await bank.server.query('select * from ledger.accounts limit 1', 'bank');
    assert.ok(account);
    await bank.server.query(
      'create table ledger.notes (n int, t text); grant all on ledger.notes to ledger_app',
      'bank',
    );
    const input = await run('psql', ['-X', '-c', 'copy ledger.notes from stdin'], {
      env: bank.env(who),
      input: '1\tone\n2\ttwo\n',
    });
    assert.match(input.stdout, /COPY 2/);
    const broken = await run('psql', ['-X', '-c', 'copy ledger.notes from stdin', '-c', 'select 7'], {
      env: bank.env(who),
      input: 'x\ty\n',
    });
    assert.match(broken.stderr, /invalid input syntax/);
    assert.match(broken.stdout, /7/);
    assert.deepEqual(await bank.server.query('select n, t from ledger.notes order by 1', 'bank'), [
      { n: 1, t: 'one' },
      { n: 2, t: 'two' },
    ]);
  });

  it('cancels the statement of the session that the key belongs to, and no other', async () => {
    const client = await connect();
    const other = await connect();
    const cancelled = databaseError(client.query('select pg_sleep(20)'));
    const undisturbed = other.query('select pg_sleep(1.5)');
    await until(
      async () =>
        (
          await bank.server.query(
            `select 1 from pg_stat_activity where query = 'select pg_sleep(20)' and state = 'active'`,
          )
        ).length === 1,
      'the statement runs',
    );
    // node-postgres has the key that Postern gave out.
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const wrong = await bank.raw();
    const packet = Buffer.alloc(16);
    packet.writeInt32BE(16, 0);
    packet.writeInt32BE(80877102, 4);
    packet.writeInt32BE(processID, 8);
    packet.writeInt32BE(secretKey ^ 1, 12);
    wrong.end(packet);
    await once(wrong, 'close');
    const right = await bank.raw();
    packet.writeInt32BE(secretKey, 12);
    right.end(packet);
    const error = await cancelled;
    assert.equal(error.code, '57014');
    assert.match(error.message, /user request/);
    await undisturbed;
  });

  it('delivers notifications and notices, and asks for listen and notify in the scope', async () => {
    const client = await connect();
    const notified = once(client, 'notification');
    await client.query('listen jobs');
    const sender = await connect();
    await sender.query(`notify jobs, 'hello'`);
    const [message] = (await notified) as [{ payload?: string }];
    assert.equal(message.payload, 'hello');
    assert.equal((await databaseError(client.query('listen secrets'))).code, '42501');
    assert.equal((await databaseError(client.query(`select pg_notify('jobs', 'x')`))).code, '42501');
  });

  it('resolves names without a schema on the real search path, also when a transaction takes a change of it back', async () => {
    const client = await connect();
    assert.equal((await databaseError(client.query('select count(*) from salaries'))).code, '42501');
    await client.query('set search_path = ledger');
    assert.equal((await client.query('select count(*) from accounts')).rowCount, 1);
    await client.query('begin');
    await client.query('set local search_path = hr');
    assert.equal((await databaseError(client.query('select count(*) from salaries'))).code, '42501');
    await client.query('rollback');
    assert.equal((await client.query('select count(*) from accounts')).rowCount, 1);
    await client.query('set search_path = hr, ledger');
    assert.equal((await databaseError(client.query('select count(*) from salaries'))).code, '42501');
    assert.equal((await client.query('select count(*) from accounts')).rowCount, 1);
    const started = await connect(who, { options: '-c search_path=ledger' });
    assert.equal((await started.query('select count(*) from accounts')).rowCount, 1);
  });

  it('does not trust a search path that is on its way: names behind it in one string are refused', async () => {
    const client = await connect();
    const error = await databaseError(
      client.query('set search_path = ledger; select count(*) from accounts'),
    );
    assert.equal(error.code, '42501');
    assert.match(error.message, /may change what the names in a later one mean/);
  });

  it('refuses what changes who runs a statement or how it is read', async () => {
    const client = await connect();
    for (const sql of [
      'set role postgres',
      'set session authorization postgres',
      'reset role',
      `select set_config('role', 'postgres', false)`,
      'set standard_conforming_strings = off',
      `set client_encoding = 'SJIS'`,
      'set session_replication_role = replica',
      'do $$ begin delete from ledger.entries; end $$',
      `select query_to_xml('select * from hr.salaries', true, true, '')`,
      `select pg_read_file('/etc/passwd')`,
      `select lo_import('/etc/passwd')`,
      'explain analyze delete from ledger.entries',
      'with gone as (delete from ledger.entries returning 1) select * from gone',
      'select * into ledger.copied from ledger.accounts',
      `copy ledger.accounts to '/tmp/x'`,
    ]) {
      const error = await databaseError(client.query(sql));
      assert.match(error.message, /^postern: /, sql);
      assert.ok(error.code === '42501' || error.code === '0A000', `${sql}: ${error.code}`);
    }
    await assert.rejects(connect(who, { options: '-c role=postgres' }), /postern: /);
    const encoding = await run('psql', ['-X', '-c', 'select 1'], {
      env: { ...bank.env(who), PGCLIENTENCODING: 'SJIS' },
    });
    assert.match(encoding.stderr, /postern: .*client_encoding/);
  });

  it('reaches another database of the resource by resource/database', async () => {
    const out = await psql(['-At', '-c', 'select current_database()'], who, 'ledger-db/postgres');
    assert.equal(out.stdout, 'postgres\n');
  });

  it('refuses what it does not support with a native error: replication, function call protocol', async () => {
    const env = { ...bank.env(who, 'replication=true') };
    const replication = await run(
      'psql',
      ['-X', 'dbname=ledger-db replication=database', '-c', 'IDENTIFY_SYSTEM'],
      { env },
    );
    assert.match(replication.stderr, /postern: replication connections are not supported/);
  });

  it('records every statement with text and values, what it touched, how it was decided and how it ended', async () => {
    const recorded = await bank.identity('recorded', 'select on ledger.*');
    const client = await connect(recorded);
    await client.query('select id from ledger.accounts where id = $1 and $2::text is null', [7, null]);
    await databaseError(client.query('select yearly_amount from hr.salaries'));
    await databaseError(client.query('select 1/0'));
    await client.end();
    const rows = await bank.commands('recorded');
    assert.deepEqual(
      rows.map((row) => [
        row.type,
        row.verbs.join(),
        row.objects.join(),
        row.decision,
        row.status,
        row.code,
        row.rows,
      ]),
      [
        ['command.intent', 'select', 'ledger.accounts', 'allow', 'ok', 'SELECT 1', 1],
        ['command.denied', 'select', 'hr.salaries', 'deny', null, 'POSTERN_SCOPE_DENIED', null],
        ['command.intent', '', '', 'allow', 'error', '22012', 0],
      ],
    );
    const first = await bank.statement(rows[0]?.id ?? '');
    assert.equal(first.statement, 'select id from ledger.accounts where id = $1 and $2::text is null');
    assert.deepEqual(first.parameters, [{ text: '7' }, null]);
    assert.equal(first.record.grant, recorded.grant);
    const denied = await bank.statement(rows[1]?.id ?? '');
    assert.equal(denied.statement, 'select yearly_amount from hr.salaries');
  });

  it('counts each row once: changed, returned or both, in a string of statements too', async () => {
    const counted = await bank.identity('counted', 'select, insert, create on ledger.*');
    await bank.server.query(
      'create table ledger.counts (n int); grant all on ledger.counts to ledger_app',
      'bank',
    );
    const client = await connect(counted);
    await client.query('insert into ledger.counts values ($1), (2), (3) returning n', [1]);
    await client.query('select n from ledger.counts; insert into ledger.counts values (4) returning n');
    await client.query('create table ledger.counted as select n from ledger.counts');
    await client.query('begin');
    await client.query('declare c cursor for select n from ledger.counts');
    await client.query('fetch 2 from c');
    await client.query('rollback');
    await client.end();
    const rows = await bank.commands('counted');
    assert.deepEqual(
      rows.map((row) => [row.code, row.rows]),
      [
        ['INSERT 0 3', 3],
        ['SELECT 3; INSERT 0 1', 4],
        ['SELECT 4', 4],
        ['BEGIN', 0],
        ['DECLARE CURSOR', 0],
        ['FETCH 2', 2],
        ['ROLLBACK', 0],
      ],
    );
  });

  it('records each execution of a refused pipeline once, as refused, and nothing of what the server skipped', async () => {
    const piped = await bank.identity('piped', 'select on ledger.*');
    const client = await connect(piped);
    await client.query('select 1 as warm where $1', [true]);
    await databaseError(client.query('select yearly_amount from hr.salaries where $1', [true]));
    await client.end();
    const rows = await bank.commands('piped');
    assert.deepEqual(
      rows.map((row) => [row.type, row.status]),
      [
        ['command.intent', 'ok'],
        ['command.denied', null],
      ],
    );
  });
});
