import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Bank } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

describe('sinks in a package', () => {
  const bank = new Bank();
  before(() => bank.open());
  after(() => bank.close());

  test('each is there with its address, how far it came and how it failed, in a package of the whole log alone', async () => {
    const { story } = bank;
    story.people().resource();
    const batch = story.principal('batch');
    const id = '019a0000-0000-7000-8000-0000000000aa';
    const target = { kind: 'https', url: '=cmd|https://siem.example/', header: 'authorization', ca: null };
    const sink = { id, name: 'siem', target, secret: true, from: 0, status: 'active', statusReason: null };
    const system = { kind: 'system', id: 'system', name: 'Postern' } as const;
    const change = { entity: 'sink', id, before: null, after: { ...sink, createdAt: story.time } };
    story.tell('sink.created', story.admin, null, { change });
    const ref = { id, name: 'siem' };
    const failingSince = story.time;
    const at = '2026-11-21T19:30:01.000000Z';
    const said = (type: 'sink.failed' | 'sink.recovered' | 'sink.delivered', delivery: object): void =>
      void story.tell(type, system, null, { sink: ref, delivery: { at, rejected: 2, ...delivery } });
    said('sink.failed', { next: 3, failingSince, fault: 'it answers with 503' });
    said('sink.recovered', { next: 4, failingSince });
    said('sink.failed', { next: 5, failingSince, fault: 'ECONNREFUSED' });
    said('sink.delivered', { next: 6, failingSince });
    await bank.log();
    const dir = await bank.export({});
    assert.deepEqual((await verifyPackage(dir, { vkey: bank.vkey })).findings, []);
    const [row] = readFileSync(join(dir, 'populations/sinks.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.partialDeepStrictEqual(row, {
      ...{ id, name: 'siem', status: 'active', secret: true, target },
      ...{
        deliveredBefore: 6,
        deliveredAt: at,
        rejected: 2,
        failures: 2,
        lastFailure: 'ECONNREFUSED',
        failingSince,
      },
    });
    assert.match(readFileSync(join(dir, 'populations/sinks.csv'), 'utf8'), /siem/);
    const own = await bank.export({ principal: batch.name });
    assert.equal(readFileSync(join(own, 'populations/sinks.ndjson'), 'utf8'), '');
  });
});
