/** Policy, requests, reviews and what is made of use, for grants in the grammar of HTTP, beside grants of PostgreSQL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PosternError } from '../core/errors.ts';
import { personActor as as } from '../identity/persons.ts';
import { RESOURCE } from './control.fixture.ts';
import { checkPolicy, runCases } from './policies.ts';
import { backtest } from './policy/backtest.ts';
import { reviewBank } from './review/review.fixture.ts';
import { scopeRelations } from './scopes.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: nobody-drops
      what: { scope: 'drop on ledger.*' }
      deny: Tables are dropped by a migration.
    - name: nobody-pays-out
      what: { scope: '* on /v1/payouts/**' }
      deny: Money leaves by another door.
    - name: reading
      what: { scope: 'GET, HEAD on /v1/**', longest: 2h }
      approve: at once
    - name: writing
      what: { scope: 'POST on /v1/transfers where body <= 64KiB', longest: 1h }
      approve: [{ from: ['role:approver'] }]
    - name: tables
      what: { scope: 'select on ledger.*', longest: 2h }
      approve: at once
    - name: the-rest-of-the-api
      what: { resources: ['pay-*'], longest: 30m }
      approve: [{ from: ['role:approver'] }]
  cases:
    - name: payouts stay where they are, from whichever side
      ask: { principal: { name: p }, resource: { name: pay-api }, scope: 'POST on /v1/**', for: 5m }
      expect: { decision: denied, rule: nobody-pays-out }
`;
const code = (expected: string) => (error: unknown) => (error as PosternError).code === expected;

async function services(context: Parameters<typeof reviewBank>[0]) {
  const bank = await reviewBank(context);
  const { control, actor } = bank;
  const { database: _, ...base } = RESOURCE;
  await control.resources.create(actor, {
    ...{ ...base, name: 'pay-api', protocol: 'http' },
    http: { hosts: [], basePath: '', auth: { kind: 'bearer' } },
  });
  const put = () => control.policies.put(actor, 'main', POLICY, 'begin');
  const ask = (scope: string, resource = 'pay-api') =>
    control.requests.create(actor, { principal: 'batch', resource, scope, ttlSeconds: 1200 });
  return { ...bank, put, ask };
}

test('a policy of two protocols gives, has agreed to and denies each in its own words, and never in those of the other', async (context) => {
  const { control, put, ask, people } = await services(context);
  await put();
  const reading = await ask('get on /v1/accounts/*');
  assert.deepEqual([reading.status, reading.scope], ['granted', 'GET on /v1/accounts/*']);
  const writing = await ask('POST on /v1/transfers where body <= 1KiB');
  assert.deepEqual([writing.status, writing.rule?.rule], ['pending', 'writing']);
  const agreed = await control.requests.approve(as(people.max), writing.id);
  const grant = await control.grants.get(agreed.grant ?? '');
  assert.equal(grant.scope, 'POST on /v1/transfers where body <= 1KiB');
  // Wider than the rule in one way or another: the next rule has it, or none.
  assert.equal((await ask('POST on /v1/transfers')).rule?.rule, 'the-rest-of-the-api');
  assert.equal((await ask('POST on /v1/transfers where body <= 65KiB')).rule?.rule, 'the-rest-of-the-api');
  for (const scope of [
    'GET on /v1/payouts/7',
    'GET on /v1/**',
    'GET on /**',
    '* on /v1/payouts/',
    'GET on /v1/accounts/*; POST on /v1/payouts/**',
    'GET on /v1/%70ayouts/7',
    'GET on /*/payouts/7',
    'WEBSOCKET on /v1/payouts/live where rate <= 1/min',
  ]) {
    const denied = await ask(scope);
    assert.deepEqual([denied.status, denied.rule?.rule], ['denied', 'nobody-pays-out'], scope);
  }
  assert.equal((await ask('drop on ledger.entries', 'ledger-db')).rule?.rule, 'nobody-drops');
  assert.equal((await ask('select on ledger.entries', 'ledger-db')).rule?.rule, 'tables');
  // A scope of one protocol is none on a resource of the other.
  await assert.rejects(ask('select on ledger.entries'), code('POSTERN_INVALID'));
  await assert.rejects(ask('GET on /v1/accounts', 'ledger-db'), code('POSTERN_INVALID'));
  await assert.rejects(ask('GET on "/v1/payouts/7"'), code('POSTERN_INVALID'));
  // A name in quotes that looks like a path is a name.
  assert.equal((await ask('select on "/v1/payouts"."x"', 'ledger-db')).status, 'denied');
  assert.equal((await ask('drop on ledger."a/b"', 'ledger-db')).rule?.rule, 'nobody-drops');
});

test('a retry of an HTTP request joins it, whatever its spelling', async (context) => {
  const { put, ask } = await services(context);
  await put();
  const first = await ask('PUT, PATCH on /v1/accounts/*');
  const again = await ask('patch, put on /v1/accounts/*');
  assert.deepEqual([first.status, again.id], ['pending', first.id]);
  assert.notEqual((await ask('PUT on /v1/accounts/*')).id, first.id);
});

