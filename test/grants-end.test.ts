/** No standing access: what ends a grant ends the sessions under it within a second, on every worker. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bank, databaseError } from './support/bank.ts';
import { until } from './support/processes.ts';

describe('the end of access', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '2'] });
  });
  after(() => bank?.stop());

  /** Sessions until each of the two workers has some (the kernel spreads connections). */
  async function sessions(name: string, scope = 'select on ledger.*', over: object = {}) {
    const who = await bank.identity(name, scope, over);
    const clients = await Promise.all(Array.from({ length: 8 }, () => bank.connect(who)));
    for (const client of clients) await client.query('select 1');
    return { who, clients };
  }

  const ended = async (
    clients: readonly { lost: Error[] }[],
    pattern: RegExp,
    withinMs = 1000,
  ): Promise<void> => {
    await until(() => clients.every((client) => client.lost.length > 0), 'sessions closed', withinMs);
    for (const client of clients) assert.match(String(client.lost[0]), pattern);
  };

  it('closes live sessions of a revoked grant within a second, with a clear message, and refuses new ones', async () => {
    const { who, clients } = await sessions('revoked');
    await bank.postern.call('POST', `/v1/grants/${who.grant}/revoke`, { reason: 'task done' });
    await ended(clients, /session closed: the grant on ledger-db was revoked: task done/);
    await assert.rejects(bank.connect(who), /the (credential|grant)|credential .* was revoked/);
  });

  it('closes live sessions at the end of the grant, not when a timer of theirs happens to run', async () => {
    const { who, clients } = await sessions('expires', 'select on ledger.*', { ttlSeconds: 4 });
    const grant = await bank.postern.call<{ end: string }>('GET', `/v1/grants/${who.grant}`);
    const end = Date.parse(grant.end);
    // A session opened just before the end lives no longer than the others.
    await new Promise((resolve) => setTimeout(resolve, end - Date.now() - 400));
    const late = await bank.connect(who);
    await late.query('select 1');
    await ended(
      [...clients, late],
      /session closed: the grant on ledger-db ended at/,
      end + 1000 - Date.now(),
    );
    assert.ok(Date.now() >= end);
    await assert.rejects(bank.connect(who), /ended at|expired at/);
    await until(
      async () =>
        (await bank.postern.call<{ status: string }>('GET', `/v1/grants/${who.grant}`)).status === 'expired',
      'the grant shows as expired',
      2000,
    );
  });

  it('breaks off a running statement, so that it does not commit behind the closed door', async () => {
    const who = await bank.identity('running', 'select, insert on ledger.*');
    await bank.server.query(
      'create table ledger.late (n int); grant all on ledger.late to ledger_app',
      'bank',
    );
    const client = await bank.connect(who);
    const running = databaseError(client.query('insert into ledger.late select 1 from pg_sleep(3)'));
    await until(
      async () =>
        (
          await bank.server.query(
            `select 1 from pg_stat_activity where query like 'insert into ledger.late%' and state = 'active'`,
          )
        ).length === 1,
      'the statement runs',
    );
    await bank.postern.call('POST', `/v1/grants/${who.grant}/revoke`, { reason: 'stop' });
    assert.match((await running).message, /was revoked: stop/);
    await until(
      async () =>
        (
          await bank.server.query(
            `select 1 from pg_stat_activity where query like 'insert into ledger.late%' and state = 'active'`,
          )
        ).length === 0,
      'the statement is gone',
      2000,
    );
    await new Promise((resolve) => setTimeout(resolve, 3200));
    assert.deepEqual(await bank.server.query('select * from ledger.late', 'bank'), []);
  });

  it('closes live sessions of a disabled principal and of a revoked credential', async () => {
    const disabled = await sessions('disabled');
    await bank.postern.call('POST', '/v1/principals/disabled/disable', { reason: 'left' });
    await ended(disabled.clients, /principal disabled is disabled/);
    await assert.rejects(bank.connect(disabled.who));
    const stolen = await sessions('stolen');
    await bank.postern.call('POST', `/v1/credentials/${stolen.who.credential}/revoke`, { reason: 'leaked' });
    await ended(stolen.clients, /its credential was revoked/);
    await assert.rejects(bank.connect(stolen.who), /was revoked/);
  });

  it('closes live sessions of a retired resource', async () => {
    await bank.resource('short-lived');
    await bank.principal('retires');
    const grant = await bank.grant('retires', 'select on ledger.*', { resource: 'short-lived' });
    const who = await bank.credential('retires', grant);
    const client = await bank.connect(who, { database: 'short-lived' });
    await client.query('select 1');
    await bank.postern.call('POST', '/v1/resources/short-lived/retire', { reason: 'moved' });
    await ended([client], /retired|revoked/);
    await assert.rejects(bank.connect(who, { database: 'short-lived' }));
  });

  it('keeps a session on its other grants only while none that it used has ended', async () => {
    await bank.principal('two');
    const first = await bank.grant('two', 'select on ledger.accounts');
    const second = await bank.grant('two', 'select on ledger.customers');
    const who = await bank.credential('two');
    const a = await bank.connect(who);
    const b = await bank.connect(who);
    await a.query('select 1 from ledger.accounts limit 1');
    await b.query('select 1 from ledger.customers limit 1');
    await bank.postern.call('POST', `/v1/grants/${first}/revoke`, { reason: 'narrowed' });
    await ended([a], /was revoked: narrowed/);
    assert.equal((await databaseError(b.query('select 1 from ledger.accounts limit 1'))).code, '42501');
    assert.equal((await b.query('select 1 from ledger.customers limit 1')).rowCount, 1);
    const rows = await bank.commands('two');
    assert.deepEqual([...new Set(rows.map((row) => row.grant))].sort(), [first, null, second].sort());
    await b.end();
  });
});
