import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { ChangeRecord } from '../core/record.ts';
import { applyChange } from './apply-change.ts';
import { recover } from './changes.ts';
import type { Binding, Grant, Person, Principal, Resource } from './entities.ts';
import { MIGRATIONS } from './migrations.ts';
import { findBinding } from './queries.ts';
import { Store } from './store.ts';

const T0 = '2026-01-01T00:00:00.000000Z';
const T1 = '2026-01-02T00:00:00.000000Z';
const PERSON: Person = {
  id: 'p1',
  name: 'Ada',
  email: 'ada@example.org',
  roles: ['admin'],
  status: 'active',
  statusReason: null,
  createdAt: T0,
  directory: null,
};
const OWNER = { id: 'p1', name: 'Ada', email: 'ada@example.org' };
const PRINCIPAL: Principal = {
  id: 'n1',
  name: 'batch',
  kind: 'agent',
  owner: OWNER,
  backupOwner: null,
  purpose: 'x',
  environment: 'test',
  reviewIntervalDays: 90,
  expiresAt: null,
  tags: { team: 'ledger' },
  sponsor: 'Vendor Inc.',
  rehomeBy: T1,
  activeSince: T0,
  status: 'active',
  statusReason: null,
  createdAt: T0,
};
const RESOURCE: Resource = {
  id: 'r1',
  name: 'ledger-db',
  protocol: 'postgres',
  host: 'db',
  port: 5432,
  database: 'bank',
  http: null,
  tls: { mode: 'verify-full', ca: null, serverName: null, negotiation: 'postgres' },
  environment: 'test',
  classification: 'internal',
  durability: 'process',
  catalogAccess: 'none',
  resultDigest: true,
  admin: null,
  upstream: { user: 'app', secret: 's1', source: null, since: T0 },
  rotateSeconds: 86_400,
  owner: { id: 'p1', name: 'Ada', email: 'ada@example.org' },
  status: 'active',
  statusReason: null,
  createdAt: T0,
};
const GRANT: Grant = {
  id: 'g1',
  principal: { id: 'n1', name: 'batch' },
  resource: { id: 'r1', name: 'ledger-db' },
  scope: 'select on *.*',
  conditions: { maxRows: 10, noDdl: true },
  start: T0,
  end: T1,
  status: 'active',
  endReason: null,
  endedAt: null,
  authority: { kind: 'approval', approvers: [{ id: 'p1', name: 'Ada' }], ticket: null, justification: null },
  createdAt: T0,
};

type EntityName = ChangeRecord['change']['entity'];

function record(entity: EntityName, after: { readonly id: string }): ChangeRecord {
  const actor = { kind: 'system', id: 'postern', name: 'postern' } as const;
  return {
    id: 'x',
    time: T0,
    type: 'config.changed',
    actor,
    change: { entity, id: after.id, before: null, after },
  };
}

async function filled(context: TestContext): Promise<Store> {
  const store = Store.open(':memory:');
  context.after(() => store.close());
  await recover(store, [
    record('person', PERSON),
    record('principal', PRINCIPAL),
    record('resource', RESOURCE),
    record('grant', GRANT),
  ]);
  return store;
}

test('the database itself refuses what must never be state, naming the promise that is broken', async (context) => {
  const { db } = await filled(context);
  const broken: [EntityName, { readonly id: string }, RegExp][] = [
    ['grant', { ...GRANT, end: T0 } as Grant, /grant_ends_after_it_starts/],
    ['grant', { ...GRANT, end: '2026-01-02' } as Grant, /grant_end_is_a_time/],
    ['grant', { ...GRANT, status: 'revoked' } as Grant, /ended_grant_says_when_and_why/],
    ['grant', { ...GRANT, endedAt: T1 } as Grant, /ended_grant_says_when_and_why/],
    [
      'grant',
      { ...GRANT, authority: { ...GRANT.authority, approvers: [] } } as Grant,
      /grant_has_an_approver/,
    ],
    ['grant', { ...GRANT, principal: { id: 'none', name: '' } } as Grant, /FOREIGN KEY/],
    ['principal', { ...PRINCIPAL, id: 'n2' } as Principal, /principals\.name/],
    ['principal', { ...PRINCIPAL, name: 'A b' } as Principal, /principal_name_is_plain/],
    ['principal', { ...PRINCIPAL, name: '-ab' } as Principal, /principal_name_is_plain/],
    ['principal', { ...PRINCIPAL, backupOwner: OWNER } as Principal, /backup_owner_is_someone_else/],
    ['principal', { ...PRINCIPAL, purpose: '' } as Principal, /principal_has_a_purpose/],
    ['resource', { ...RESOURCE, id: 'r2' } as Resource, /resources\.name/],
    ['resource', { ...RESOURCE, port: 0 } as Resource, /port_in_bounds/],
    ['person', { ...PERSON, id: 'p2' } as Person, /persons\.email/],
    ['person', { ...PERSON, email: 'Ada@example.org' } as Person, /email_is_lower_case/],
  ];
  for (const [entity, after, message] of broken) {
    await assert.rejects(applyChange(db, record(entity, after)), message);
  }
});

