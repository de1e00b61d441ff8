/** Roles of sessions when clients and workers go at the wrong moment, and masked results for clients that do not read. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bank, Credential } from './support/bank.ts';
import { mask, startShop } from './support/masked-shop.ts';
import { until, workersOf } from './support/processes.ts';
import { type Door, say, WireClient } from './support/wire-client.ts';

const ONE = ['T', 'D', 'C SELECT 1', 'Z I'];
const COMPLAINTS = /a fault of the gateway|postern: session|postern: worker|could not be set up/;

describe('with an administering credential', () => {
  let bank: Bank;
  let who: Credential;
  let door: Door;
  before(async () => {
    bank = await startShop();
    const { user, password } = bank.server.superuser;
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', {
      admin: { user, password },
      reason: 'least privilege in the database',
    });
    who = await bank.identity('batch', 'select, copy on shop.*');
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
  });
  after(() => bank?.stop());

  const login = (): Promise<WireClient> => WireClient.login(door, who, 'ledger-db', [], 60_000);
  const roles = async (): Promise<number> => {
    const [row] = await bank.server.query<{ n: number }>(
      "select count(*)::int as n from pg_roles where rolname like 'postern\\_batch\\_%'",
    );
    return row?.n ?? 0;
  };

  it('a client that goes while its role is made leaves nothing in the database', async (t) => {
    const client = await login();
    let most = 0;
    for (let round = 0; round < 4; round++) {
      const leaving = Array.from({ length: 20 }, async (_, i) => {
        const going = await WireClient.open(door);
        const login = WireClient.start(going, who, 'ledger-db').catch(() => undefined);
        await sleep(round * 10 + i * 8);
        going.socket.destroy();
        await login;
      });
      const watching = Promise.all(leaving);
      let gone = false;
      void watching.finally(() => {
        gone = true;
      });
      while (!gone) most = Math.max(most, await roles());
      await watching;
    }
    t.diagnostic(`up to ${most} roles at a time`);
    await until(async () => (await roles()) === 1, 'only the role of the session is left', 15_000);
    assert.deepEqual(await client.ask([say.query('select 1')]), ONE);
    await client.end();
    await until(async () => (await roles()) === 0, 'its role is gone too', 15_000);
    assert.doesNotMatch(bank.postern.running.stderr, COMPLAINTS);
  });

  it('a worker that is killed with 50 of them leaves none for long', async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, login));
    assert.equal(await roles(), 50);
    for (const pid of workersOf(bank.postern.pid)) process.kill(pid, 'SIGKILL');
    await Promise.all(clients.map((client) => client.until(() => client.closed)));
    await until(async () => (await roles()) === 0, 'all of them are swept', 40_000);
    const [row] = await bank.server.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where usename like 'postern\\_%'",
    );
    assert.equal(row?.n, 0, 'nothing of them runs on');
    const client = await login();
    assert.deepEqual(await client.ask([say.query('select 1')]), ONE);
    await client.end();
  });

  it('a client that does not read a masked result holds up the server, not the memory of the worker', async (t) => {
    await mask(bank, {
      ...{ name: 'mail', principal: 'batch', columns: ['shop.customers.email'] },
      transform: { kind: 'hash' },
    });
    const pids = workersOf(bank.postern.pid);
    const memory = (): number => {
      const sizes = pids.map(
        (pid) => /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
      );
      return sizes.reduce((sum, size) => sum + Number(size) / 1024, 0);
    };
    const rows = `from shop.customers c, generate_series(1, 150000)`;
    const asked = [
      say.query(`select c.email, repeat('x', 1000) ${rows}`),
      say.query(`copy (select c.email, repeat('x', 1000) ${rows}) to stdout`),
      Buffer.concat([
        say.parse('', `select c.email, repeat('x', 1000) ${rows}`),
        say.bind('', ''),
        say.execute(''),
        say.sync(),
      ]),
    ];
    const bystander = await login();
    const clients = await Promise.all(asked.map(login));
    const before = memory();
    for (const [i, client] of clients.entries()) {
      client.socket.pause();
      client.send(asked[i] as Buffer);
    }
    let most = 0;
    const stalled = async (): Promise<boolean> => {
      most = Math.max(most, memory() - before);
      assert.deepEqual(await bystander.ask([say.query('select 1')]), ONE);
      const [row] = await bank.server.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where usename like 'postern\\_%' and wait_event = 'ClientWrite'",
      );
      return row?.n === asked.length;
    };
    await until(stalled, 'the server waits for each of them', 60_000);
    await sleep(1000);
    assert.ok(await stalled(), 'and goes on waiting');
    // Up to the moment in which everything stands still the worker makes garbage at full speed; what it holds shows afterwards.
    const held = async (): Promise<boolean> => {
      for (let i = 0; i < 200; i++) await bystander.ask([say.query("select repeat('y', 20000)")]);
      bystander.heard.length = 0;
      return memory() - before < 100;
    };
    await until(held, 'the worker holds less than 100 MiB for results of 450 MB', 60_000);
    assert.ok(await stalled(), 'nothing was read meanwhile');
    t.diagnostic(`${most.toFixed(0)} MiB more at most, ${(memory() - before).toFixed(0)} at rest`);
    // Who reads at last reads masked values.
    const [late] = clients as [WireClient];
    late.socket.resume();
    await late.until((heard) => heard.length > 20_000, 60_000);
    const heard = Buffer.concat(late.heard.slice(0, 20_000).map(({ bytes }) => bytes));
    assert.ok(!heard.includes('hidden.example'));
    for (const client of clients) client.socket.destroy();
    await bystander.end();
    await until(async () => (await roles()) === 0, 'their roles are gone', 30_000);
  });
});
