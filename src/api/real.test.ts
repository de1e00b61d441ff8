import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCE, UPSTREAM_PASSWORD } from '../access/control.fixture.ts';
import { verifyPackage } from '../evidence/verify.ts';
import { unzipInto } from '../evidence/zip.ts';
import { itemsOf, type TestApi } from './api.fixture.ts';
import { real } from './real.fixture.ts';

async function scene(api: TestApi): Promise<void> {
  const owner = { name: 'Olaf', email: 'olaf@example.org', roles: ['owner'] };
  await api.call('POST', '/v1/persons', owner);
  const fields = {
    kind: 'ci_runner',
    backupOwner: 'bea@example.org',
    purpose: 'Posts the day',
    environment: 'production',
  };
  await api.call('POST', '/v1/principals', { ...fields, name: 'mine', owner: 'olaf@example.org' });
  await api.call('POST', '/v1/principals', { ...fields, name: 'theirs', owner: 'ada@example.org' });
  await api.call('POST', '/v1/resources', RESOURCE);
  for (const principal of ['mine', 'theirs']) {
    const grant = {
      principal,
      resource: 'ledger-db',
      scope: 'select on a.*',
      ttlSeconds: 60,
      ticket: 'CHG-1',
    };
    const made = await api.call('POST', '/v1/grants', grant);
    const issued = await api.call('POST', '/v1/credentials', { principal, grant: made.body.id });
    assert.equal(issued.status, 201, issued.text);
    await api.call('POST', `/v1/grants/${made.body.id}/revoke`, { reason: 'run ended' });
  }
}

test('what was just changed is in the activity at once, and each record can be read as it stands in the log', async (context) => {
  const api = await real(context);
  await scene(api);
  const items = itemsOf(await api.call('GET', '/v1/activity?type=change&principal=mine&order=asc'));
  assert.deepEqual(
    items.map((item) => String(item.type)),
    ['principal.created', 'grant.activated', 'credential.issued', 'grant.revoked'],
  );
  assert.equal(String(items[1]?.owner?.name), 'Olaf');
  const detail = await api.call('GET', `/v1/activity/${items[1]?.id}`);
  assert.equal(detail.status, 200, detail.text);
  assert.equal(String(detail.body.record?.type), 'grant.activated');
  const summary = await api.call('GET', '/v1/activity/summary?principal=mine');
  assert.equal(summary.status, 200, summary.text);
  const size = Number((await api.call('GET', '/v1/ledger')).body.size);
  assert.ok(size > 10);
});

test('an owner reads the activity of their own principals and of no others', async (context) => {
  const api = await real(context);
  await scene(api);
  const token = String((await api.call('POST', '/v1/persons/olaf@example.org/tokens', {})).body.token);
  const all = itemsOf(await api.call('GET', '/v1/activity?type=all', undefined, token));
  assert.deepEqual([...new Set(all.map((item) => String(item.principal?.name)))], ['mine']);
  const forced = itemsOf(
    await api.call('GET', '/v1/activity?type=all&owner=ada@example.org', undefined, token),
  );
  assert.deepEqual([...new Set(forced.map((item) => String(item.principal?.name)))], ['mine']);
  const theirs = itemsOf(await api.call('GET', '/v1/activity?type=change&principal=theirs'));
  const peek = await api.call('GET', `/v1/activity/${theirs[0]?.id}`, undefined, token);
  assert.equal(peek.status, 403, peek.text);
  const person = itemsOf(await api.call('GET', '/v1/activity?type=change&order=asc'))[0];
  assert.equal((await api.call('GET', `/v1/activity/${person?.id}`, undefined, token)).status, 403);
});

test('the evidence that the API hands out verifies, holds no secret, and leaves nothing behind', async (context) => {
  const api = await real(context);
  await scene(api);
  const { token } = (await api.call('POST', '/v1/persons/ada@example.org/tokens', {})).body;
  const answer = await api.call('POST', '/v1/evidence', {});
  assert.equal(answer.status, 200, answer.text.slice(0, 500));
  const file = join(mkdtempSync(join(tmpdir(), 'postern-zip-')), 'evidence.zip');
  context.after(() => rmSync(join(file, '..'), { recursive: true, force: true }));
  writeFileSync(file, answer.bytes);
  const report = await verifyPackage(file, {});
  assert.ok(report.ok, JSON.stringify(report.findings));
  const place = mkdtempSync(join(tmpdir(), 'postern-look-'));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  await unzipInto(file, place);
  const texts = readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  assert.ok(texts.length > 5);
  const passwords = api.answers.flatMap((text) => text.match(/postern_[A-Za-z0-9_-]{43}/g) ?? []);
  assert.equal(passwords.length, 2);
  for (const secret of [UPSTREAM_PASSWORD, api.token, String(token), ...passwords]) {
    assert.ok(!texts.some((text) => text.includes(secret)));
  }
  // It is removed when the transfer has ended, which the server learns in its own time.
  for (let i = 0; i < 500 && existsSync(api.outDirs[0] ?? ''); i++) await sleep(10);
  assert.throws(() => readdirSync(api.outDirs[0] ?? ''), { code: 'ENOENT' });
});

