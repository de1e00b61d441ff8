import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ChangeRecord } from '../core/record.ts';
import { clientProof, proofFits, scramKeys, scramSalt } from '../core/scram.ts';
import { SCRAM_ITERATIONS } from '../core/views.ts';
import { MemorySink } from '../store/memory-sink.fixture.ts';
import { RESOURCE, type TestControl, testControl, UPSTREAM_PASSWORD } from './control.fixture.ts';
import { Control } from './control.ts';

const PRINCIPAL = {
  name: 'nightly-ledger-batch',
  kind: 'service_account',
  owner: 'ada@example.org',
  backupOwner: 'bea@example.org',
  purpose: 'Posts the day',
  environment: 'production',
} as const;

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

async function scene(t: TestControl) {
  const principal = await t.control.principals.create(t.actor, PRINCIPAL);
  const resource = await t.control.resources.create(t.actor, RESOURCE);
  const grant = await t.control.grants.create(t.actor, {
    principal: PRINCIPAL.name,
    resource: 'ledger-db',
    scope: 'select on ledger.*',
    ttlSeconds: 600,
    ticket: 'CHG-1',
  });
  return { principal, resource, grant };
}

test('every change leaves a record with the fields in the order of the record interface', async (context) => {
  const t = await testControl(context);
  await scene(t);
  const record = t.sink.changes().at(-1) as ChangeRecord;
  assert.deepEqual(Object.keys(record), ['id', 'time', 'type', 'actor', 'principal', 'change']);
  assert.ok(t.sink.written.at(-1)?.startsWith('{"id":'));
  assert.equal(record.type, 'grant.activated');
  assert.deepEqual(record.actor, { kind: 'person', id: t.admin.id, name: 'Ada Admin' });
  assert.equal(record.principal?.name, PRINCIPAL.name);
  assert.equal(record.change.before, null);
  const types = t.sink.changes().map((r) => r.type);
  assert.deepEqual(types, [
    'person.created',
    'person.updated',
    'person.created',
    'principal.created',
    'resource.created',
    'grant.activated',
  ]);
});

test('workers learn of each change in order, with the upstream password, and a snapshot agrees with the deltas', async (context) => {
  const t = await testControl(context);
  const { grant } = await scene(t);
  const issued = await t.control.credentials.issue(t.actor, { principal: PRINCIPAL.name, grant: grant.id });
  assert.deepEqual(
    t.deltas.map((d) => d.version),
    [2, 3, 4, 5],
  );
  assert.equal(t.deltas[1]?.resources?.[0]?.upstream.password, UPSTREAM_PASSWORD);
  const snapshot = await t.control.snapshot();
  assert.equal(snapshot.version, 5);
  assert.deepEqual(snapshot.principals, t.deltas[0]?.principals);
  assert.deepEqual(snapshot.resources, t.deltas[1]?.resources);
  assert.deepEqual(snapshot.grants, t.deltas[2]?.grants);
  assert.deepEqual(snapshot.credentials, t.deltas[3]?.credentials);
  const salt = scramSalt(t.control.scramSaltSecret, issued.username);
  const keys = await scramKeys(issued.password, salt, SCRAM_ITERATIONS);
  const view = snapshot.credentials[0];
  assert.ok(view?.kind === 'password');
  const verifier = {
    storedKey: Buffer.from(view.storedKey, 'base64'),
    serverKey: Buffer.from(view.serverKey, 'base64'),
  };
  assert.ok(proofFits(verifier, 'message', clientProof(keys, 'message')));
});

test('when the record cannot be written the change is refused, and nothing of it stays', async (context) => {
  const t = await testControl(context);
  const { grant } = await scene(t);
  const before = await t.control.snapshot();
  const deltas = t.deltas.length;
  t.sink.failing = true;
  const unavailable = code('POSTERN_AUDIT_UNAVAILABLE');
  await assert.rejects(t.control.principals.create(t.actor, { ...PRINCIPAL, name: 'other' }), unavailable);
  await assert.rejects(t.control.resources.create(t.actor, { ...RESOURCE, name: 'other-db' }), unavailable);
  await assert.rejects(t.control.grants.revoke(t.actor, grant.id, 'over'), unavailable);
  await assert.rejects(t.control.credentials.issue(t.actor, { principal: PRINCIPAL.name }), unavailable);
  await assert.rejects(t.control.tokens.issue(t.actor, t.admin.id), unavailable);
  await assert.rejects(t.control.recordExport(t.actor, {}), unavailable);
  t.sink.failing = false;
  assert.deepEqual(await t.control.snapshot(), before);
  assert.equal(t.deltas.length, deltas);
  await t.control.resources.create(t.actor, { ...RESOURCE, name: 'other-db' });
});

test('a change whose record was written but whose commit was lost is made up for at start-up', async (context) => {
  const t = await testControl(context);
  const { grant, resource } = await scene(t);
  await t.control.grants.revoke(t.actor, grant.id, 'over');
  const leftover = t.sink.changes();
  await t.control.close();
  // The state of before the revocation: as if the process had died between the flush and the commit.
  for (const file of ['state.db', 'state.db-wal', 'state.db-shm'])
    rmSync(join(t.dataDir, file), { force: true });
  const again = await Control.open({
    dataDir: t.dataDir,
    sink: new MemorySink(),
    publish: async () => undefined,
    leftover,
  });
  assert.equal((await again.grants.get(grant.id)).status, 'revoked');
  assert.equal((await again.resources.get('ledger-db')).id, resource.id);
  await again.close();
  const third = await Control.open({
    dataDir: t.dataDir,
    sink: new MemorySink(),
    publish: async () => undefined,
    leftover,
  });
  assert.equal((await third.grants.get(grant.id)).status, 'revoked');
  await third.close();
});

