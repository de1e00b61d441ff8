import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE, UPSTREAM_PASSWORD } from '../access/control.fixture.ts';
import { itemsOf, type TestApi, testApi } from './api.fixture.ts';
import type { ApiDeps } from './deps.ts';

const PRINCIPAL = {
  name: 'nightly-ledger-batch',
  kind: 'service_account',
  owner: 'ada@example.org',
  backupOwner: 'bea@example.org',
  purpose: 'Posts the day',
  environment: 'production',
};

async function scene(api: TestApi) {
  const principal = (await api.call('POST', '/v1/principals', PRINCIPAL)).body;
  const resource = (await api.call('POST', '/v1/resources', RESOURCE)).body;
  const grant = await api.call('POST', '/v1/grants', {
    principal: PRINCIPAL.name,
    resource: 'ledger-db',
    scope: 'insert, select on ledger.*',
    ttlSeconds: 600,
    ticket: 'CHG-4711',
    justification: 'Nightly run',
  });
  assert.equal(grant.status, 201, grant.text);
  return { principal, resource, grant: grant.body };
}

test('the whole path: principal, resource, grant, credential, and what each answers', async (context) => {
  const api = await testApi(context);
  const { principal, resource, grant } = await scene(api);
  assert.deepEqual(principal.owner, { id: api.admin.id, name: 'Ada Admin', email: 'ada@example.org' });
  assert.equal(principal.status, 'active');
  assert.deepEqual({ ...resource.upstream, since: '' }, { user: 'ledger_app', source: null, since: '' });
  assert.equal(grant.scope, 'select, insert on ledger.*', 'in its canonical form');
  assert.deepEqual(grant.authority, {
    kind: 'approval',
    approvers: [{ id: api.admin.id, name: 'Ada Admin' }],
    ticket: 'CHG-4711',
    justification: 'Nightly run',
  });
  const issued = await api.call('POST', '/v1/credentials', { principal: PRINCIPAL.name, grant: grant.id });
  assert.equal(issued.status, 201, issued.text);
  assert.match(String(issued.body.password), /^postern_/);
  assert.equal(issued.body.credential?.expiresAt, grant.end, 'never outlives its grant');
  assert.match(String(issued.body.connection?.ca), /BEGIN CERTIFICATE/);
  const detail = (await api.call('GET', `/v1/principals/${PRINCIPAL.name}`)).body;
  assert.equal(detail.grants?.length, 1);
  assert.equal(detail.credentials?.length, 1);
  const revoked = await api.call('POST', `/v1/grants/${grant.id}/revoke`, { reason: 'done' });
  assert.equal(revoked.body.status, 'revoked');
  assert.equal((await api.call('POST', `/v1/grants/${grant.id}/revoke`, { reason: 'done' })).status, 409);
  assert.equal(itemsOf(await api.call('GET', '/v1/grants')).length, 0);
  assert.equal(itemsOf(await api.call('GET', '/v1/grants?status=all')).length, 1);
  assert.equal((await api.call('GET', '/healthz', undefined, null)).body.status, 'ok');
  assert.equal((await api.call('GET', '/openapi.json', undefined, null)).body.openapi, '3.1.0');
});

test('no answer and no log line holds a secret that it is not made to hand over', async (context) => {
  const api = await testApi(context);
  const { grant } = await scene(api);
  const issued = await api.call('POST', '/v1/credentials', { principal: PRINCIPAL.name, grant: grant.id });
  const minted = await api.call('POST', '/v1/persons/ada@example.org/tokens', {});
  const handedOver = api.answers.filter((a) => a.includes(String(issued.body.password)));
  assert.equal(handedOver.length, 1);
  const gets = ['whoami', 'connection', 'persons', 'principals', 'resources', 'resources/ledger-db'];
  gets.push('grants', 'credentials', 'sessions', 'activity', 'ledger', `principals/${PRINCIPAL.name}`);
  for (const path of gets) assert.equal((await api.call('GET', `/v1/${path}`)).status, 200, path);
  await api.call('POST', '/v1/resources', { ...RESOURCE, port: UPSTREAM_PASSWORD });
  await api.call('POST', '/v1/resources', { ...RESOURCE, upstream: { password: UPSTREAM_PASSWORD } });
  await api.call('POST', '/v1/resources', JSON.stringify(RESOURCE).slice(0, -1));
  await api.call('POST', '/v1/resources', RESOURCE);
  const all = [...api.answers, ...api.logged].join('\n');
  assert.ok(!all.includes(UPSTREAM_PASSWORD));
  assert.ok(!all.includes(api.token));
  assert.equal(all.split(String(issued.body.password)).length, 2, 'the password was shown once');
  assert.equal(all.split(String(minted.body.token)).length, 2, 'the token was shown once');
});

