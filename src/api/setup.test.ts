import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Control } from '../access/control.ts';
import { personActor } from '../identity/persons.ts';
import { MemorySink } from '../store/memory-sink.fixture.ts';
import { testApi } from './api.fixture.ts';

async function fresh(context: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-setup-'));
  const sink = new MemorySink();
  const control = await Control.open({ dataDir, sink, publish: async () => undefined });
  context.after(async () => {
    await control.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { control, sink };
}

test('of many uses of one set-up token at the same time, one succeeds', async (context) => {
  const { control, sink } = await fresh(context);
  const token = (await control.setup.mint()) ?? '';
  const uses = Array.from({ length: 10 }, (_, i) =>
    control.setup.complete(token, `P ${i}`, `p${i}@example.org`),
  );
  const settled = await Promise.allSettled(uses);
  assert.equal(settled.filter((s) => s.status === 'fulfilled').length, 1);
  assert.equal(sink.changes().filter((r) => r.type === 'person.created').length, 1);
});

test('a wrong set-up token is refused, a newer one ends the older', async (context) => {
  const { control } = await fresh(context);
  const first = (await control.setup.mint()) ?? '';
  const second = (await control.setup.mint()) ?? '';
  for (const token of ['', 'setup_x', first]) {
    await assert.rejects(control.setup.complete(token, 'A', 'a@example.org'), {
      code: 'POSTERN_UNAUTHORIZED',
    });
  }
  const { person } = await control.setup.complete(second, 'A', 'a@example.org');
  assert.deepEqual(person.roles, ['admin', 'owner', 'approver']);
});

test('once an administrator uses their token there is no set-up token any more, until none works', async (context) => {
  const { control } = await fresh(context);
  const { token, person } = await control.setup.complete(
    (await control.setup.mint()) ?? '',
    'A',
    'a@example.org',
  );
  const unused = (await control.setup.mint()) ?? '';
  await control.tokens.authenticate(token);
  assert.equal(await control.setup.mint(), null);
  await assert.rejects(control.setup.complete(unused, 'Eve', 'eve@example.org'), {
    code: 'POSTERN_UNAUTHORIZED',
  });
  assert.equal((await control.persons.list({ limit: 10 })).length, 1);
  assert.equal(person.name, 'A');
});

test('who lost the first token comes back in as the same administrator', async (context) => {
  const { control } = await fresh(context);
  const first = await control.setup.complete((await control.setup.mint()) ?? '', 'A', 'a@example.org');
  const second = await control.setup.complete((await control.setup.mint()) ?? '', 'A', 'A@Example.org');
  assert.equal(second.person.id, first.person.id);
  assert.equal((await control.tokens.authenticate(second.token)).person.id, first.person.id);
});

test('a passkey of an administrator ends the set-up token too; who starts the process with --set-up gets one anyway', async (context) => {
  const { control } = await fresh(context);
  const { person, token } = await control.setup.complete(
    (await control.setup.mint()) ?? '',
    'A',
    'a@example.org',
  );
  await control.doors.providers.create(personActor(person), {
    name: 'bank',
    issuer: 'https://sso.bank.example',
    clientId: 'postern',
    domains: ['example.org'],
  });
  const provider = await control.doors.providers.get('bank');
  const claims = {
    issuer: provider.issuer,
    subject: 's',
    email: 'a@example.org',
    name: null,
    groups: [],
    authenticatedAt: null,
  };
  await control.doors.logins.byClaims(provider, claims, null);
  assert.equal(await control.setup.mint(), null);
  assert.ok(token);
  const back = await control.setup.complete((await control.setup.mint(true)) ?? '', 'A', 'a@example.org');
  assert.equal(back.person.id, person.id);
});

test('the set-up route allows few attempts per minute', async (context) => {
  const api = await testApi(context);
  const body = { token: 'setup_guess', name: 'Eve', email: 'eve@example.org' };
  const statuses: number[] = [];
  for (let i = 0; i < 12; i++) statuses.push((await api.call('POST', '/v1/setup', body, null)).status);
  assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
});