test('principals are found by what they are, by disuse and by owners who left, and their history says who changed what', async (context) => {
  const api = await real(context);
  await scene(api);
  const change = { tags: { team: 'ledger' }, environment: 'staging', reason: 'moved' };
  await api.call('POST', '/v1/principals/mine/update', change);
  const names = async (query: string) =>
    itemsOf(await api.call('GET', `/v1/principals${query}`)).map(({ name }) => String(name));
  const future = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
  assert.deepEqual(await names('?tag=team%3Dledger'), ['mine']);
  assert.deepEqual(await names('?tag=team%3Dledger&tag=cost%3D1'), []);
  assert.deepEqual(await names('?tag=team%3Dother'), []);
  assert.deepEqual(await names('?environment=production'), ['theirs']);
  assert.deepEqual(await names(`?unusedSince=${future}`), ['mine', 'theirs']);
  assert.deepEqual(await names('?unusedSince=2020-01-01T00:00:00Z'), []);
  const page = await api.call('GET', `/v1/principals?unusedSince=${future}&limit=1`);
  assert.deepEqual(
    itemsOf(page).map(({ name }) => String(name)),
    ['mine'],
  );
  assert.deepEqual(await names(`?unusedSince=${future}&limit=1&cursor=${page.body.next}`), ['theirs']);
  for (const wrong of ['?tag=team', '?tag=%3Dx', '?unusedSince=yesterday', '?orphaned=yes']) {
    assert.equal((await api.call('GET', `/v1/principals${wrong}`)).status, 400, wrong);
  }
  assert.deepEqual(await names('?orphaned=true'), []);
  await api.call('POST', '/v1/persons/olaf@example.org/disable', { reason: 'left' });
  assert.deepEqual(await names('?orphaned=true'), ['mine']);
  const shown = await api.call('GET', '/v1/principals/mine');
  assert.deepEqual([shown.body.lastUsedAt, shown.body.sources], [null, []]);

  await api.control.lifecycle.sweep();
  const steps = itemsOf(await api.call('GET', '/v1/principals/mine/history'));
  assert.deepEqual(
    steps.map(({ type, actor }) => [String(type), String(actor?.name)]),
    [
      ['principal.created', 'Ada Admin'],
      ['principal.updated', 'Ada Admin'],
      ['principal.updated', 'postern'],
      ['notice.given', 'postern'],
    ],
  );
  assert.deepEqual(steps[1]?.changes, [
    { field: 'environment', before: 'production', after: 'staging' },
    { field: 'tags', before: {}, after: { team: 'ledger' } },
  ]);
  assert.equal(steps[1]?.reason, 'moved');
  assert.equal(String(steps[2]?.reason), 'Olaf, who answered for it, was disabled');
  const first = await api.call('GET', '/v1/principals/mine/history?limit=3');
  const rest = await api.call('GET', `/v1/principals/mine/history?limit=3&cursor=${first.body.next}`);
  assert.deepEqual([...itemsOf(first), ...itemsOf(rest)], steps);
  assert.equal(rest.body.next, null);
});

test('an assessment of the log as it is, by parameters that were set, as a package of it says', async (context) => {
  const api = await real(context);
  await scene(api);
  const shown = await api.call('GET', '/v1/evidence/parameters');
  assert.deepEqual([shown.body.revision, shown.body.text], [0, null]);
  const unset = shown.body.parameters as unknown as { value: unknown }[];
  assert.ok(unset.length > 20 && unset.every(({ value }) => value === null));
  const text = 'parameters:\n  allowed-principal-kinds: [service_account]\n';
  for (const [body, status] of [
    [{ text, dryRun: true }, 200],
    [{ text: 'parameters: { inactive-days: soon }', reason: 'x' }, 400],
    [{ text: 'parameters: { no-such: 1 }', reason: 'x' }, 400],
    [{ text }, 400],
    [{ text, reason: 'access standard 4.2' }, 200],
    [{ text, reason: 'once more' }, 409],
  ] as const) {
    const answer = await api.call('POST', '/v1/evidence/parameters', body);
    assert.equal(answer.status, status, answer.text);
  }
  const after = await api.call('GET', '/v1/evidence/parameters');
  assert.deepEqual([after.body.revision, after.body.text], [1, text]);

  const period = String(new Date().getUTCFullYear());
  const asked = { framework: 'nist-800-53', period };
  const { status, body } = await api.call('POST', '/v1/evidence/assess', asked);
  assert.equal(status, 200);
  const results = body.results as unknown as {
    objective: string;
    outcome: string;
    failing: { name?: string }[];
  }[];
  const kinds = results.find(({ objective }) => objective === 'ac-2_obj.a-1');
  assert.deepEqual([kinds?.outcome, kinds?.failing.map(({ name }) => name)], ['fail', ['mine', 'theirs']]);
  const made = await api.call('POST', '/v1/evidence', asked);
  assert.equal(made.status, 200);
  for (const [wrong, code] of [
    [{ framework: 'nist-800-53' }, 400],
    [{ period }, 400],
    [{ framework: 'not-there', period }, 404],
    [{ framework: 'nist-800-53', period: 'someday' }, 400],
    [{ frameworkText: 'id: x', period }, 400],
  ] as const) {
    const answer = await api.call('POST', '/v1/evidence/assess', wrong);
    assert.equal(answer.status, code, answer.text);
  }
  const list = itemsOf(await api.call('GET', '/v1/evidence/frameworks')) as readonly { id?: string }[];
  assert.ok(list.some(({ id }) => id === 'nist-800-53'));
});