test('a deny rule without a scope is about every protocol, and one of a class of data about that', async (context) => {
  const { control, actor, ask } = await services(context);
  const rules = (deny: string) =>
    `apiVersion: postern/v1\nkind: AccessPolicy\nmetadata: { name: main }\nspec:\n  rules:\n${deny}
    - { name: all, what: { longest: 2h }, approve: at once }\n`;
  await control.policies.put(actor, 'main', rules('    - { name: frozen, deny: All is frozen. }'), 'x');
  assert.equal((await ask('GET on /v1/a')).rule?.rule, 'frozen');
  assert.equal((await ask('select on ledger.a', 'ledger-db')).rule?.rule, 'frozen');
  const narrow = rules("    - { name: frozen, what: { resources: ['pay-*'] }, deny: Not the API. }");
  await control.policies.put(actor, 'main', narrow, 'x');
  assert.equal((await ask('GET on /v1/a')).rule?.rule, 'frozen');
  assert.equal((await ask('select on ledger.a', 'ledger-db')).status, 'granted');
});

test('a review narrows a grant of HTTP within itself and never beyond', async (context) => {
  const { control, actor, people, open, itemOf, decide } = await services(context);
  await control.grants.create(actor, {
    ...{ principal: 'batch', resource: 'pay-api', scope: 'GET, POST on /v1/** where rate <= 100/min' },
    ttlSeconds: 86_400,
  });
  await open({ resource: 'pay-api' });
  const item = await itemOf('batch', 'grant');
  const narrow = (scope: string) => decide(people.rita, item, { kind: 'narrow', scope });
  for (const wider of [
    'GET on /v1/accounts/**',
    'DELETE on /v1/accounts/1 where rate <= 100/min',
    'GET on /v2/a where rate <= 1/min',
    'GET on /** where rate <= 1/min',
    'GET on /v1/a where rate <= 101/min',
    'select on ledger.*',
  ]) {
    await assert.rejects(narrow(wider), code('POSTERN_INVALID'), wider);
  }
  const done = await narrow('GET on /v1/accounts/** where rate <= 10/min');
  assert.deepEqual(done.effect, { what: 'narrowed', applied: true });
  const after = await control.grants.get(item.grant ?? '');
  assert.equal(after.scope, 'GET on /v1/accounts/** where rate <= 10/min');
});

test('a changed policy is tried on requests as on statements', async (context) => {
  const { control } = await services(context);
  const [principal, api, db] = [
    await control.principals.get('batch'),
    await control.resources.get('pay-api'),
    await control.resources.get('ledger-db'),
  ];
  const before = checkPolicy('main', POLICY);
  const after = checkPolicy(
    'main',
    POLICY.replace("'GET, HEAD on /v1/**'", "'GET on /v1/accounts/**'").split('  cases:')[0] ?? '',
  );
  assert.deepEqual(
    runCases(before).map(({ passed }) => passed),
    [true],
  );
  const seen = (resource: typeof api, verb: string, object: string, allowed: number) => ({
    ...{ principal, resource, verbs: [verb], objects: [object], allowed, denied: 0, lastAllowed: null },
  });
  const done = await backtest(
    [
      seen(api, 'GET', '/v1/accounts/*', 5),
      seen(api, 'HEAD', '/v1/rates', 3),
      seen(api, 'POST', '/v1/payouts/*', 2),
      seen(db, 'select', 'ledger.entries', 7),
      // Refused: what neither allows, what both do, and what no scope gives.
      { ...seen(api, 'POST', '/v1/payouts/*', 0), denied: 4 },
      { ...seen(db, 'select', 'ledger.accounts', 0), denied: 2 },
      { ...seen(db, 'nonsense', 'ledger.accounts', 0), denied: 1 },
    ],
    before,
    after,
    {
      principal: () => principal,
      resource: (id) => (id === api.id ? api : db),
      statement: async () => null,
    },
    scopeRelations,
  );
  assert.deepEqual(
    done.rows.map(({ scope, before: was, after: becomes, change }) => [scope, was, becomes, change]),
    [['HEAD on /v1/rates', 'at once by reading', '1 of role:approver by the-rest-of-the-api', 'otherwise']],
  );
  assert.deepEqual([done.commands, done.same, done.refused], [17, 14, 7]);
  const wider = checkPolicy(
    'main',
    POLICY.replace("'drop on ledger.*'", "'drop on hr.*'").replace(
      "'select on ledger.*'",
      "'select, drop on ledger.*'",
    ),
  );
  const opened = await backtest(
    [{ ...seen(db, 'drop', 'ledger.entries', 0), denied: 9 }],
    before,
    wider,
    { principal: () => principal, resource: () => db, statement: async () => null },
    scopeRelations,
  );
  assert.deepEqual(
    opened.rows.map(({ scope, commands, refused, after: then, change }) => [
      scope,
      commands,
      refused,
      then,
      change,
    ]),
    [['drop on ledger.entries', 9, true, 'at once by tables', 'allowed']],
  );
});