test('a call without a valid token is refused alike, whatever is wrong with the token', async (context) => {
  const api = await testApi(context);
  const unused = `pat_${'A'.repeat(43)}`;
  const tokens = [null, '', 'x', unused, `${api.token}A`, api.token.slice(0, -1), api.token.toUpperCase()];
  const seen = new Set<string>();
  for (const token of tokens) {
    const answer = await api.call('GET', '/v1/whoami', undefined, token);
    assert.equal(answer.status, 401);
    seen.add(answer.text);
  }
  assert.equal(seen.size, 1);
  assert.equal((await api.call('GET', '/v1/whoami')).status, 200);
});

test('guessing tokens is slowed down, without shutting out who has a valid one', async (context) => {
  const api = await testApi(context);
  const statuses: number[] = [];
  for (let i = 0; i < 40; i++) {
    statuses.push((await api.call('GET', '/v1/whoami', undefined, `pat_${i}`)).status);
  }
  assert.equal(statuses[0], 401);
  assert.equal(statuses.at(-1), 429);
  assert.equal((await api.call('GET', '/v1/whoami')).status, 200);
});

test('the tokens of a disabled person stop at once', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/persons', { name: 'Bo', email: 'bo@example.org', roles: ['auditor'] });
  const { token } = (await api.call('POST', '/v1/persons/bo@example.org/tokens', {})).body;
  assert.equal((await api.call('GET', '/v1/grants', undefined, String(token))).status, 200);
  await api.call('POST', '/v1/persons/bo@example.org/disable', { reason: 'left' });
  assert.equal((await api.call('GET', '/v1/grants', undefined, String(token))).status, 401);
  assert.equal((await api.call('POST', '/v1/persons/bo@example.org/tokens', {})).status, 409);
});

test('the last active administrator cannot be disabled', async (context) => {
  const api = await testApi(context);
  const answer = await api.call('POST', '/v1/persons/ada@example.org/disable', { reason: 'oops' });
  assert.equal(answer.status, 409);
});

test('a token ends at its time', async (context) => {
  const api = await testApi(context);
  const { token } = (await api.call('POST', '/v1/persons/ada@example.org/tokens', { ttlSeconds: 1 })).body;
  const status = async () => (await api.call('GET', '/v1/whoami', undefined, String(token))).status;
  assert.equal(await status(), 200);
  while ((await status()) === 200) await new Promise((done) => setTimeout(done, 100));
  assert.equal(await status(), 401);
});

test('properties that a caller may not set are refused, not ignored', async (context) => {
  const api = await testApi(context);
  const tries: [string, object][] = [
    ['/v1/principals', { ...PRINCIPAL, status: 'active' }],
    ['/v1/principals', { ...PRINCIPAL, id: '0' }],
    ['/v1/persons', { name: 'X', email: 'x@example.org', roles: ['owner'], status: 'active' }],
    ['/v1/persons', { name: 'X', email: 'x@example.org', roles: ['root'] }],
    ['/v1/resources', { ...RESOURCE, upstream: { ...RESOURCE.upstream, extra: 1 } }],
    ['/v1/grants', { principal: 'p', resource: 'r', scope: 's', ttlSeconds: 1, authority: {} }],
    ['/v1/grants', { principal: 'p', resource: 'r', scope: 's', ttlSeconds: '1' }],
  ];
  for (const [path, body] of tries) {
    const answer = await api.call('POST', path, body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.body.error?.code, 'POSTERN_INVALID');
  }
  const polluted = '{"name":"x","email":"x@example.org","roles":["owner"],"__proto__":{"admin":true}}';
  assert.equal((await api.call('POST', '/v1/persons', polluted)).status, 400);
  assert.equal((await api.call('GET', '/v1/principals?sort=name')).status, 400);
});

