import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import type { ObservedClass } from '../activity/observed.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { itemsOf, testApi } from './api.fixture.ts';

const DAY = 86_400_000_000;

test('rights of grants that are old enough and were not used since are told, and no others', async (context) => {
  let offset = 0;
  const clock = () => nowMicros() + offset;
  const seen: ObservedClass[] = [];
  const api = await testApi(context, {}, { clock });
  api.deps.activity.observed = () => seen;
  await api.call('POST', '/v1/resources', RESOURCE);
  await api.call('POST', '/v1/principals', {
    ...{ name: 'batch', kind: 'service_account', owner: 'ada@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  const asked = { principal: 'batch', resource: 'ledger-db', scope: 'select, insert on ledger.*' };
  const { body: grant } = await api.call('POST', '/v1/grants', { ...asked, ttlSeconds: 80 * 86_400 });
  const unused = async () => itemsOf(await api.call('GET', '/v1/unused-rights?days=30'));
  assert.deepEqual(await unused(), []);
  offset = 31 * DAY;
  const told = await unused();
  assert.deepEqual(
    told.map(({ id, unused: rights }) => [id, rights]),
    [
      [
        grant.id,
        [
          { verb: 'select', object: 'ledger.*' },
          { verb: 'insert', object: 'ledger.*' },
        ],
      ],
    ],
  );
  const use = (verb: string, daysAgo: number): ObservedClass => {
    const at = rfc3339(clock() - daysAgo * DAY);
    const [principal, resource] = [grant.principal, grant.resource].map(
      (each) => each as unknown as { id: string; name: string },
    );
    return {
      ...{
        principal: principal as { id: string; name: string },
        resource: resource as { id: string; name: string },
      },
      ...{ verbs: [verb], objects: ['ledger.a'], fingerprint: verb, allowed: 1, denied: 0, firstAt: at },
      ...{ lastAllowedAt: at, lastAllowed: null },
    };
  };
  seen.push(use('select', 40), use('insert', 2));
  assert.deepEqual(
    (await unused()).map(({ unused: rights }) => rights),
    [[{ verb: 'select', object: 'ledger.*' }]],
  );
  seen.push(use('select', 1));
  assert.deepEqual(await unused(), []);
  assert.equal((await api.call('GET', '/v1/unused-rights?days=0')).status, 400);
});