test('a resource whose secret was lost is left out of the snapshot and reported; the rest goes on', async (context) => {
  const faults: string[] = [];
  const t = await testControl(context, { onFault: (what) => faults.push(what) });
  await scene(t);
  const leftover = t.sink.changes();
  await t.control.close();
  for (const file of ['state.db', 'state.db-wal', 'state.db-shm'])
    rmSync(join(t.dataDir, file), { force: true });
  const again = await Control.open({
    dataDir: t.dataDir,
    sink: new MemorySink(),
    publish: async () => undefined,
    leftover,
    onFault: (what) => faults.push(what),
  });
  const snapshot = await again.snapshot();
  assert.deepEqual(snapshot.resources, []);
  assert.equal(snapshot.principals.length, 1);
  assert.deepEqual(faults, ['vault']);
  await again.close();
});

test('an expired grant and an expired principal get their record from the sweep, by Postern itself', async (context) => {
  const t = await testControl(context);
  t.control.start();
  await scene(t);
  const soon = new Date(Date.now() + 1100).toISOString();
  await t.control.principals.create(t.actor, { ...PRINCIPAL, name: 'short', expiresAt: soon });
  await t.control.grants.create(t.actor, {
    principal: PRINCIPAL.name,
    resource: 'ledger-db',
    scope: 'insert on ledger.*',
    ttlSeconds: 1,
  });
  const ended = (): ChangeRecord[] =>
    t.sink
      .changes()
      .filter((r) => r.actor.kind === 'system')
      .slice(2);
  while (ended().length < 2) await new Promise((done) => setTimeout(done, 50));
  assert.deepEqual(
    ended()
      .map((r) => [r.type, r.reason])
      .sort(),
    [
      ['grant.expired', 'its end time has come'],
      ['principal.disabled', 'expired'],
    ],
  );
  await new Promise((done) => setTimeout(done, 600));
  assert.equal(ended().length, 2, 'each ends once');
});

test('the sweep goes on after a time in which nothing could be recorded', async (context) => {
  const faults: unknown[] = [];
  const t = await testControl(context, { onFault: (_what, error) => faults.push(error) });
  await scene(t);
  await t.control.grants.create(t.actor, {
    principal: PRINCIPAL.name,
    resource: 'ledger-db',
    scope: 'insert on ledger.*',
    ttlSeconds: 1,
  });
  t.sink.failing = true;
  t.control.start();
  while (faults.length === 0) await new Promise((done) => setTimeout(done, 50));
  t.sink.failing = false;
  while (faults.length < 2) await new Promise((done) => setTimeout(done, 50));
  assert.equal((faults[0] as { code?: string }).code, 'POSTERN_AUDIT_UNAVAILABLE');
  assert.equal(faults[1], null);
  assert.equal(t.sink.changes().at(-1)?.type, 'grant.expired');
});

test('no secret is in the records or readable in the files of the data directory', async (context) => {
  const t = await testControl(context);
  const { grant } = await scene(t);
  const issued = await t.control.credentials.issue(t.actor, { principal: PRINCIPAL.name, grant: grant.id });
  const more = await t.control.tokens.issue(t.actor, t.admin.id);
  await t.control.close();
  const files = ['state.db', 'master.key'].map((name) => join(t.dataDir, name));
  for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o600, file);
  const places = [t.sink.written.join('\n'), ...files.map((file) => readFileSync(file, 'latin1'))];
  for (const secret of [UPSTREAM_PASSWORD, issued.password, t.token, more.token]) {
    for (const place of places) assert.ok(!place.includes(secret));
  }
});

test('changes made at the same time come one after the other', async (context) => {
  const t = await testControl(context);
  await scene(t);
  const names = Array.from({ length: 20 }, (_, i) => `p-${i}`);
  await Promise.all(names.map((name) => t.control.principals.create(t.actor, { ...PRINCIPAL, name })));
  const same = await Promise.allSettled(
    names.map(() => t.control.principals.create(t.actor, { ...PRINCIPAL, name: 'one-only' })),
  );
  assert.equal(same.filter((r) => r.status === 'fulfilled').length, 1);
  const versions = t.deltas.map((d) => d.version);
  assert.deepEqual(
    versions,
    versions.map((_, i) => i + 2),
  );
});

test('a change that is in the log but could not be committed takes effect before the next one is decided', async (context) => {
  const memory = new MemorySink();
  let failing = false;
  const sink = {
    append: (json: string) => memory.append(json),
    flush: () => memory.flush(),
    sync: async () => {
      if (failing) throw new Error('input/output error');
    },
  };
  const t = await testControl(context, { sink });
  const { grant } = await scene(t);
  failing = true;
  await assert.rejects(t.control.grants.revoke(t.actor, grant.id, 'over'), /input\/output error/);
  assert.equal((await t.control.grants.get(grant.id)).status, 'active');
  failing = false;
  await assert.rejects(t.control.grants.revoke(t.actor, grant.id, 'again'), code('POSTERN_CONFLICT'));
  assert.equal((await t.control.grants.get(grant.id)).endReason, 'over');
  assert.equal(t.deltas.at(-1)?.grants?.[0]?.status, 'revoked');
  assert.equal(memory.changes().filter((r) => r.type === 'grant.revoked').length, 1);
});
