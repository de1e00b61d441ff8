import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RESOURCE, UPSTREAM_PASSWORD } from '../access/control.fixture.ts';
import { itemsOf, testApi } from './api.fixture.ts';

const PRINCIPAL = {
  name: 'batch',
  kind: 'service_account',
  owner: 'ada@example.org',
  backupOwner: 'bea@example.org',
  purpose: 'Posts the day',
  environment: 'production',
};
const OIDC = { issuer: 'https://issuer.example', audience: 'postern', claims: { sub: 'batch' } };

test('a rehearsal says of every step what would come of it, with those before it done, and does nothing', async (context) => {
  const fetched: string[] = [];
  const fetchIssuerKeys = async (issuer: string) => {
    fetched.push(issuer);
    return { issuer, jwks: {} };
  };
  const api = await testApi(context, {}, { fetchIssuerKeys });
  const [written, deltas] = [api.sink.written.length, api.deltas.length];
  const answer = await api.call('POST', '/v1/rehearsals', {
    steps: [
      { operation: 'principal.create', body: PRINCIPAL },
      { operation: 'principal.create', body: PRINCIPAL },
      { operation: 'principal.create', body: { ...PRINCIPAL, name: 'other', owner: 'nobody@example.org' } },
      { operation: 'principal.create', body: { ...PRINCIPAL, name: 'third', colour: 'red' } },
      { operation: 'binding.create', ref: 'batch', body: OIDC },
      { operation: 'binding.create', ref: 'other', body: OIDC },
      { operation: 'resource.create', body: RESOURCE },
      { operation: 'resource.update', ref: 'ledger-db', body: { host: 'a/b', reason: 'x' } },
      { operation: 'mask.create', body: { name: 'pan', resource: 'ledger-db', classes: ['contact'] } },
      { operation: 'mask.retire', ref: 'pan', body: { reason: 'x' } },
      { operation: 'mask.update', ref: 'pan', body: { detectors: ['iban'], reason: 'x' } },
      { operation: 'principal.retire', ref: 'batch', body: { reason: 'x' } },
      { operation: 'principal.update', ref: 'batch', body: { purpose: 'y', reason: 'x' } },
    ],
  });
  assert.equal(answer.status, 200, answer.text);
  const outcomes = answer.body.outcomes as unknown as ({ code: string; message: string } | null)[];
  assert.deepEqual(
    outcomes.map((outcome) => outcome?.code.slice(8) ?? null),
    [
      ...[null, 'CONFLICT', 'NOT_FOUND', 'INVALID', null, 'NOT_FOUND', null, 'INVALID', null, null],
      ...['CONFLICT', null, 'CONFLICT'],
    ],
    answer.text,
  );
  assert.deepEqual(itemsOf(await api.call('GET', '/v1/principals')), []);
  assert.deepEqual(itemsOf(await api.call('GET', '/v1/resources')), []);
  assert.deepEqual([api.sink.written.length, api.deltas.length], [written, deltas]);
  assert.deepEqual(fetched, []);
  assert.deepEqual(readdirSync(join(api.dataDir, 'work')), [], 'no copy is left');
  assert.ok(!answer.text.includes(UPSTREAM_PASSWORD));
});

test('a rehearsal that is not understood is refused, and leaves no copy either', async (context) => {
  const api = await testApi(context);
  for (const steps of [
    [{ operation: 'person.create', body: {} }],
    [{ operation: 'toString', body: {} }],
    [{ operation: '__proto__', body: {} }],
    [{ operation: 'principal.create' }],
    [{ operation: 'principal.create', body: PRINCIPAL, extra: 1 }],
    Array.from({ length: 1001 }, () => ({ operation: 'principal.create', body: {} })),
  ]) {
    assert.equal((await api.call('POST', '/v1/rehearsals', { steps })).status, 400);
  }
  const many = Array.from({ length: 300 }, (_, n) => ({
    operation: 'principal.create',
    body: { ...PRINCIPAL, name: `p-${n}` },
  }));
  const all = await Promise.all([1, 2, 3].map(() => api.call('POST', '/v1/rehearsals', { steps: many })));
  for (const { body } of all) {
    assert.ok((body.outcomes as unknown as unknown[]).every((outcome) => outcome === null));
  }
  assert.deepEqual(readdirSync(join(api.dataDir, 'work')), []);
});

test('a set holds what was made for it, and a thing is in one set', async (context) => {
  const api = await testApi(context);
  const { id } = (await api.call('POST', '/v1/principals', PRINCIPAL)).body;
  const mine = { kind: 'principal', id };
  const change = (set: string, add: object[], remove: object[] = []) =>
    api.call('POST', `/v1/sets/${set}`, { add, remove });
  const first = await change('bank', [mine]);
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(itemsOf(first)[0]?.object, { id, name: 'batch' });
  const record = api.sink.changes().at(-1);
  assert.deepEqual([record?.type, record?.change.entity], ['config.changed', 'declaration']);
  const written = api.sink.written.length;
  assert.equal((await change('bank', [mine])).status, 200);
  assert.equal(api.sink.written.length, written, 'twice is once');
  assert.equal((await change('other', [mine])).status, 409);
  assert.equal((await change('bank', [{ kind: 'mask', id }])).status, 404);
  assert.equal(
    (
      await change('bank', [
        { kind: 'principal', id: id?.toString().replace(/.$/, (last) => (last === '0' ? '1' : '0')) },
      ])
    ).status,
    404,
  );
  assert.equal((await change('BANK', [])).status, 400);
  assert.deepEqual(itemsOf(await change('bank', [], [mine])), []);
  assert.equal((await change('other', [mine])).status, 200);
  assert.deepEqual(itemsOf(await api.call('GET', '/v1/sets/bank')), []);
});

test('a resource is changed with a record of what it was, and what makes no sense is refused', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/resources', RESOURCE);
  const update = (body: object) => api.call('POST', '/v1/resources/ledger-db/update', body);
  const changed = await update({ classification: 'restricted', port: 5433, reason: 'CHG-1' });
  assert.deepEqual([changed.body.classification, changed.body.port], ['restricted', 5433]);
  const record = api.sink.changes().at(-1);
  assert.deepEqual([record?.type, record?.reason], ['resource.updated', 'CHG-1']);
  assert.equal(api.deltas.at(-1)?.resources?.[0]?.upstream.password, UPSTREAM_PASSWORD);
  const written = api.sink.written.length;
  assert.equal((await update({ port: 5433, reason: 'again' })).status, 200);
  for (const body of [
    { port: 0 },
    { host: 'a b' },
    { host: '0x7f.1' },
    { tls: { mode: 'disable', serverName: 'x' } },
    { name: 'other' },
    { upstream: { user: 'x', password: 'y' } },
    { classification: '' },
  ]) {
    assert.equal((await update({ ...body, reason: 'x' })).status, 400, JSON.stringify(body));
  }
  assert.equal((await update({ port: 1 })).status, 400, 'without a reason');
  assert.equal(api.sink.written.length, written);
  await api.call('POST', '/v1/resources/ledger-db/retire', { reason: 'x' });
  assert.equal((await update({ port: 1, reason: 'x' })).status, 409);
});