test('names with control, invisible, quoting or path characters are refused everywhere', async (context) => {
  const api = await testApi(context);
  const bad = [
    "a'; drop table grants; --",
    'a/b',
    '../x',
    'A',
    'a',
    'a b',
    'x\u0000y',
    'ä-name',
    'a'.repeat(64),
  ];
  bad.push('018f0000-0000-7000-8000-000000000000', '-a', '$(id)', 'a\nb');
  for (const name of bad) {
    assert.equal((await api.call('POST', '/v1/principals', { ...PRINCIPAL, name })).status, 400, name);
    assert.equal((await api.call('POST', '/v1/resources', { ...RESOURCE, name })).status, 400, name);
  }
  for (const purpose of ['\u001b[2Jx', 'a\u202eb', '   ', 'x\u200by']) {
    assert.equal((await api.call('POST', '/v1/principals', { ...PRINCIPAL, purpose })).status, 400, purpose);
  }
  const hosts = [
    'db.internal:5432',
    '/var/run/postgresql',
    'a,b',
    'http://x',
    '127.1',
    '0x7f.1',
    'a..b',
    '[::1]',
  ];
  for (const host of hosts) {
    assert.equal((await api.call('POST', '/v1/resources', { ...RESOURCE, host })).status, 400, host);
  }
  const q = encodeURIComponent("' or 1=1 --");
  assert.equal(itemsOf(await api.call('GET', `/v1/principals?q=${q}`)).length, 0);
  assert.equal((await api.call('GET', `/v1/principals/${q}`)).status, 404);
});

test('the name of a retired principal is never used again, nor that of a retired resource', async (context) => {
  const api = await testApi(context);
  const { grant } = await scene(api);
  const issued = await api.call('POST', '/v1/credentials', { principal: PRINCIPAL.name });
  const retired = await api.call('POST', `/v1/principals/${PRINCIPAL.name}/retire`, { reason: 'replaced' });
  assert.equal(retired.body.status, 'retired');
  assert.equal((await api.call('GET', `/v1/grants/${grant.id}`)).body.status, 'revoked');
  const items = itemsOf(await api.call('GET', '/v1/credentials?status=revoked'));
  assert.equal(items?.[0]?.id, issued.body.credential?.id);
  const again = await api.call('POST', '/v1/principals', PRINCIPAL);
  assert.equal(again.status, 409);
  assert.match(again.text, /never used again/);
  const resumed = await api.call('POST', `/v1/principals/${PRINCIPAL.name}/resume`, { reason: 'back' });
  assert.equal(resumed.status, 409);
  await api.call('POST', '/v1/resources/ledger-db/retire', { reason: 'gone' });
  assert.equal((await api.call('POST', '/v1/resources', RESOURCE)).status, 409);
});

test('a principal that is not active gets neither grants nor credentials', async (context) => {
  const api = await testApi(context);
  const { grant } = await scene(api);
  for (const verb of ['suspend', 'disable']) {
    await api.call('POST', `/v1/principals/${PRINCIPAL.name}/${verb}`, { reason: 'look into it' });
    const credential = { principal: PRINCIPAL.name, grant: grant.id };
    const refused = await api.call('POST', '/v1/credentials', credential);
    assert.equal(refused.body.error?.code, 'POSTERN_PRINCIPAL_INACTIVE');
    const newGrant = {
      principal: PRINCIPAL.name,
      resource: 'ledger-db',
      scope: 'select on a.b',
      ttlSeconds: 9,
    };
    assert.equal((await api.call('POST', '/v1/grants', newGrant)).status, 409);
  }
  const resumed = await api.call('POST', `/v1/principals/${PRINCIPAL.name}/resume`, { reason: 'clear' });
  assert.equal(resumed.body.status, 'active');
  assert.equal((await api.call('POST', '/v1/credentials', { principal: PRINCIPAL.name })).status, 201);
});

test('a credential cannot be bound to the grant of another principal', async (context) => {
  const api = await testApi(context);
  const { grant } = await scene(api);
  await api.call('POST', '/v1/principals', { ...PRINCIPAL, name: 'other' });
  const answer = await api.call('POST', '/v1/credentials', { principal: 'other', grant: grant.id });
  assert.equal(answer.status, 404);
});

