import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import { itemsOf, type TestApi, testApi } from './api.fixture.ts';

async function tokenOf(api: TestApi, role: string): Promise<string> {
  const email = `${role}@example.org`;
  await api.call('POST', '/v1/persons', { name: `The ${role}`, email, roles: [role] });
  return String((await api.call('POST', `/v1/persons/${email}/tokens`, {})).body.token);
}

test('an administrator makes, changes and retires a rule; every step is in the log under their name', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/resources', RESOURCE);
  const made = await api.call('POST', '/v1/masks', {
    name: 'pay',
    resource: 'ledger-db',
    columns: ['hr.salaries.amount'],
    transform: { kind: 'generalise', bucket: 10_000 },
    reason: 'CHG-7',
  });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(made.body.transform, { kind: 'generalise', date: 'year', bucket: 10_000, prefix: 2 });
  assert.equal(made.body.resource?.name, 'ledger-db');
  const changed = await api.call('POST', '/v1/masks/pay/update', {
    probes: 'allow',
    reason: 'reports group',
  });
  assert.equal(changed.body.revision, 2, changed.text);
  const listed = await api.call('GET', '/v1/masks?resource=ledger-db');
  assert.deepEqual(
    itemsOf(listed).map(({ name, revision }) => [name, revision]),
    [['pay', 2]],
  );
  const ended = await api.call('POST', `/v1/masks/${made.body.id}/retire`, { reason: 'gone' });
  assert.equal(ended.body.status, 'retired', ended.text);
  assert.equal(itemsOf(await api.call('GET', '/v1/masks')).length, 0);
  assert.equal(itemsOf(await api.call('GET', '/v1/masks?status=all')).length, 1);
  assert.deepEqual(
    api.sink
      .changes()
      .flatMap(({ type, actor, reason }) => (type.startsWith('mask.') ? [[type, actor.name, reason]] : [])),
    [
      ['mask.created', 'Ada Admin', 'CHG-7'],
      ['mask.updated', 'Ada Admin', 'reports group'],
      ['mask.retired', 'Ada Admin', 'gone'],
    ],
  );
});

test('an owner sees the masks on what is theirs and can neither lift, weaken nor replace them', async (context) => {
  const api = await testApi(context);
  const owner = await tokenOf(api, 'owner');
  const fields = {
    kind: 'agent',
    purpose: 'x',
    environment: 'test',
    owner: 'owner@example.org',
    backupOwner: 'bea@example.org',
  };
  await api.call('POST', '/v1/principals', { ...fields, name: 'bot' });
  const rule = { name: 'mail', principal: 'bot', classes: ['contact'] };
  assert.equal((await api.call('POST', '/v1/masks', rule)).status, 201);
  assert.equal((await api.call('GET', '/v1/masks/mail', undefined, owner)).status, 200);
  const before = api.sink.written.length;
  for (const [path, body] of [
    ['/v1/masks/mail/retire', { reason: 'in my way' }],
    ['/v1/masks/mail/update', { transform: { kind: 'partial', keep: 16 }, reason: 'in my way' }],
    ['/v1/masks/mail/update', { detectors: ['iban'], reason: 'in my way' }],
    ['/v1/masks', { ...rule, name: 'other' }],
  ] as const) {
    const answer = await api.call('POST', path, body, owner);
    assert.equal(answer.status, 403, `${path}: ${answer.text}`);
  }
  assert.equal(api.sink.written.length, before);
  assert.equal((await api.call('GET', '/v1/masks/mail')).body.revision, 1);
});

test('a name stays taken after its rule was retired, by id or by name', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/masks', { name: 'mail', classes: ['contact'] });
  await api.call('POST', '/v1/masks/mail/retire', { reason: 'x' });
  const again = await api.call('POST', '/v1/masks', { name: 'mail', classes: ['contact'] });
  assert.equal(again.status, 409);
  assert.match(again.text, /POSTERN_CONFLICT/);
});

test('what the schema or the rules do not know is refused, and nothing of it is recorded', async (context) => {
  const api = await testApi(context);
  const before = api.sink.written.length;
  for (const body of [
    {},
    { classes: ['everything'] },
    { detectors: ['dna'] },
    { classes: ['contact'], transform: { kind: 'show' } },
    { classes: ['contact'], transform: { kind: 'hash', key: 'mine' } },
    { classes: ['contact'], probes: 'maybe' },
    { classes: ['contact'], revision: 7 },
    { classes: ['contact'], status: 'retired' },
    { columns: ['a.b'] },
    { columns: [''] },
    { names: ['x'.repeat(401)] },
    { columns: 'a.b.c' },
  ]) {
    const answer = await api.call('POST', '/v1/masks', body);
    assert.equal(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`);
  }
  assert.equal(api.sink.written.length, before);
});

test('no answer gives the key of keyed masks, and no call hashes a text of the caller’s', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/masks', { name: 'mail', classes: ['contact'], transform: { kind: 'hash' } });
  await api.call('GET', '/v1/masks/mail');
  assert.equal((await api.call('POST', '/v1/masks/test', { text: 'ada@bank.example' })).status, 404);
  const { maskKey } = api.control;
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    assert.ok(![...api.answers, ...api.logged].some((text) => text.includes(maskKey.toString(encoding))));
  }
});
