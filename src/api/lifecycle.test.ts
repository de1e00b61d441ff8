import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemsOf, testApi } from './api.fixture.ts';

test('an owner sees the notices for themselves alone', async (context) => {
  const api = await testApi(context);
  const tokens = new Map<string, string>();
  for (const name of ['olaf', 'ed', 'grace']) {
    const email = `${name}@example.org`;
    await api.call('POST', '/v1/persons', { name, email, roles: ['owner'] });
    tokens.set(name, String((await api.call('POST', `/v1/persons/${email}/tokens`, {})).body.token));
  }
  const fields = { kind: 'agent', purpose: 'x', environment: 'test', owner: 'grace@example.org' };
  for (const name of ['olaf', 'ed']) {
    const body = { ...fields, name: `of-${name}`, backupOwner: `${name}@example.org` };
    assert.equal((await api.call('POST', '/v1/principals', body)).status, 201);
  }
  await api.call('POST', '/v1/persons/grace@example.org/disable', { reason: 'left' });
  await api.control.lifecycle.sweep();
  const seen = async (query: string, token?: string) =>
    itemsOf(await api.call('GET', `/v1/notices${query}`, undefined, token)).map((item) =>
      String(item.principal?.name),
    );
  assert.deepEqual(await seen(''), ['of-olaf', 'of-ed']);
  assert.deepEqual(await seen('?to=ed@example.org'), ['of-ed']);
  assert.deepEqual(await seen('?principal=of-olaf'), ['of-olaf']);
  assert.deepEqual(await seen('', tokens.get('olaf')), ['of-olaf']);
  assert.deepEqual(await seen('?to=ed@example.org', tokens.get('olaf')), ['of-olaf']);
  const theirs = await api.call('GET', '/v1/notices?principal=of-ed', undefined, tokens.get('olaf'));
  assert.equal(theirs.status, 403);
  const [notice] = itemsOf(await api.call('GET', '/v1/notices', undefined, tokens.get('ed')));
  assert.equal(notice?.to?.email, 'ed@example.org');
  assert.equal(notice?.kind, 'owner_left');
  assert.equal((await api.call('GET', '/v1/notices', undefined, tokens.get('grace'))).status, 401);
  const page = await api.call('GET', '/v1/notices?limit=1');
  assert.deepEqual([itemsOf(page).length, typeof page.body.next], [1, 'string']);
});

test('the policy is changed by an administrator, with a reason, within its bounds', async (context) => {
  const api = await testApi(context);
  const set = (body: object) => api.call('POST', '/v1/lifecycle', body);
  assert.deepEqual((await api.call('GET', '/v1/lifecycle')).body, { rehomeDays: 14, unusedDays: null });
  assert.equal((await set({ rehomeDays: 7 })).status, 400, 'a reason is missing');
  assert.equal((await set({ rehomeDays: 366, reason: 'x' })).status, 400);
  assert.equal((await set({ unusedDays: 0, reason: 'x' })).status, 400);
  assert.equal((await set({ unusedDays: '90', reason: 'x' })).status, 400);
  const changed = await set({ rehomeDays: 7, unusedDays: 90, reason: 'IAM-12' });
  assert.deepEqual(changed.body, { rehomeDays: 7, unusedDays: 90 });
  assert.deepEqual((await set({ unusedDays: null, reason: 'IAM-13' })).body, {
    rehomeDays: 7,
    unusedDays: null,
  });
});

test('who there is can be seen while the index cannot be read; who is unused is not guessed', async (context) => {
  const broken = () => {
    throw new Error('the index is damaged');
  };
  const api = await testApi(context);
  Object.assign(api.deps.activity, { lastUses: broken, sources: broken });
  const people = { owner: 'ada@example.org', backupOwner: 'bea@example.org' };
  const fields = { name: 'batch', kind: 'agent', purpose: 'x', environment: 'test', ...people };
  await api.call('POST', '/v1/principals', fields);
  const [listed] = itemsOf(await api.call('GET', '/v1/principals'));
  assert.deepEqual([listed?.name, listed?.lastUsedAt], ['batch', null]);
  const shown = await api.call('GET', '/v1/principals/batch');
  assert.deepEqual([shown.status, shown.body.sources], [200, []]);
  assert.ok(api.logged.some((line) => line.includes('the index is damaged')));
  assert.equal((await api.call('GET', '/v1/principals?unusedSince=2099-01-01T00:00:00Z')).status, 500);
});
