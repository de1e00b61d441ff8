import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { personActor } from '../identity/persons.ts';
import { RESOURCE, testControl } from './control.fixture.ts';

const HEAD = 'apiVersion: postern/v1\nkind: AccessPolicy\nmetadata: { name: main }\nspec:\n rules:\n';
const rule = (approve: string, more = ''): string =>
  `${HEAD}${more}  - name: night
    who: { principals: [batch] }
    what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 8h }
    when: { sources: [10.0.0.0/8] }
    onConnect: { scope: 'select on ledger.entries', for: 1h }
    approve: ${approve}
`;
const WAITING = rule("[{ from: ['role:approver'] }]");

async function bank(context: TestContext, policy: string) {
  let now = Date.now() * 1000;
  const t = await testControl(context, { clock: () => now });
  const { control, actor } = t;
  const max = await control.persons.create(actor, {
    ...{ name: 'Max', email: 'max@example.org', roles: ['approver'] },
  });
  const principal = await control.principals.create(actor, {
    ...{ name: 'batch', kind: 'service_account', owner: 'ada@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  const resource = await control.resources.create(actor, RESOURCE);
  const { credential } = await control.credentials.issue(actor, { principal: 'batch', ttlSeconds: 86_400 });
  await control.policies.put(actor, 'main', policy, 'begin');
  const access = {
    ...{ principal: principal.id, resource: resource.id, credential: credential.id },
    ...{ source: '10.1.1.1', claims: null },
  };
  /** Later than answers are kept for. */
  const connect = (over: object = {}) => {
    now += 4_000_000;
    return control.onConnect.ask({ ...access, ...over });
  };
  const requests = () => control.requests.list({ principal: principal.id });
  return { ...t, max: personActor(max), connect, requests, access };
}

test('connecting asks for what the rule says, as the principal, from where it is', async (context) => {
  const { control, connect, requests, sink, actor } = await bank(context, rule('at once'));
  assert.deepEqual(await connect(), { outcome: 'granted' });
  const [request] = await requests();
  assert.deepEqual(
    [request?.scope, request?.seconds, request?.requester.kind, request?.source],
    ['select on ledger.entries', 3600, 'principal', '10.1.1.1'],
  );
  assert.equal(sink.changes().at(-1)?.actor.kind, 'principal');
  // The grant is there: nothing more is asked for.
  assert.deepEqual(await connect(), { outcome: 'granted' });
  assert.equal((await requests()).length, 1);
  // What was given back may be had again; what was taken away not by knocking once more.
  await control.grants.release(actor, request?.grant ?? '');
  assert.deepEqual(await connect(), { outcome: 'granted' });
  const again = (await requests()).at(-1);
  await control.grants.revoke(actor, again?.grant ?? '', 'it is under attack');
  assert.deepEqual(await connect(), { outcome: 'none' });
  assert.equal((await requests()).length, 2);
});

test('what the policy does not give leaves no request, however often somebody knocks', async (context) => {
  const deny = '  - { name: never, what: { scope: all on ledger.entries }, deny: Not this week. }\n';
  const { connect, requests, control, actor } = await bank(context, rule('at once', deny));
  assert.deepEqual(await connect(), { outcome: 'denied', reason: 'Not this week.' });
  await control.policies.put(actor, 'main', rule('at once'), 'again');
  const outside = await connect({ source: '192.0.2.1' });
  assert.equal(outside.outcome, 'denied');
  assert.match(
    outside.outcome === 'denied' ? outside.reason : '',
    /night would need asked from 10\.0\.0\.0\/8/,
  );
  await control.policies.put(actor, 'main', rule('at once').replace(/ +onConnect.*\n/, ''), 'off');
  assert.deepEqual(await connect(), { outcome: 'none' });
  assert.deepEqual(await requests(), []);
});

test('what waits is joined, and what people have said no to is not asked for again by knocking', async (context) => {
  const { control, connect, requests, max, actor } = await bank(context, WAITING);
  const first = await connect();
  assert.deepEqual(first, {
    ...{ outcome: 'pending', request: (await requests())[0]?.id, needs: ['1 of role:approver'] },
  });
  assert.deepEqual(await connect(), first);
  const id = (await requests())[0]?.id ?? '';
  await control.requests.deny(max, id, 'not today');
  assert.deepEqual(await connect(), {
    outcome: 'denied',
    reason: `the request ${id} was denied: not today`,
  });
  assert.equal((await requests()).length, 1);
  // Asking by hand goes on.
  const byHand = { principal: 'batch', resource: 'ledger-db', scope: 'select on ledger.*', ttlSeconds: 60 };
  assert.equal(
    (await control.requests.create(actor, byHand)).status,
    'denied',
    'a person is nowhere in 10/8',
  );
});

test('two workers that ask at the same instant get one request, and one answer for a few seconds', async (context) => {
  const { control, requests, access } = await bank(context, WAITING);
  const answers = await Promise.all([1, 2, 3].map(() => control.onConnect.ask(access)));
  assert.equal(new Set(answers).size, 1);
  assert.equal((await requests()).length, 1);
});

test('a credential that is over, or of somebody else, asks for nothing', async (context) => {
  const { control, connect, requests, actor, access } = await bank(context, rule('at once'));
  await control.principals.create(actor, {
    ...{ name: 'other', kind: 'service_account', owner: 'ada@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  const { credential } = await control.credentials.issue(actor, { principal: 'other', ttlSeconds: 60 });
  assert.deepEqual(await connect({ credential: credential.id }), { outcome: 'none' });
  await control.credentials.revoke(actor, access.credential, 'lost');
  assert.deepEqual(await connect(), { outcome: 'none' });
  await control.principals.suspend(actor, 'batch', 'x');
  assert.deepEqual(await connect(), { outcome: 'none' });
  assert.deepEqual(await requests(), []);
});