test('a grant needs a valid scope and an end within 90 days', async (context) => {
  const api = await testApi(context);
  await scene(api);
  const base = { principal: PRINCIPAL.name, resource: 'ledger-db', scope: 'select on ledger.*' };
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
  const bad: object[] = [
    {},
    { ttlSeconds: 60, end: at(60) },
    { ttlSeconds: 0 },
    { ttlSeconds: 91 * 86_400 },
    { end: at(-5) },
    { end: at(91 * 86_400) },
    { start: at(-3600), end: at(60) },
    { start: at(60), end: at(30) },
    { end: '2026-13-45T00:00:00Z' },
    { end: 'tomorrow' },
    { ttlSeconds: 60, scope: 'selekt on ledger.*' },
    { ttlSeconds: 60, scope: '' },
  ];
  for (const fields of bad) {
    const answer = await api.call('POST', '/v1/grants', { ...base, ...fields });
    assert.equal(answer.status, 400, JSON.stringify(fields) + answer.text);
  }
  assert.equal((await api.call('POST', '/v1/grants', { ...base, end: at(60) })).status, 201);
});

test('huge, malformed and mistyped bodies are refused in the one form of error', async (context) => {
  const api = await testApi(context);
  const huge = await api
    .call('POST', '/v1/persons', JSON.stringify({ name: 'x'.repeat(1_100_000) }))
    .catch(() => null);
  if (huge) assert.equal(huge.status, 413);
  for (const body of ['{', '[]', '"x"', 'null', '{"name":1}']) {
    const answer = await api.call('POST', '/v1/persons', body);
    assert.equal(answer.status, 400, body);
    assert.equal(answer.body.error?.code, 'POSTERN_INVALID');
  }
  assert.equal((await api.call('GET', '/v1/nothing')).body.error?.code, 'POSTERN_NOT_FOUND');
  assert.equal((await api.call('GET', '/healthz', undefined, null)).status, 200);
});

test('what is no id is called so, without the pattern of one', async (context) => {
  const api = await testApi(context);
  const calls = [
    ['POST', '/v1/grants/nope/revoke', { reason: 'x' }],
    ['POST', '/v1/credentials', { principal: PRINCIPAL.name, grant: 'nope' }],
  ] as const;
  for (const [method, path, body] of calls) {
    const { status, body: answer } = await api.call(method, path, body);
    assert.equal(status, 400);
    assert.match(String(answer.error?.message), /^What is given as (id|grant) is not an id/);
  }
});

test('when the record cannot be written the API answers 503 and nothing changes', async (context) => {
  const api = await testApi(context);
  await scene(api);
  api.sink.failing = true;
  const answer = await api.call('POST', '/v1/principals', { ...PRINCIPAL, name: 'other' });
  assert.equal(answer.status, 503);
  assert.equal(answer.body.error?.code, 'POSTERN_AUDIT_UNAVAILABLE');
  api.sink.failing = false;
  assert.equal((await api.call('GET', '/v1/principals/other')).status, 404);
});

test('lists come in pages that join without gap or repeat', async (context) => {
  const api = await testApi(context);
  for (let i = 0; i < 7; i++) await api.call('POST', '/v1/principals', { ...PRINCIPAL, name: `p-${i}` });
  const names: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const answer = await api.call('GET', `/v1/principals?limit=3${cursor && `&cursor=${cursor}`}`);
    for (const item of itemsOf(answer)) names.push(String(item.name));
    cursor = answer.body.next as unknown as string | null;
  }
  assert.deepEqual(names, ['p-0', 'p-1', 'p-2', 'p-3', 'p-4', 'p-5', 'p-6']);
  assert.equal((await api.call('GET', '/v1/principals?limit=0')).status, 400);
  assert.equal((await api.call('GET', "/v1/principals?cursor='")).status, 400);
});

const ledgerWith = (fault: string | null, losses: readonly string[]): ApiDeps['ledger'] => ({
  status: () => ({ origin: '', size: 0, root: '', checkpoint: '', vkey: '', losses, fault }),
  flush: async () => undefined,
  rotateKey: async () => ({ before: [], after: [] }),
});

test('health says 503 and why, when the log or the gateway fails', async (context) => {
  const api = await testApi(context, { ledger: ledgerWith('disk full', []) });
  const answer = await api.call('GET', '/healthz', undefined, null);
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.body.reasons, ['disk full']);
});

test('health and the state of the log name what was lost, and the gateway stays in service', async (context) => {
  const api = await testApi(context, { ledger: ledgerWith(null, ['The journal w was gone.']) });
  const health = await api.call('GET', '/healthz', undefined, null);
  assert.equal(health.status, 200);
  assert.deepEqual(health.body.warnings, ['The journal w was gone.']);
  assert.deepEqual((await api.call('GET', '/v1/ledger')).body.losses, ['The journal w was gone.']);
});

