/** What durability `process` and `power` mean, seen from outside: the system calls of a worker in front of a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type pg from 'pg';
import { Bank, type Credential } from './support/bank.ts';
import { type SystemCall, watchCalls } from './support/faults.ts';

const STATEMENTS = 20;
const CLIENTS = 64;

describe('before the first byte of a command goes to the database', () => {
  let bank: Bank;
  let dir = '';
  let worker = 0;
  before(async () => {
    // In the clear, so that a command can be recognised on its way.
    bank = await Bank.start(
      { args: ['--workers', '1'] },
      { hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'] },
    );
    dir = mkdtempSync(join(tmpdir(), 'postern-calls-'));
    const { workers } = JSON.parse(readFileSync(join(bank.postern.dataDir, 'run.json'), 'utf8'));
    worker = workers[0];
  });
  after(async () => {
    await bank?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const identity = async (durability: 'process' | 'power'): Promise<Credential> => {
    await bank.resource(`db-${durability}`, { durability, tls: { mode: 'disable' } });
    return bank.identity(`batch-${durability}`, 'select on ledger.*', { resource: `db-${durability}` });
  };
  const connect = (who: Credential, durability: string): Promise<pg.Client> =>
    bank.connect(who, { database: `db-${durability}` });

  /** Calls of the worker while `work` runs, in the order in which they happened. */
  const watched = async (work: () => Promise<unknown>): Promise<SystemCall[]> => {
    const watch = await watchCalls(worker, join(dir, 'calls'), [
      ...['pwrite64', 'fdatasync', 'write', 'writev', 'sendto', 'sendmsg'],
    ]);
    try {
      await work();
    } finally {
      await watch.end();
    }
    return watch.calls();
  };
  const upstream = ({ name, args }: SystemCall): boolean =>
    /^(write|writev|sendto|sendmsg)$/.test(name) && args.includes(`->127.0.0.1:${bank.server.port}]`);
  const journalled = ({ name, args }: SystemCall): boolean =>
    name === 'pwrite64' && args.includes('.journal>');
  const synced = ({ name, args, result }: SystemCall): boolean =>
    name === 'fdatasync' && args.includes('.journal>') && result === '0';

  /** Where statement `n` was journalled, and where it went out. */
  const places = (calls: readonly SystemCall[], n: number): { written: SystemCall; sent: SystemCall } => {
    const text = `marker-${n}.`;
    const written = calls.find((call) => journalled(call) && call.args.includes(text));
    const sent = calls.find((call) => upstream(call) && call.args.includes(text));
    assert.ok(written, `${text} was journalled`);
    assert.ok(sent, `${text} was sent`);
    return { written, sent };
  };

  it('its intent is written to the journal (process), and nobody waits for the disk', async () => {
    const client = await connect(await identity('process'), 'process');
    const calls = await watched(async () => {
      for (let n = 0; n < STATEMENTS; n++) await client.query(`select 'marker-${n}.'`);
    });
    await client.end();
    for (let n = 0; n < STATEMENTS; n++) {
      const { written, sent } = places(calls, n);
      assert.ok(written.ended < sent.began);
    }
    assert.equal(calls.filter(synced).length, 0);
  });

  it('its intent is written and synced (power), simple and extended alike', async () => {
    const client = await connect(await identity('power'), 'power');
    const calls = await watched(async () => {
      for (let n = 0; n < STATEMENTS; n++) {
        const text = `select 'marker-${n}.'`;
        await (n % 2 === 0 ? client.query(text) : client.query(`${text}, $1::int`, [n]));
      }
    });
    await client.end();
    for (let n = 0; n < STATEMENTS; n++) {
      const { written, sent } = places(calls, n);
      assert.ok(
        calls.some((call) => synced(call) && call.began > written.ended && call.ended < sent.began),
        `statement ${n}: an fdatasync begins after the write and returns before the command goes out`,
      );
    }
  });

  it('one fdatasync serves many commands of many clients', async () => {
    const who = await bank.credential('batch-power');
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(who, 'power')));
    const calls = await watched(() =>
      Promise.all(
        clients.map(async (client, c) => {
          for (let n = 0; n < 5; n++) await client.query(`select 'marker-${c * 5 + n}.'`);
        }),
      ),
    );
    await Promise.all(clients.map((client) => client.end()));
    for (let n = 0; n < CLIENTS * 5; n++) {
      const { written, sent } = places(calls, n);
      assert.ok(calls.some((call) => synced(call) && call.began > written.ended && call.ended < sent.began));
    }
    const syncs = calls.filter(synced).length;
    assert.ok(syncs > 0 && syncs < (CLIENTS * 5) / 2, `${syncs} fdatasyncs for ${CLIENTS * 5} commands`);
  });
});
