/** A name without a schema means what PostgreSQL takes it for, also while somebody moves what it meant; rows are those that were described. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bank, type Credential } from './support/bank.ts';
import { type Door, say, WireClient } from './support/wire-client.ts';

const SCHEMA = `
  create schema a; create schema b;
  create table b.t (id int, v text); insert into b.t values (1, 'far');
  create table a.t (id int, v text); insert into a.t values (1, 'near');
  create table a.u (id int, v text, w text); insert into a.u values (1, 'open', 'closed');
  grant usage, create on schema a, b to ledger_app;
  create function a.f() returns text language sql as $$ select 'near' $$;
  create function b.f() returns text language sql as $$ select 'far' $$;
  alter function a.f() owner to ledger_app;
  alter table a.t owner to ledger_app; alter table b.t owner to ledger_app; alter table a.u owner to ledger_app`;

describe('names that move', () => {
  let bank: Bank;
  let narrow: Credential;
  let wide: Credential;
  let reader: Credential;
  before(async () => {
    bank = await Bank.start();
    await bank.server.query(SCHEMA, bank.ledger.database);
    narrow = await bank.identity('narrow', 'all on a.*');
    wide = await bank.identity('wide', 'all on a.*; all on b.*');
    reader = await bank.identity('reader', 'select on a.*');
    for (const columns of [['b.t.v'], ['a.u.w']]) {
      await bank.postern.call('POST', '/v1/masks', {
        ...{ name: `of-${columns[0]}`, resource: 'ledger-db', principal: 'wide', columns },
        transform: { kind: 'redact' },
      });
    }
  });
  after(() => bank?.stop());

  const login = async (who: Credential, path = 'a, b'): Promise<WireClient> => {
    const door: Door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    const client = await WireClient.login(door, who, 'ledger-db');
    await client.ask([say.query(`set search_path = ${path}`)]);
    client.heard.length = 0;
    return client;
  };
  const heard = (client: WireClient): string =>
    Buffer.concat(client.heard.map(({ bytes }) => bytes)).toString('latin1');

  it('show nothing out of scope to who takes the nearer one away in a transaction', async () => {
    const client = await login(narrow);
    for (const moves of [
      'drop table a.t',
      'alter table a.t rename to elsewhere',
      'alter table t rename to elsewhere',
    ]) {
      client.heard.length = 0;
      for (const sql of ['begin', moves, 'select upper(v), v from t', 'rollback'])
        await client.ask([say.query(sql)]);
      assert.doesNotMatch(heard(client), /far/i, moves);
      assert.equal(client.error.get('R'), 'POSTERN_SCOPE_DENIED', moves);
      // In one go, where nothing can have been answered yet.
      client.heard.length = 0;
      await client.ask(
        ['begin', moves, 'select v from t', 'rollback'].map((sql) => say.query(sql)),
        4,
      );
      assert.doesNotMatch(heard(client), /far/i, moves);
    }
    await client.end();
  });

  it('show nothing out of scope to who takes it away in another session', async () => {
    const [first, second] = [await login(narrow), await login(narrow)];
    await first.ask([say.query('begin')]);
    await first.ask([say.query('drop table a.t')]);
    // PostgreSQL looks the name up again when the lock is free.
    second.send(say.query('select v from t'));
    await second.until((messages) => messages.some(({ type }) => type === 'Z'), 3000).catch(() => undefined);
    assert.equal(second.error.get('R'), 'POSTERN_SCOPE_DENIED');
    await first.ask([say.query('rollback')]);
    assert.doesNotMatch(heard(second), /far/);
    await first.end();
    await second.end();
  });

  it('call no function out of scope for who takes the nearer one away, or gives another one its name', async () => {
    const client = await login(narrow);
    for (const moves of ['drop function a.f()', 'alter function a.f() rename to g']) {
      client.heard.length = 0;
      for (const sql of ['begin', moves, 'select f()', 'rollback']) await client.ask([say.query(sql)]);
      assert.doesNotMatch(heard(client), /far/, moves);
      assert.equal(client.error.get('R'), 'POSTERN_SCOPE_DENIED', moves);
    }
    await client.end();
  });

  it('leave a name alone that the principal cannot take away', async () => {
    const client = await login(reader);
    await client.ask([say.query('select v from t')]);
    assert.match(heard(client), /near/);
    await client.end();
  });

  it('ask for the schema where another meaning is masked', async () => {
    const client = await login(wide);
    for (const sql of ['begin', 'drop table a.t', 'select upper(v) from t', 'rollback'])
      await client.ask([say.query(sql)]);
    assert.equal(client.error.get('R'), 'POSTERN_MASKED');
    assert.doesNotMatch(heard(client), /far/i);
    client.heard.length = 0;
    await client.ask([say.query('select upper(v) from a.t')]);
    assert.match(heard(client), /NEAR/);
    await client.end();
  });

  it('stay what they were for a cursor, whatever the search path is when it is read', async () => {
    const client = await login(wide, 'b');
    for (const fetch of [
      [say.query('fetch all c')],
      [say.parse('', 'fetch all c'), say.bind('', ''), say.execute(''), say.sync()],
    ]) {
      client.heard.length = 0;
      for (const sql of ['begin', 'declare c cursor for select upper(v) from t', 'set search_path = a'])
        await client.ask([say.query(sql)]);
      await client.ask(fetch);
      assert.match(client.error.get('M') ?? '', /would mean something else/);
      await client.ask([say.query('rollback')]);
      assert.doesNotMatch(heard(client), /far/i);
    }
    await client.ask([say.query('begin')]);
    await client.ask([say.parse('', 'select upper(v) from t'), say.bind('p', ''), say.sync()]);
    await client.ask([say.query('set search_path = a')]);
    await client.ask([say.query('fetch all p')]);
    assert.doesNotMatch(heard(client), /far/i);
    await client.end();
  });

  it('stay what they were for a prepared statement when a nearer one is made, and follow the path', async () => {
    const client = await login(wide, 'a, b');
    await client.ask([say.query('alter table a.t rename to away')]);
    await client.ask([say.query('prepare p as select upper(v) from t')]);
    await client.ask([say.parse('q', 'select upper(v) from t'), say.sync()]);
    await client.ask([say.query('execute p')]);
    await client.ask([say.query('create table a.t (id int, v text)')]);
    for (const again of [[say.query('execute p')], [say.bind('', 'q'), say.execute(''), say.sync()]]) {
      client.heard.length = 0;
      await client.ask(again);
      assert.match(client.error.get('M') ?? '', /would mean something else|may mean b.t/);
    }
    await client.ask([say.query('drop table a.t')]);
    await client.ask([say.query('alter table a.away rename to t')]);
    assert.doesNotMatch(heard(client), /far/i);
    client.heard.length = 0;
    await client.ask([say.query('set search_path = b')]);
    await client.ask([say.query('execute p')]);
    assert.match(heard(client), /\[masked\]/);
    await client.end();
  });

  for (const [what, first, second, runs] of [
    [
      'EXECUTE',
      ['prepare x as select v from a.u'],
      ['deallocate x', 'prepare x as select w from a.u'],
      'execute x',
    ],
    [
      'FETCH',
      ['declare x cursor for select v from a.u'],
      ['close x', 'declare x cursor for select w from a.u'],
      'fetch all x',
    ],
  ] as const) {
    it(`show no rows of another statement under the columns that ${what} was bound with`, async () => {
      const client = await login(wide);
      for (const described of [true, false]) {
        client.heard.length = 0;
        for (const sql of ['begin', ...first]) await client.ask([say.query(sql)]);
        client.send(
          say.parse('s', runs),
          say.bind('p', 's'),
          ...(described ? [say.describe('P', 'p')] : []),
          say.flush(),
        );
        await client.until((messages) => messages.some(({ type }) => type === (described ? 'T' : '2')));
        await client.ask([
          ...second.flatMap((sql, i) => [
            say.parse(`q${i}`, sql),
            say.bind(`p${i}`, `q${i}`),
            say.execute(`p${i}`),
          ]),
          say.execute('p'),
          say.sync(),
        ]);
        assert.equal(client.error.get('M'), undefined);
        assert.doesNotMatch(heard(client), /closed/);
        assert.match(heard(client), /\[masked\]/);
        for (const sql of ['rollback', 'deallocate all']) await client.ask([say.query(sql)]);
      }
      await client.end();
    });
  }
});