test('an evidence export is recorded before it is handed over, under the id in the header', async (context) => {
  const api = await testApi(context);
  const { principal } = await scene(api);
  const answer = await api.call('POST', '/v1/evidence', { principal: PRINCIPAL.name });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, 'zip');
  const record = JSON.parse(api.sink.written.at(-1) ?? '{}');
  assert.equal(record.type, 'evidence.exported');
  assert.equal(record.id, answer.headers['x-postern-record']);
  assert.deepEqual(record.principal, { id: principal.id, name: PRINCIPAL.name });
  api.sink.failing = true;
  assert.equal((await api.call('POST', '/v1/evidence', {})).status, 503);
});

test('a package is made as a job, fetched as a whole or from where a transfer broke off, and taken by others only on record', async (context) => {
  const api = await testApi(context);
  const asked = await api.call('POST', '/v1/evidence/jobs', {});
  assert.equal(asked.status, 202, asked.text);
  const id = String(asked.body.id);
  const record = JSON.parse(api.sink.written.at(-1) ?? '{}');
  assert.deepEqual([record.type, record.id, record.params.job], ['evidence.exported', asked.body.record, id]);
  await api.deps.evidence.ended(id);
  const job = await api.call('GET', `/v1/evidence/jobs/${id}`);
  assert.deepEqual([job.body.status, Number(job.body.percent), Number(job.body.bytes)], ['done', 100, 3]);
  const written = api.sink.written.length;
  const whole = await api.call('GET', `/v1/evidence/jobs/${id}/package`);
  assert.deepEqual([whole.status, whole.text, whole.headers.etag], [200, 'zip', `"${job.body.sha256}"`]);
  const part = (range: string, ifRange = String(whole.headers.etag)) =>
    api.call('GET', `/v1/evidence/jobs/${id}/package`, undefined, undefined, { range, 'if-range': ifRange });
  const rest = await part('bytes=1-');
  assert.deepEqual([rest.status, rest.text, rest.headers['content-range']], [206, 'ip', 'bytes 1-2/3']);
  assert.equal((await part('bytes=3-')).status, 416);
  assert.deepEqual([(await part('bytes=1-', '"another"')).status], [200]);
  assert.equal(api.sink.written.length, written);

  const auditor = { name: 'Aud', email: 'aud@example.org', roles: ['auditor'] };
  await api.call('POST', '/v1/persons', auditor);
  const token = String((await api.call('POST', '/v1/persons/aud@example.org/tokens', {})).body.token);
  const before = api.sink.written.length;
  for (let i = 0; i < 2; i++) {
    assert.equal((await api.call('GET', `/v1/evidence/jobs/${id}/package`, undefined, token)).text, 'zip');
  }
  assert.equal(api.sink.written.length, before + 1);
  assert.equal(JSON.parse(api.sink.written.at(-1) ?? '{}').actor.name, 'Aud');
  assert.equal((await api.call('POST', `/v1/evidence/jobs/${id}/cancel`, {}, token)).status, 403);
  assert.equal((await api.call('POST', `/v1/evidence/jobs/${id}/cancel`, {})).body.status, 'cancelled');
  assert.equal((await api.call('GET', `/v1/evidence/jobs/${id}/package`)).status, 409);
  for (const path of ['x', '../../ca/ca.key', '00000000-0000-0000-0000-000000000000']) {
    const refused = await api.call('GET', `/v1/evidence/jobs/${encodeURIComponent(path)}/package`);
    assert.ok([400, 404].includes(refused.status), refused.text);
  }
});

test('evidence jobs are listed in pages, the newest first', async (context) => {
  const api = await testApi(context);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { body } = await api.call('POST', '/v1/evidence/jobs', {});
    ids.unshift(String(body.id));
    await api.deps.evidence.ended(String(body.id));
  }
  const first = await api.call('GET', '/v1/evidence/jobs?limit=2');
  const second = await api.call('GET', `/v1/evidence/jobs?limit=2&cursor=${first.body.next}`);
  assert.deepEqual(
    [...itemsOf(first), ...itemsOf(second)].map(({ id }) => String(id)),
    ids,
  );
  assert.equal(second.body.next, null);
  assert.equal(itemsOf(await api.call('GET', '/v1/evidence/jobs?status=failed')).length, 0);
});
