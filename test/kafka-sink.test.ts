import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Broker, relay, startBroker } from './support/kafka.ts';
import { startPostern, type TestPostern } from './support/postern.ts';
import { until } from './support/processes.ts';

interface Shown {
  readonly delivery: { readonly next: number; readonly fault: string | null } | null;
}

/** A real Postern, a broker on the wire, and a consumer that knows nothing of Postern. */
describe('a sink of the kind kafka', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-kafka-'));
  let postern: TestPostern;
  let token = '';
  let broker: Broker;
  let address: Awaited<ReturnType<typeof relay>>;
  const restart = async (): Promise<void> => {
    postern = await startPostern(token === '' ? { dataDir } : { dataDir, token });
    token = postern.token;
  };
  before(async () => {
    broker = await startBroker();
    address = await relay();
    address.to = broker.port;
    await restart();
  });
  after(async () => {
    await postern.stop('SIGKILL');
    await broker.kill();
    await address.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const people = async (prefix: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const person = { name: `${prefix} ${i}`, email: `${prefix}${i}@example.com`, roles: ['owner'] };
      await postern.call('POST', '/v1/persons', person);
    }
  };
  const deliveryOf = async (name: string): Promise<Shown['delivery']> =>
    (await postern.call<Shown>('GET', `/v1/sinks/${name}`)).delivery;
  const drained = async (name: string): Promise<number> => {
    const { size } = await postern.call<{ size: number }>('GET', '/v1/ledger');
    await until(async () => ((await deliveryOf(name))?.next ?? 0) >= size, `${name} has all`, 60_000);
    return size;
  };
  const upTo = (size: number, from = 0): number[] => Array.from({ length: size - from }, (_, i) => from + i);
  const whole = (leaves: Iterable<number>, size: number): number[] =>
    [...new Set(leaves)].sort((a, b) => a - b).slice(0, size);

  it('writes an event for each leaf, those of one key in order, and its test arrives', async () => {
    const brokers = [`127.0.0.1:${address.port}`];
    const target = { kind: 'kafka', brokers, topic: 'postern', tls: false };
    await postern.call('POST', '/v1/sinks', { name: 'stream', target, fromBeginning: true });
    await postern.call('POST', '/v1/sinks', {
      name: 'archive',
      target: { kind: 'file' },
      fromBeginning: true,
    });
    await people('first', 12);
    const principal = await postern.call<{ id: string }>('POST', '/v1/principals', {
      name: 'batch',
      kind: 'agent',
      owner: 'admin@example.com',
      backupOwner: 'first0@example.com',
      purpose: 'nightly batch',
      environment: 'test',
    });
    const size = await drained('stream');
    const messages = await broker.read('postern');
    assert.deepEqual(
      whole(
        messages.map(({ leaf }) => leaf),
        size,
      ),
      upTo(size),
    );
    const last = new Map<string, number>();
    for (const { key, leaf, value, partition } of messages) {
      const event = JSON.parse(value) as { metadata: { sequence: number; event_code: string } };
      assert.equal(event.metadata.sequence, leaf);
      assert.equal(leaf > (last.get(`${partition} ${key}`) ?? -1), true, `${key}: ${leaf}`);
      last.set(`${partition} ${key}`, leaf);
      assert.equal(
        key,
        event.metadata.event_code === 'principal.created' ? principal.id : event.metadata.event_code,
      );
    }
    // A key is in one partition.
    assert.equal(new Set(messages.map(({ key }) => key)).size, last.size);
    assert.deepEqual(await postern.call('POST', '/v1/sinks/stream/test', {}), { ok: true, fault: null });
    const tests = (await broker.read('postern')).filter(({ key }) => key === 'sink.test');
    assert.equal(tests.length, 1);
  });

  it('is held up by a broker that stalls, and nothing else is; a Postern that is killed meanwhile goes on', async () => {
    process.kill(broker.pid, 'SIGSTOP');
    const { next = 0 } = (await deliveryOf('stream')) ?? {};
    try {
      await people('stalled', 6);
      await drained('archive');
      assert.equal((await deliveryOf('stream'))?.next, next);
      await postern.stop('SIGKILL');
      await restart();
    } finally {
      process.kill(broker.pid, 'SIGCONT');
    }
    await people('woken', 2);
    const size = await drained('stream');
    const leaves = (await broker.read('postern')).filter(({ key }) => key !== 'sink.test');
    assert.deepEqual(
      whole(
        leaves.map(({ leaf }) => leaf),
        size,
      ),
      upTo(size),
    );
  });

  it('loses nothing when the broker is killed and another one answers at its address', async () => {
    const size = await drained('stream');
    const had = (await broker.read('postern')).filter(({ key }) => key !== 'sink.test');
    const { next = 0 } = (await deliveryOf('stream')) ?? {};
    await broker.kill();
    await people('away', 8);
    await until(async () => (await deliveryOf('stream'))?.fault != null, 'it fails', 60_000);
    assert.equal((await deliveryOf('stream'))?.next, next);
    broker = await startBroker();
    address.to = broker.port;
    const after = await drained('stream');
    assert.equal(after > size, true);
    const has = await broker.read('postern');
    assert.deepEqual(
      whole(
        [...had, ...has].map(({ leaf }) => leaf),
        after,
      ),
      upTo(after),
    );
    assert.equal((await deliveryOf('stream'))?.fault, null);
  });
});
