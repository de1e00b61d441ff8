import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActivityFilter } from '../activity/filter.ts';
import { itemsOf, testApi } from './api.fixture.ts';
import { filterOf } from './asked-activity.ts';

const NOON = Date.UTC(2026, 10, 22, 12);

test('a period stands for its two times, by its name or from today, on the calendar of a zone', async (context) => {
  const api = await testApi(context);
  const [ada] = await api.control.persons.list({ limit: 1 });
  assert.ok(ada);
  const of = async (period: string, zone?: string, now = NOON): Promise<unknown> => {
    const { since, until } = await filterOf({ period, zone }, ada, api.control.savedQueries, now);
    return [since, until];
  };
  const third = ['2026-07-01T00:00:00.000000Z', '2026-10-01T00:00:00.000000Z'];
  assert.deepEqual(await of('2026-Q3'), third);
  assert.deepEqual(await of('last-quarter'), third);
  assert.deepEqual(await of('this-month'), ['2026-11-01T00:00:00.000000Z', '2026-12-01T00:00:00.000000Z']);
  assert.deepEqual(await of('last-year'), ['2025-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z']);
  const newYear = Date.UTC(2026, 11, 31, 23, 30);
  assert.deepEqual(await of('this-month', 'Europe/Berlin', newYear), [
    '2026-12-31T23:00:00.000000Z',
    '2027-01-31T23:00:00.000000Z',
  ]);
  assert.deepEqual(await of('last-quarter', 'UTC', Date.UTC(2026, 1, 1)), [
    '2025-10-01T00:00:00.000000Z',
    '2026-01-01T00:00:00.000000Z',
  ]);
  for (const bad of [
    ['last-week', 'UTC'],
    ['2026-Q5', 'UTC'],
    ['this-month', 'Nowhere/There'],
  ] as const) {
    await assert.rejects(of(bad[0], bad[1]), { code: 'POSTERN_INVALID' });
  }
  const both = filterOf({ period: '2026-Q3', since: '2026-01-01T00:00:00Z' }, ada, api.control.savedQueries);
  await assert.rejects(both, { code: 'POSTERN_INVALID' });
});

test('a query is kept by its person, found by its name, and what is said besides goes before it', async (context) => {
  const asked: ActivityFilter[] = [];
  const api = await testApi(context);
  const { activity } = api.deps;
  Object.assign(activity, {
    query: (filter: ActivityFilter) => {
      asked.push(filter);
      return { items: [], next: null };
    },
  });
  const filter = { decision: 'deny', resource: 'ledger-db', period: '2026-Q3' };
  const saved = await api.call('POST', '/v1/activity/saved', { name: 'refusals', filter });
  assert.equal(saved.status, 201, saved.text);
  await api.call('GET', '/v1/activity?saved=refusals&resource=other-db');
  const [since, until] = ['2026-07-01T00:00:00.000000Z', '2026-10-01T00:00:00.000000Z'];
  assert.deepEqual(asked.at(-1), { decision: 'deny', resource: 'other-db', since, until });
  await api.call('GET', '/v1/activity?saved=refusals&since=2026-11-01T00:00:00Z');
  assert.deepEqual(asked.at(-1), { decision: 'deny', resource: 'ledger-db', since: '2026-11-01T00:00:00Z' });
  assert.equal((await api.call('GET', '/v1/activity?saved=none')).status, 404);
  for (const bad of [{ period: 'x' }, { decision: 'maybe' }, { saved: 'refusals' }, { more: 'x' }]) {
    assert.equal((await api.call('POST', '/v1/activity/saved', { name: 'bad', filter: bad })).status, 400);
  }
});

test('what is kept is its person’s alone unless it is shared, and gives nobody a right', async (context) => {
  const asked: ActivityFilter[] = [];
  const api = await testApi(context);
  Object.assign(api.deps.activity, {
    query: (filter: ActivityFilter) => {
      asked.push(filter);
      return { items: [], next: null };
    },
  });
  const tokenOf = async (role: string): Promise<string> => {
    const email = `${role}@example.org`;
    await api.call('POST', '/v1/persons', { name: `The ${role}`, email, roles: [role] });
    return String((await api.call('POST', `/v1/persons/${email}/tokens`, {})).body.token);
  };
  const [auditor, owner] = [await tokenOf('auditor'), await tokenOf('owner')];
  const save = (name: string, shared: boolean, token: string, verb = 'select') =>
    api.call('POST', '/v1/activity/saved', { name, shared, filter: { verb } }, token);
  assert.equal((await save('mine', false, auditor)).status, 201);
  assert.equal((await save('ours', true, auditor)).status, 201);
  assert.equal((await save('ours', true, api.token)).status, 409, 'somebody else shares that name');
  assert.equal((await save('theirs', true, owner)).status, 403);
  assert.equal((await save('ours', false, owner, 'delete')).status, 201);
  const names = async (token: string) =>
    itemsOf(await api.call('GET', '/v1/activity/saved', undefined, token)).map(({ name, shared }) => [
      name,
      shared,
    ]);
  assert.deepEqual(await names(auditor), [
    ['mine', false],
    ['ours', true],
  ]);
  assert.deepEqual(await names(owner), [
    ['ours', true],
    ['ours', false],
  ]);
  assert.equal((await api.call('GET', '/v1/activity?saved=mine', undefined, owner)).status, 404);
  await api.call('GET', '/v1/activity?saved=ours', undefined, owner);
  // One's own before what is shared; and of their own principals alone.
  assert.equal(asked.at(-1)?.verb, 'delete');
  assert.notEqual(asked.at(-1)?.owner, undefined);
  assert.equal((await api.call('POST', '/v1/activity/saved/mine/forget', {}, owner)).status, 404);
  assert.equal((await api.call('POST', '/v1/activity/saved/ours/forget', {}, owner)).status, 200);
  assert.equal((await api.call('POST', '/v1/activity/saved/ours/forget', {}, owner)).status, 403);
  assert.equal((await api.call('POST', '/v1/activity/saved/ours/forget', {}, auditor)).status, 200);
});
