import assert from 'node:assert/strict';
import { request } from 'node:https';
import { type TestContext, test } from 'node:test';
import type { AccessRequest } from '../store/entities.ts';
import { JWT, type TestExchange, testExchange } from './token.fixture.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
 rules:
  - name: itself
    who: { claims: { workload: agent } }
    what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 1h }
    when: { sources: [127.0.0.0/8] }
    approve: at once
  - name: asked
    what: { resources: [ledger-db], scope: 'insert on ledger.*', longest: 1h }
    approve: [{ from: ['role:admin', owner] }]
`;

async function bank(context: TestContext) {
  const t = await testExchange(context);
  await t.control.policies.put(t.actor, 'main', POLICY, 'begin');
  return { t, token: await tokenOf(t, 'agent'), other: await tokenOf(t, 'tool') };
}

async function tokenOf(t: TestExchange, workload: string, more: object = {}): Promise<string> {
  const subject = { subject_token: t.platformToken(workload), subject_token_type: JWT };
  const { body } = await t.ask({ ...subject, ...more });
  return String(body.access_token);
}

const asking = (scope: string, principal = 'agent') => ({
  ...{ principal, resource: 'ledger-db', scope, ttlSeconds: 600 },
});

test('a principal asks for itself, from where it is and as what its platform says it is', async (context) => {
  const { t, token } = await bank(context);
  const { status, text, body } = await t.call(
    'POST',
    '/v1/requests',
    asking('select on ledger.entries'),
    token,
  );
  assert.equal(status, 201, text);
  const request = await t.control.requests.get(String(body.id));
  assert.equal(request.status, 'granted');
  assert.deepEqual(
    [request.requester.kind, request.requester.name, request.source, request.claims.workload],
    ['principal', 'agent', '127.0.0.1', 'agent'],
  );
  const record = t.sink.changes().findLast(({ type }) => type === 'grant.requested');
  assert.deepEqual([record?.actor.kind, record?.actor.name], ['principal', 'agent']);

  // What it needs no more it gives back.
  const path = `/v1/grants/${request.grant}/release`;
  const released = await t.call('POST', path, { reason: 'done' }, token);
  assert.deepEqual([released.status, String(released.body.endReason)], [200, 'released: done']);
  assert.equal((await t.call('POST', path, {}, token)).status, 409);
});

test('a person who asks for it has not its claims, and another principal not either', async (context) => {
  const { t, other } = await bank(context);
  const byPerson = await t.call('POST', '/v1/requests', asking('select on ledger.entries'));
  assert.equal(String(byPerson.body.status), 'denied');
  const byTool = await t.call('POST', '/v1/requests', asking('select on ledger.entries', 'tool'), other);
  assert.equal(String(byTool.body.status), 'denied');
});

test('a principal sees, withdraws and releases what is its own, and nothing of others', async (context) => {
  const { t, token, other } = await bank(context);
  const made = await t.call('POST', '/v1/requests', asking('insert on ledger.entries'), token);
  assert.equal(String(made.body.status), 'pending');
  assert.equal(made.body.joined as unknown, false);
  const path = `/v1/requests/${made.body.id}`;
  assert.equal((await t.call('GET', path, undefined, token)).status, 200);
  assert.equal((await t.call('GET', path, undefined, other)).status, 403);
  assert.equal((await t.call('POST', `${path}/withdraw`, { reason: 'x' }, other)).status, 403);
  assert.equal((await t.call('POST', '/v1/requests', asking('insert on ledger.entries'), other)).status, 403);
  const again = await t.call('POST', '/v1/requests', asking('insert on ledger.entries'), token);
  assert.deepEqual([String(again.body.id), again.body.joined as unknown], [String(made.body.id), true]);
  const withdrawn = await t.call('POST', `${path}/withdraw`, { reason: 'x' }, token);
  assert.equal(String(withdrawn.body.status), 'withdrawn');
  const [grant] = await t.control.grants.list({ status: 'active' });
  assert.equal((await t.call('POST', `/v1/grants/${grant?.id}/release`, {}, token)).status, 403);
});

test('who lets a principal act does not agree to what it asks on their behalf', async (context) => {
  const { t, token } = await bank(context);
  const word = await t.call('POST', '/v1/delegations', { actor: 'agent' });
  const subject = { subject_token: String(word.body.token), subject_token_type: JWT };
  const act = {
    actor_token: token,
    actor_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  };
  const acting = String((await t.ask({ ...subject, ...act })).body.access_token);
  const made = await t.call('POST', '/v1/requests', asking('insert on ledger.entries'), acting);
  assert.equal(String(made.body.status), 'pending', made.text);
  const request = made.body as unknown as AccessRequest;
  const stored = await t.control.requests.get(request.id);
  assert.deepEqual(
    stored.delegation?.map(({ name }) => name),
    [t.admin.name],
  );
  // The administrator owns the agent, and has the role: both hats are theirs whose request it is.
  assert.equal((await t.call('POST', `/v1/requests/${request.id}/approve`, {})).status, 403);
});

test('with such a token nothing else is open', async (context) => {
  const { t, token } = await bank(context);
  const open = [
    ...['POST /v1/requests', 'GET /v1/requests/{id}', 'POST /v1/requests/{id}/withdraw', 'GET /v1/self'],
    ...['POST /v1/grants/{id}/release', 'POST /v1/delegations'],
  ];
  const { paths } = (await t.call('GET', '/openapi.json', undefined, null)).body;
  const [reached, shut]: [string[], string[]] = [[], []];
  for (const [path, methods] of Object.entries(paths ?? {})) {
    for (const lower of Object.keys(methods)) {
      const method = lower.toUpperCase() as 'GET' | 'POST';
      const url = path.replace(/\{\w+\}/g, '018f0000-0000-7000-8000-000000000000');
      const status = await statusFrom(`127.1.${reached.length}.${shut.length + 1}`, t, method, url, token);
      assert.notEqual(status, 429);
      (status === 403 ? shut : reached).push(`${method} ${path}`);
    }
  }
  for (const name of open) assert.ok(reached.includes(name), name);
  const further = reached.filter((name) => !open.includes(name) && !PUBLIC.test(name));
  assert.deepEqual(further, []);
  assert.ok(shut.length > 100, String(shut.length));
});

/** Open to everybody, without a token. */
const PUBLIC = / \/(healthz|v1\/(setup|join(\/rotate)?|token|token\/challenge)|v1\/login\/.*)$/;

/** Each from an address of its own: so many refusals from one would be cut off. */
function statusFrom(
  localAddress: string,
  { deps, port }: TestExchange,
  method: string,
  path: string,
  token: string,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const target = { host: '127.0.0.1', port: port(), localAddress, method, path, headers };
    const sent = request({ ...target, ca: deps.tls.caPem, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on('error', reject);
    sent.end();
  });
}