test('an unknown entity in a record is an error, not a silent gap', async (context) => {
  const { db } = await filled(context);
  const odd = record('spell' as unknown as EntityName, { id: 's' });
  await assert.rejects(applyChange(db, odd), { code: 'POSTERN_INTERNAL' });
});

test('a recovery that fails half way changes nothing', async (context) => {
  const store = await filled(context);
  const bad = record('grant', { ...GRANT, end: T0 } as Grant);
  const good = record('person', { ...PERSON, status: 'disabled' } as Person);
  await assert.rejects(recover(store, [good, bad]));
  const row = await store.db.selectFrom('persons').selectAll().executeTakeFirstOrThrow();
  assert.equal(row.status, 'active');
});

test('the file is private, durable, and opens again; one of a newer version is refused', async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-store-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'state.db');
  const store = Store.open(file);
  await applyChange(store.db, record('person', PERSON));
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  }
  await store.close();
  const again = Store.open(file);
  assert.equal((await again.db.selectFrom('persons').selectAll().execute()).length, 1);
  await again.close();
  const raw = new DatabaseSync(file);
  raw.exec('PRAGMA user_version = 99');
  raw.close();
  assert.throws(() => Store.open(file), { code: 'POSTERN_INVALID' });
});

test('a binding of before there were kinds is what its record says, as if it had been made today', async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-store-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'state.db');
  const at = MIGRATIONS.findIndex((each) => each.includes('CREATE TABLE bindings_new'));
  const raw = new DatabaseSync(file);
  for (const each of MIGRATIONS.slice(0, at)) raw.exec(each);
  raw.exec(`PRAGMA user_version = ${at}`);
  raw.exec(`
    INSERT INTO persons VALUES ('p1', 'Ada', 'ada@example.org', '["admin"]', 'active', NULL, '${T0}');
    INSERT INTO principals VALUES ('n1', 'batch', 'agent', 'p1', NULL, 'x', 'test', 90, NULL, 'active', NULL, '${T0}');
    INSERT INTO bindings VALUES ('b1', 'n1', 'oidc', 'https://i.example', 'postern', '{"ref":"m","sub":"ü\\"x"}', 'removed', 'why', '${T1}', '${T0}');
  `);
  raw.close();
  const store = Store.open(file);
  context.after(() => store.close());
  const before = await store.db.selectFrom('bindings').selectAll().execute();
  const binding: Binding = {
    id: 'b1',
    principal: { id: 'n1', name: 'batch' },
    kind: 'oidc',
    issuer: 'https://i.example',
    audience: 'postern',
    claims: { ref: 'm', sub: 'ü"x' },
    status: 'removed',
    endReason: 'why',
    endedAt: T1,
    createdAt: T0,
  };
  await applyChange(store.db, record('binding', binding));
  assert.deepEqual(await store.db.selectFrom('bindings').selectAll().execute(), before);
  assert.deepEqual(await findBinding(store.db, 'b1'), binding);
});

test('a principal of before there were tags is taken over, and its records of then give the same row', async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-store-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'state.db');
  const at = MIGRATIONS.findIndex((each) => each.includes('ADD COLUMN tags'));
  const raw = new DatabaseSync(file);
  for (const each of MIGRATIONS.slice(0, at)) raw.exec(each);
  raw.exec(`PRAGMA user_version = ${at}`);
  raw.exec(`
    INSERT INTO persons VALUES ('p1', 'Ada', 'ada@example.org', '["admin"]', 'active', NULL, '${T0}');
    INSERT INTO principals VALUES ('n1', 'batch', 'agent', 'p1', NULL, 'x', 'test', 90, NULL, 'suspended', 'why', '${T0}');
  `);
  raw.close();
  const store = Store.open(file);
  context.after(() => store.close());
  const before = await store.db.selectFrom('principals').selectAll().execute();
  assert.deepEqual(
    before.map(({ tags, sponsor, rehome_by, active_since }) => [tags, sponsor, rehome_by, active_since]),
    [['{}', null, null, T0]],
  );
  const { tags: _t, sponsor: _s, rehomeBy: _r, activeSince: _a, ...then } = PRINCIPAL;
  const old = { ...then, status: 'suspended', statusReason: 'why' } as unknown as Principal;
  await applyChange(store.db, record('principal', old));
  assert.deepEqual(await store.db.selectFrom('principals').selectAll().execute(), before);
  const waits = store.db.updateTable('principals').set({ rehome_by: T1 }).execute();
  await assert.rejects(waits, /only_the_active_wait_for_an_owner/);
});
