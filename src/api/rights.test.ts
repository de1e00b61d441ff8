import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import { ROLES } from '../store/entities.ts';
import { itemsOf, type TestApi, testApi } from './api.fixture.ts';

const NEVER = '018f0000-0000-7000-8000-000000000000';
const END = { reason: 'test' };
const GRANT = { resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 60 };

/** Route by route: who is let through. `owner` is the owner of `mine`; the others own nothing. */
const TABLE: readonly [method: 'GET' | 'POST', path: string, body: object | undefined, allowed: string][] = [
  ['GET', '/v1/whoami', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/connection', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/persons', {}, 'admin'],
  ['GET', '/v1/persons', undefined, 'admin approver reviewer auditor'],
  ['GET', '/v1/persons/ada@example.org', undefined, 'admin approver reviewer auditor'],
  ['POST', `/v1/persons/${NEVER}/update`, END, 'admin'],
  ['POST', `/v1/persons/${NEVER}/disable`, END, 'admin'],
  ['POST', `/v1/persons/${NEVER}/enable`, END, 'admin'],
  ['GET', '/v1/persons/ada@example.org/sessions', undefined, 'admin auditor'],
  ['POST', `/v1/person-sessions/${NEVER}/end`, END, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/persons/ada@example.org/authenticators', undefined, 'admin auditor'],
  ['POST', '/v1/persons/ada@example.org/invitations', {}, 'admin'],
  ['POST', `/v1/authenticators/${NEVER}/remove`, END, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/directories', {}, 'admin'],
  ['GET', '/v1/directories', undefined, 'admin auditor'],
  ['POST', '/v1/directories/none/update', END, 'admin'],
  ['POST', '/v1/directories/none/token', {}, 'admin'],
  ['POST', '/v1/directories/none/remove', END, 'admin'],
  ['POST', '/v1/providers', {}, 'admin'],
  ['GET', '/v1/providers', undefined, 'admin auditor'],
  ['POST', '/v1/providers/none/update', END, 'admin'],
  ['POST', '/v1/providers/none/remove', END, 'admin'],
  ['POST', '/v1/providers/none/test', undefined, 'admin auditor'],
  ['POST', '/v1/activity/saved', { name: '', filter: {} }, 'admin owner reviewer auditor'],
  ['GET', '/v1/activity/saved', undefined, 'admin owner reviewer auditor'],
  ['POST', '/v1/activity/saved/none/forget', undefined, 'admin owner reviewer auditor'],
  ['POST', '/v1/sinks', {}, 'admin'],
  ['GET', '/v1/sinks', undefined, 'admin reviewer auditor'],
  ['GET', '/v1/sinks/none', undefined, 'admin reviewer auditor'],
  ['POST', '/v1/sinks/none/update', END, 'admin'],
  ['POST', '/v1/sinks/none/test', {}, 'admin'],
  ['POST', '/v1/sinks/none/pause', END, 'admin'],
  ['POST', '/v1/sinks/none/resume', END, 'admin'],
  ['POST', '/v1/sinks/none/retire', END, 'admin'],
  ['GET', '/v1/sign-in', undefined, 'admin auditor'],
  ['POST', '/v1/sign-in', {}, 'admin'],
  ['POST', '/v1/persons/ada@example.org/tokens', {}, 'admin'],
  ['POST', '/v1/principals', {}, 'admin'],
  ['GET', '/v1/principals', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/principals/mine', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/principals/theirs', undefined, 'admin approver reviewer auditor'],
  ['GET', '/v1/principals/mine/history', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/principals/theirs/history', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/principals/mine/update', {}, 'admin'],
  ['POST', '/v1/principals/mine/disable', {}, 'admin owner'],
  ['POST', '/v1/principals/theirs/disable', END, 'admin'],
  ['POST', '/v1/principals/mine/suspend', {}, 'admin owner'],
  ['POST', '/v1/principals/theirs/suspend', END, 'admin'],
  ['POST', '/v1/principals/mine/resume', END, 'admin'],
  ['POST', '/v1/principals/mine/retire', {}, 'admin'],
  ['POST', '/v1/resources', {}, 'admin'],
  ['GET', '/v1/resources', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/resources/ledger-db', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/resources/ledger-db/update', {}, 'admin'],
  ['POST', '/v1/resources/ledger-db/test', undefined, 'admin'],
  ['POST', '/v1/resources/ledger-db/admin', { admin: null, reason: 'test' }, 'admin'],
  ['POST', '/v1/resources/ledger-db/password', {}, 'admin'],
  ['POST', '/v1/resources/ledger-db/rotate-password', {}, 'admin'],
  ['POST', '/v1/resources/ledger-db/retire', {}, 'admin'],
  ['POST', '/v1/resources/ledger-db/reconcile', undefined, 'admin'],
  ['GET', '/v1/unused-rights?days=30', undefined, 'admin owner reviewer auditor'],
  ['POST', '/v1/masks/backtest', {}, 'admin reviewer auditor'],
  ['GET', '/v1/reconciliations', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/unmanaged', undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/unmanaged/${NEVER}`, undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/unmanaged/${NEVER}/dispose`, {}, 'admin'],
  ['POST', '/v1/grants', {}, 'admin approver'],
  ['GET', '/v1/grants', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/grants/GRANT-MINE', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/grants/GRANT-THEIRS', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/grants/GRANT-MINE/revoke', {}, 'admin owner approver'],
  ['POST', '/v1/grants/GRANT-THEIRS/revoke', {}, 'admin owner approver'],
  ['POST', '/v1/grants/GRANT-MINE/release', {}, 'owner'],
  ['POST', '/v1/grants/GRANT-THEIRS/release', {}, ''],
  ['POST', '/v1/reviews', {}, 'admin'],
  ['GET', '/v1/reviews', undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/reviews/${NEVER}`, undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/reviews/${NEVER}/preview`, undefined, 'admin reviewer auditor'],
  ['POST', `/v1/reviews/${NEVER}/close`, END, 'admin'],
  ['POST', '/v1/review-schedules', {}, 'admin'],
  ['GET', '/v1/review-schedules', undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/review-schedules/${NEVER}/end`, END, 'admin'],
  ['GET', '/v1/review-items', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/review-items/inbox', undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/review-items/${NEVER}`, undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/review-items/${NEVER}/decide`, {}, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/review-items/decide', {}, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/review-items/${NEVER}/delegate`, {}, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/alerts', undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/alerts?principal=mine', undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/alerts?principal=theirs', undefined, 'admin reviewer auditor'],
  ['GET', `/v1/alerts/${NEVER}`, undefined, 'admin owner reviewer auditor'],
  ['POST', `/v1/alerts/${NEVER}/dispose`, { kind: 'explained', ...END }, 'admin owner reviewer'],
  ['POST', '/v1/alerts/dispose', {}, 'admin owner reviewer'],
  ['GET', '/v1/alert-rules', undefined, 'admin owner reviewer auditor'],
  ['POST', '/v1/alert-rules/denials', {}, 'admin'],
  ['POST', '/v1/alert-rules/denials/forget', {}, 'admin'],
  ['POST', '/v1/credentials', { principal: 'mine' }, 'admin owner'],
  ['POST', '/v1/credentials', { principal: 'theirs' }, 'admin'],
  ['GET', '/v1/credentials', undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/credentials/${NEVER}/revoke`, END, 'admin owner'],
  ['POST', '/v1/delegations', { actor: NEVER }, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/delegations', undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/delegations/${NEVER}/revoke`, END, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/ssh-ca', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/token-keys/rotate', {}, 'admin'],
  ['GET', '/v1/self', undefined, ''],
  ['POST', '/v1/principals/mine/bindings', {}, 'admin'],
  ['GET', '/v1/principals/mine/bindings', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/principals/theirs/bindings', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/principals/mine/bindings/aws', {}, 'admin'],
  ['POST', '/v1/principals/mine/bindings/kubernetes', {}, 'admin'],
  ['GET', '/v1/bindings/lint', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/issuers', undefined, 'admin approver reviewer auditor'],
  ['POST', `/v1/bindings/${NEVER}/remove`, END, 'admin owner'],
  ['POST', '/v1/principals/mine/bindings/spiffe', {}, 'admin'],
  ['POST', '/v1/principals/mine/bindings/certificate', {}, 'admin'],
  ['POST', '/v1/principals/mine/bindings/secret', {}, 'admin'],
  ['POST', `/v1/bindings/${NEVER}/approve`, undefined, 'admin approver'],
  ['POST', `/v1/bindings/${NEVER}/decline`, END, 'admin approver'],
  ['POST', '/v1/principals/mine/join-tokens', {}, 'admin'],
  ['POST', '/v1/principals/mine/bindings/ssh', {}, 'admin'],
  ['POST', '/v1/trust/spiffe', {}, 'admin'],
  ['GET', '/v1/trust/spiffe', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/trust/x509/none/update', { ...END, keys: 'x' }, 'admin'],
  ['POST', '/v1/trust/ssh/none/remove', END, 'admin'],
  ['GET', '/v1/sessions', undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/activity', undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/activity?principal=theirs', undefined, 'admin reviewer auditor'],
  ['GET', '/v1/activity/summary?principal=theirs', undefined, 'admin reviewer auditor'],
  ['POST', '/v1/log-reviews', {}, 'admin reviewer auditor'],
  ['GET', '/v1/log-reviews', undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/activity/${NEVER}`, undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/ledger', undefined, 'admin approver reviewer auditor'],
  ['GET', '/v1/ledger/witnesses', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/ledger/rotate-key', {}, 'admin'],
  ['GET', '/v1/vault', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/vault/rotate-master-key', {}, 'admin'],
  ['GET', '/v1/ledger/consistency?old=0', undefined, 'admin approver reviewer auditor'],
  ['GET', `/v1/ledger/proof/${NEVER}`, undefined, 'admin owner reviewer auditor'],
  ['GET', '/log/tile/entries/000', undefined, 'admin reviewer auditor'],
  ['POST', '/v1/evidence', {}, 'admin reviewer auditor'],
  ['POST', '/v1/evidence/assess', {}, 'admin reviewer auditor'],
  ['GET', '/v1/evidence/frameworks', undefined, 'admin approver reviewer auditor'],
  ['GET', '/v1/evidence/frameworks/none', undefined, 'admin approver reviewer auditor'],
  ['GET', '/v1/evidence/parameters', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/evidence/parameters', {}, 'admin'],
  ['POST', '/v1/evidence/jobs', {}, 'admin reviewer auditor'],
  ['POST', '/v1/evidence/schedules', {}, 'admin'],
  ['GET', '/v1/evidence/schedules', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/evidence/schedules/none/end', END, 'admin'],
  ['GET', '/v1/evidence/jobs', undefined, 'admin reviewer auditor'],
  ['GET', `/v1/evidence/jobs/${NEVER}`, undefined, 'admin reviewer auditor'],
  ['GET', `/v1/evidence/jobs/${NEVER}/package`, undefined, 'admin reviewer auditor'],
  ['POST', `/v1/evidence/jobs/${NEVER}/cancel`, undefined, 'admin reviewer auditor'],
  ['POST', '/v1/payloads/erase', { principal: 'mine', day: '2026-01-05', dryRun: true }, 'admin'],
  ['POST', '/v1/holds', {}, 'admin'],
  ['GET', '/v1/holds', undefined, 'admin approver reviewer auditor'],
  ['POST', `/v1/holds/${NEVER}/release`, END, 'admin'],
  ['POST', '/v1/rehearsals', {}, 'admin'],
  ['GET', '/v1/sets/bank', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/sets/bank', {}, 'admin'],
  ['GET', '/v1/lifecycle', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/lifecycle', {}, 'admin'],
  ['GET', '/v1/notices', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/policies', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/policies/none', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/policies/none', {}, 'admin'],
  ['POST', '/v1/policies/none/retire', END, 'admin'],
  ['POST', '/v1/policies/none/check', {}, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/policies/none/backtest', {}, 'admin reviewer auditor'],
  ['GET', '/v1/principals/mine/right-sizing', undefined, 'admin owner reviewer auditor'],
  ['GET', '/v1/principals/theirs/right-sizing', undefined, 'admin reviewer auditor'],
  ['POST', '/v1/requests', { ...GRANT, principal: 'mine' }, 'admin owner'],
  ['POST', '/v1/requests', { ...GRANT, principal: 'theirs' }, 'admin'],
  ['POST', '/v1/requests/renew', { grant: NEVER, ttlSeconds: 60 }, 'admin owner'],
  ['GET', '/v1/requests', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/requests/inbox', undefined, 'admin owner approver reviewer auditor'],
  ['GET', `/v1/requests/${NEVER}`, undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/requests/${NEVER}/approve`, {}, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/requests/${NEVER}/deny`, END, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/requests/${NEVER}/withdraw`, END, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/masks', {}, 'admin'],
  ['GET', '/v1/masks', undefined, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/masks/none', undefined, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/masks/none/update', { ...END, classes: ['name'] }, 'admin'],
  ['POST', '/v1/masks/none/retire', END, 'admin'],
  ['POST', '/v1/channels', {}, 'admin'],
  ['GET', '/v1/channels', undefined, 'admin auditor'],
  ['GET', '/v1/channels/none', undefined, 'admin auditor'],
  ['POST', '/v1/channels/none/update', END, 'admin'],
  ['POST', '/v1/channels/none/rotate', END, 'admin'],
  ['POST', '/v1/channels/none/retire', END, 'admin'],
  ['POST', '/v1/channels/none/test', undefined, 'admin'],
  ['POST', '/v1/channels/none/preview', { event: 'request.opened' }, 'admin auditor'],
  ['GET', '/v1/notification-events', undefined, 'admin auditor'],
  ['GET', '/v1/deliveries', undefined, 'admin auditor'],
  ['POST', `/v1/deliveries/${NEVER}/redeliver`, undefined, 'admin'],
  ['POST', '/v1/links/hook', {}, 'admin owner approver reviewer auditor'],
  ['POST', '/v1/links/slack', { channel: 'none' }, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/links', undefined, 'admin owner approver reviewer auditor'],
  ['POST', `/v1/links/${NEVER}/remove`, END, 'admin owner approver reviewer auditor'],
  ['GET', '/v1/retention', undefined, 'admin approver reviewer auditor'],
  ['POST', '/v1/retention', {}, 'admin'],
  ['POST', '/v1/retention/run', { dryRun: true }, 'admin'],
];

/** A person who has just shown who they are. */
async function signedIn(
  api: TestApi,
  person: string,
  authenticatedAt: number | null = Date.now(),
): Promise<string> {
  const how = { kind: 'cli', method: 'passkey', provider: null, source: '127.0.0.1' } as const;
  return (await api.control.sessions.open({ ...how, person, authenticatedAt })).token;
}

async function people(api: TestApi): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const role of ROLES) {
    const email = `${role}@example.org`;
    const made = await api.call('POST', '/v1/persons', { name: `The ${role}`, email, roles: [role] });
    assert.equal(made.status, 201, made.text);
    const person = String(made.body.id);
    tokens.set(role, await signedIn(api, person));
  }
  return tokens;
}

async function principal(api: TestApi, name: string, owner: string): Promise<string> {
  const fields = { kind: 'ci_runner', backupOwner: 'bea@example.org', purpose: 'x', environment: 'test' };
  const made = await api.call('POST', '/v1/principals', { ...fields, name, owner });
  assert.equal(made.status, 201, made.text);
  const grant = { principal: name, resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 600 };
  return String((await api.call('POST', '/v1/grants', grant)).body.id);
}

test('each role reaches exactly the routes of the table', async (context) => {
  const api = await testApi(context);
  const tokens = await people(api);
  await api.call('POST', '/v1/resources', RESOURCE);
  const mine = await principal(api, 'mine', 'owner@example.org');
  const theirs = await principal(api, 'theirs', 'ada@example.org');
  for (const [method, template, body, allowed] of TABLE) {
    const path = template.replace('GRANT-MINE', mine).replace('GRANT-THEIRS', theirs);
    for (const [role, token] of tokens) {
      const { status, text } = await api.call(method, path, body, token);
      const through = status !== 403;
      assert.equal(
        through,
        allowed.split(' ').includes(role),
        `${role} ${method} ${template}: ${status} ${text}`,
      );
      assert.notEqual(status, 401);
      assert.ok(
        status < 500 || /summary|consistency|entries/.test(template),
        `${role} ${method} ${template}: ${text}`,
      );
    }
  }
});

test('every route of the API is in the table', async (context) => {
  const api = await testApi(context);
  const { paths } = (await api.call('GET', '/openapi.json', undefined, null)).body;
  // What is open to everybody, and what everybody does for themselves.
  const open = [
    '/healthz',
    '/v1/setup',
    '/v1/join',
    '/v1/join/rotate',
    '/v1/token/challenge',
    '/v1/logout',
    '/v1/passkeys',
    '/v1/passkeys/begin',
    '/v1/recovery-codes',
  ];
  for (const [path, methods] of Object.entries(paths ?? {})) {
    for (const method of Object.keys(methods as object)) {
      if (open.includes(path) || path.startsWith('/v1/login/')) continue;
      const shape = path.replace(/\{\w+\}/g, 'X');
      const covered = TABLE.some(([m, p]) => {
        const parts = p.replace(/\?.*/, '').split('/');
        const same = shape.split('/').every((part, i) => part === 'X' || part === parts[i]);
        return m.toLowerCase() === method && same && parts.length === shape.split('/').length;
      });
      assert.ok(covered, `${method} ${path}`);
    }
  }
});

test('an owner sees only their own in lists', async (context) => {
  const api = await testApi(context);
  const tokens = await people(api);
  await api.call('POST', '/v1/resources', RESOURCE);
  await principal(api, 'mine', 'owner@example.org');
  await principal(api, 'theirs', 'ada@example.org');
  await api.call('POST', '/v1/credentials', { principal: 'theirs' });
  const owner = tokens.get('owner');
  for (const query of ['', '?owner=ada@example.org', '?q=the']) {
    const items = itemsOf(await api.call('GET', `/v1/principals${query}`, undefined, owner));
    assert.ok(
      items?.every((item) => String(item.name) === 'mine'),
      query,
    );
  }
  const grants = itemsOf(await api.call('GET', '/v1/grants?status=all', undefined, owner));
  assert.deepEqual(
    grants?.map((g) => g.principal?.name),
    ['mine'],
  );
  const credentials = await api.call('GET', '/v1/credentials?principal=theirs', undefined, owner);
  assert.deepEqual(credentials.body.items, []);
});

test('nobody approves a grant for a principal they answer for, except an administrator, who is then named', async (context) => {
  const api = await testApi(context);
  await api.call('POST', '/v1/resources', RESOURCE);
  const both = { name: 'Both', email: 'both@example.org', roles: ['owner', 'approver'] };
  await api.call('POST', '/v1/persons', both);
  const token = String((await api.call('POST', '/v1/persons/both@example.org/tokens', {})).body.token);
  await principal(api, 'mine', 'both@example.org');
  const backed = { kind: 'agent', purpose: 'x', environment: 'test', name: 'backed' };
  const owners = { owner: 'ada@example.org', backupOwner: 'both@example.org' };
  await api.call('POST', '/v1/principals', { ...backed, ...owners });
  await principal(api, 'theirs', 'ada@example.org');
  const grant = (name: string) => ({
    principal: name,
    resource: 'ledger-db',
    scope: 'select on a.b',
    ttlSeconds: 60,
  });
  assert.equal((await api.call('POST', '/v1/grants', grant('mine'), token)).status, 403);
  assert.equal((await api.call('POST', '/v1/grants', grant('backed'), token)).status, 403);
  assert.equal((await api.call('POST', '/v1/grants', grant('theirs'), token)).status, 201);
  const own = await api.call('POST', '/v1/grants', grant('theirs'));
  assert.equal(own.body.authority?.approvers?.[0]?.name, 'Ada Admin');
});

test('nobody gives themselves a role', async (context) => {
  const api = await testApi(context);
  const tokens = await people(api);
  for (const role of ROLES.filter((r) => r !== 'admin')) {
    const token = tokens.get(role);
    const person = { name: 'Mallory', email: `m-${role}@example.org`, roles: ['admin'] };
    assert.equal((await api.call('POST', '/v1/persons', person, token)).status, 403);
    const other = await api.call('POST', '/v1/persons/ada@example.org/tokens', {}, token);
    assert.equal(other.status, 403);
    const self = await api.call('POST', `/v1/persons/${role}@example.org/tokens`, {}, token);
    assert.equal(self.status, 201, 'a further token for oneself carries the same roles');
  }
});

test('a sensitive act takes somebody who has shown lately who they are: no API token, no old session', async (context) => {
  const api = await testApi(context);
  const { id } = await api.control.persons.create(api.actor, {
    name: 'Two',
    email: 'two@example.org',
    roles: ['admin'],
  });
  const plain = (await api.control.tokens.issue(api.actor, id)).token;
  const old = await signedIn(api, id, Date.now() - 301_000);
  const unknown = await signedIn(api, id, null);
  const fresh = await signedIn(api, id);
  const sensitive: [path: string, body: object][] = [
    ['/v1/ledger/rotate-key', {}],
    ['/v1/vault/rotate-master-key', {}],
    ['/v1/payloads/erase', { principal: 'none', day: '2026-01-05', dryRun: true }],
    ['/v1/persons/two@example.org/update', { name: 'Too', ...END }],
    ['/v1/sign-in', { freshSeconds: 60, ...END }],
    ['/v1/alert-rules/denials', { enabled: false, ...END }],
    ['/v1/persons', { name: 'X', email: 'x@example.org', roles: ['approver'] }],
  ];
  for (const [path, body] of sensitive) {
    for (const token of [plain, old, unknown]) {
      const answer = await api.call('POST', path, body, token);
      assert.deepEqual([answer.status, answer.body.error?.code], [401, 'POSTERN_REAUTHENTICATE'], path);
      assert.match(String(answer.headers['www-authenticate']), /insufficient_user_authentication/);
    }
    assert.notEqual((await api.call('POST', path, body, fresh)).status, 401, path);
  }
  const owner = { name: 'O', email: 'o@example.org', roles: ['owner'] };
  assert.equal((await api.call('POST', '/v1/persons', owner, plain)).status, 201);
});

test('automation gets a token for sensitive acts from a fresh session alone, for an hour at most, for nobody else', async (context) => {
  const api = await testApi(context);
  const { id } = await api.control.persons.create(api.actor, {
    name: 'Two',
    email: 'two@example.org',
    roles: ['admin'],
  });
  const fresh = await signedIn(api, id);
  const old = await signedIn(api, id, Date.now() - 301_000);
  const make = (token: string, body: object, whose = id) =>
    api.call('POST', `/v1/persons/${whose}/tokens`, { sensitive: true, ...body }, token);
  const made = await make(fresh, { ttlSeconds: 60 });
  assert.equal(made.status, 201, made.text);
  const token = String(made.body.token);
  assert.notEqual((await api.call('POST', '/v1/ledger/rotate-key', {}, token)).status, 401);
  assert.equal((await make(token, {})).status, 403, 'it does not make another one');
  assert.equal((await make(old, {})).status, 401);
  assert.equal((await make(fresh, { ttlSeconds: 3601 })).status, 400);
  assert.equal((await make(fresh, {}, api.admin.id)).status, 403);
});
