/** What becomes of a principal, seen from its connections: who uses it, from where, and how fast an ending reaches them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bank } from './support/bank.ts';
import { until } from './support/processes.ts';

interface Shown {
  readonly lastUsedAt: string | null;
  readonly status: string;
  readonly statusReason: string;
  readonly sources: readonly { network: string; sessions: number }[];
}

describe('the life of a principal', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '2'] });
  });
  after(() => bank?.stop());

  const post = <T = unknown>(path: string, body: object): Promise<T> => bank.postern.call('POST', path, body);
  const show = async (name: string): Promise<Shown> => {
    // The index follows the log by moments; a question to the activity waits for it.
    await bank.postern.call('GET', `/v1/activity?principal=${name}&type=all`);
    return bank.postern.call('GET', `/v1/principals/${name}`);
  };

  it('says when and from where it was used, and not that it was when nobody got in', async () => {
    const who = await bank.identity('used', 'select on ledger.*');
    assert.equal((await show('used')).lastUsedAt, null);
    await assert.rejects(bank.connect({ ...who, password: 'wrong' }));
    assert.deepEqual((await show('used')).sources, []);
    const began = new Date().toISOString();
    const client = await bank.connect(who);
    await client.query('select count(*) from ledger.accounts');
    await client.end();
    const shown = await show('used');
    assert.ok((shown.lastUsedAt ?? '') > began, `${shown.lastUsedAt}`);
    assert.deepEqual(
      shown.sources.map(({ network, sessions }) => [network, sessions]),
      [['127.0.0.0/24', 1]],
    );
    const unused = await bank.postern.call<{ items: { name: string }[] }>(
      'GET',
      `/v1/principals?unusedSince=${began}`,
    );
    assert.ok(!unused.items.some(({ name }) => name === 'used'));
  });

  it('ends its sessions within a second of the suspension, when its owner was disabled and no days were left', async () => {
    await post('/v1/persons', { name: 'Gone Soon', email: 'gone@example.com', roles: ['owner'] });
    const who = await bank.identity('orphan', 'select on ledger.*');
    await post('/v1/principals/orphan/update', { owner: 'gone@example.com', reason: 'x' });
    await post('/v1/lifecycle', { rehomeDays: 0, reason: 'x' });
    const clients = await Promise.all([1, 2, 3, 4].map(() => bank.connect(who)));
    for (const client of clients) await client.query('select 1');
    await post('/v1/persons/gone@example.com/disable', { reason: 'left' });
    const suspended = async () =>
      (await bank.postern.call<Shown>('GET', '/v1/principals/orphan')).status === 'suspended';
    await until(suspended, 'it is suspended', 3000);
    await until(() => clients.every((client) => client.lost.length > 0), 'sessions closed', 1000);
    assert.match(String(clients[0]?.lost[0]), /session closed: .*orphan.*suspended/);
    await assert.rejects(bank.connect(who), /suspended/);
    assert.match((await show('orphan')).statusReason, /^Gone Soon, who answered for it, was disabled$/);
    const { items } = await bank.postern.call<{ items: { to: { email: string } }[] }>('GET', '/v1/notices');
    assert.deepEqual(
      items.map(({ to }) => to.email),
      ['backup@example.com'],
    );
  });
});
