import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PosternError } from '../core/errors.ts';
import { personActor } from '../identity/persons.ts';
import type { Role } from '../store/entities.ts';
import { RESOURCE, testControl } from './control.fixture.ts';
import type { ControlOptions } from './control.ts';

const HEAD = 'apiVersion: postern/v1\nkind: AccessPolicy\nmetadata: { name: main }\nspec:\n rules:\n';
const TWO = `${HEAD}  - name: two
    what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 2h }
    grant: { maxRows: 1000, sources: [10.0.0.0/8] }
    approve:
      - from: [owner]
      - from: ['role:approver']
`;
const AT_ONCE = `${HEAD}  - { name: free, what: { scope: 'select on ledger.*', longest: 1d }, approve: at once }\n`;

async function bank(context: TestContext, policy: string, options: Partial<ControlOptions> = {}) {
  const test = await testControl(context, options);
  const { control, actor } = test;
  const person = async (name: string, ...roles: Role[]) =>
    control.persons.create(actor, { name, email: `${name.toLowerCase()}@example.org`, roles });
  const people = {
    olga: await person('Olga', 'owner', 'approver'),
    max: await person('Max', 'approver'),
    eva: await person('Eva', 'approver', 'owner'),
  };
  await control.principals.create(actor, {
    name: 'batch',
    kind: 'service_account',
    owner: people.olga.id,
    backupOwner: 'bea@example.org',
    purpose: 'x',
    environment: 'production',
  });
  await control.resources.create(actor, RESOURCE);
  await control.policies.put(actor, 'main', policy, 'begin');
  const ask = {
    principal: 'batch',
    resource: 'ledger-db',
    scope: 'select on ledger.entries',
    ttlSeconds: 3600,
  };
  return { ...test, people, ask, as: personActor };
}

const code = (expected: string) => (error: unknown) => (error as PosternError).code === expected;

describe('requests', () => {
  test('what the policy gives at once is granted, with the rule as its authority and in the log', async (context) => {
    const { control, actor, ask, sink } = await bank(context, AT_ONCE);
    const request = await control.requests.create(actor, { ...ask, ticket: 'CHG-1' });
    assert.equal(request.status, 'granted');
    const grant = await control.grants.get(request.grant ?? '');
    assert.deepEqual(grant.authority, {
      kind: 'policy',
      request: request.id,
      rule: { policy: 'main', revision: 1, rule: 'free' },
      approvers: [],
      ticket: 'CHG-1',
      justification: null,
    });
    assert.equal(Date.parse(grant.end) - Date.parse(grant.start), 3_600_000);
    assert.deepEqual(
      sink
        .changes()
        .slice(-2)
        .map(({ type }) => type),
      ['grant.requested', 'grant.activated'],
    );
  });

  test('what no rule gives is denied, says what came near, and leaves its record', async (context) => {
    const { control, actor, ask, sink } = await bank(context, TWO);
    const request = await control.requests.create(actor, { ...ask, ttlSeconds: 7201 });
    assert.equal(request.status, 'denied');
    assert.match(request.statusReason ?? '', /two would need at most 2 h$/);
    assert.equal(sink.changes().at(-1)?.type, 'grant.denied');
    assert.deepEqual(await control.grants.list({}), []);
  });

  test('it is granted when all whom the policy names have agreed, under the conditions of the rule', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const request = await control.requests.create(actor, { ...ask, conditions: { maxRows: 5000 } });
    assert.deepEqual([request.status, request.needs], ['pending', ['1 of owner', '1 of role:approver']]);
    const half = await control.requests.approve(as(people.max), request.id, 'fine');
    assert.deepEqual([half.status, half.needs], ['pending', ['1 of owner']]);
    const done = await control.requests.approve(as(people.olga), request.id);
    assert.equal(done.status, 'granted');
    const grant = await control.grants.get(done.grant ?? '');
    assert.deepEqual(grant.conditions, { maxRows: 1000, sources: ['10.0.0.0/8'] });
    assert.deepEqual(
      grant.authority.approvers.map(({ name }) => name),
      ['Max', 'Olga'],
    );
  });

  test('a retry joins the request that waits', async (context) => {
    const { control, actor, ask } = await bank(context, TWO);
    const first = await control.requests.create(actor, ask);
    const again = await control.requests.create(actor, { ...ask, scope: 'SELECT on ledger.entries' });
    assert.equal(again.id, first.id);
    assert.equal((await control.requests.list({})).length, 1);
    const other = await control.requests.create(actor, { ...ask, scope: 'select on ledger.accounts' });
    assert.notEqual(other.id, first.id);
  });

  test('a storm of retries is one request and one record, and it waits for those for whom it waited', async (context) => {
    const { control, actor, ask, sink, people, as } = await bank(context, TWO);
    const asked = Array.from({ length: 50 }, () => control.requests.ask(actor, ask));
    const answers = await Promise.all(asked);
    assert.equal(new Set(answers.map(({ request }) => request.id)).size, 1);
    assert.equal(answers.filter(({ joined }) => !joined).length, 1);
    const [first] = answers;
    await control.requests.approve(as(people.max), first?.request.id ?? '');
    // A retry after the first agreement takes nothing back.
    assert.deepEqual((await control.requests.create(actor, ask)).needs, ['1 of owner']);
    assert.equal(sink.changes().filter(({ type }) => type === 'grant.requested').length, 1);
  });

  test('who joins a request asks for it, and does not agree to it: not before, not after, not through what acts for them', async (context) => {
    const { control, actor, ask, people, as, sink } = await bank(context, TWO);
    const batch = await control.principals.get('batch');
    const own = { kind: 'principal', id: batch.id, name: batch.name } as const;
    const request = await control.requests.create(own, ask);
    const joined = await control.requests.create(as(people.max), { ...ask, ttlSeconds: 60 });
    assert.equal(joined.id, request.id);
    assert.deepEqual(joined.alsoAskedBy, [{ id: people.max.id, name: 'Max' }]);
    assert.equal(joined.seconds, ask.ttlSeconds);
    assert.equal(await control.requests.asks(people.max, joined), false);
    await assert.rejects(control.requests.approve(as(people.max), request.id), code('POSTERN_FORBIDDEN'));
    // Eva agrees, and then has the principal ask for the same on her behalf: her agreement counts no more.
    const half = await control.requests.approve(as(people.eva), request.id);
    assert.deepEqual(half.needs, ['1 of owner']);
    const { id, name } = people.eva;
    const onBehalf = {
      source: null,
      claims: {},
      delegation: [{ kind: 'person', id, name, delegation: 'd' }],
    } as const;
    const again = await control.requests.create(own, ask, onBehalf);
    assert.deepEqual(again.needs, ['1 of owner', '1 of role:approver']);
    await control.requests.approve(as(people.olga), request.id);
    await assert.rejects(control.requests.approve(as(people.eva), request.id), code('POSTERN_FORBIDDEN'));
    assert.deepEqual(await control.grants.list({}), []);
    await control.requests.create(actor, ask);
    await control.requests.create(actor, ask);
    const records = sink.changes().filter(({ type }) => type === 'grant.requested');
    assert.equal(records.length, 4);
    const later = await control.persons.create(actor, {
      name: 'Zoe',
      email: 'z@example.org',
      roles: ['approver'],
    });
    assert.equal((await control.requests.approve(as(later), request.id)).status, 'granted');
  });

  test('an emergency does not wait behind a request that waits for people', async (context) => {
    const policy = `${TWO}  - name: break-glass
    what: { longest: 1h }
    when: { justification: true }
    emergency: { reviewWithin: 1d }
    approve: at once
`;
    const { control, actor, ask } = await bank(context, policy);
    const waiting = await control.requests.create(actor, ask);
    const asked = { ...ask, emergency: true, ttlSeconds: 1800, justification: 'the ledger is down' };
    // The first rule is for emergencies too, and comes first: it waits for people, as the policy says.
    const behind = await control.requests.create(actor, asked);
    assert.deepEqual([behind.status, behind.emergency], ['pending', true]);
    assert.notEqual(behind.id, waiting.id);
    await control.policies.put(
      actor,
      'a-first',
      policy
        .replace('name: main', 'name: a-first')
        .replace(/ {2}- name: two[\s\S]*? {2}- name: break/, '  - name: break'),
      'x',
    );
    await control.requests.withdraw(actor, behind.id, 'x');
    const now = await control.requests.create(actor, asked);
    assert.equal(now.status, 'granted');
    assert.equal((await control.grants.get(now.grant ?? '')).authority.kind, 'emergency');
    assert.equal((await control.requests.get(waiting.id)).status, 'pending');
  });

  test('nobody agrees to their own request, twice, in two hats, or for whom the policy does not ask', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const own = await control.requests.create(as(people.olga), ask);
    await assert.rejects(control.requests.approve(as(people.olga), own.id), code('POSTERN_FORBIDDEN'));
    await control.requests.withdraw(as(people.olga), own.id, 'again by somebody else');
    const request = await control.requests.create(actor, ask);
    // An administrator is not an approver, and an owner not an independent one.
    await assert.rejects(control.requests.approve(actor, request.id), code('POSTERN_FORBIDDEN'));
    await control.requests.approve(as(people.olga), request.id);
    await assert.rejects(control.requests.approve(as(people.olga), request.id), code('POSTERN_CONFLICT'));
    assert.deepEqual((await control.requests.get(request.id)).needs, ['1 of role:approver']);
    await control.requests.approve(as(people.max), request.id);
    await assert.rejects(control.requests.approve(as(people.eva), request.id), code('POSTERN_CONFLICT'));
  });

  test('the owner of the resource agrees as such, as long as they are, and not to what they answer for themselves', async (context) => {
    const policy = `${HEAD}  - { name: r, what: { longest: 2h }, approve: [{ from: [resource-owner] }] }\n`;
    const { control, actor, ask, people, as } = await bank(context, policy);
    const request = await control.requests.create(actor, ask);
    await assert.rejects(control.requests.approve(as(people.eva), request.id), code('POSTERN_FORBIDDEN'));
    const owned = await control.resources.update(actor, 'ledger-db', { owner: 'eva@example.org' }, 'CHG-2');
    assert.deepEqual(owned.owner, { id: people.eva.id, name: 'Eva', email: 'eva@example.org' });
    assert.deepEqual((await control.resources.get('ledger-db')).owner, owned.owner);
    assert.equal(await control.requests.asks(people.eva, request), true);
    // Olga owns the principal: she does not agree as somebody else.
    await control.resources.update(actor, 'ledger-db', { owner: people.olga.id }, 'CHG-3');
    for (const person of [people.olga, people.eva]) {
      await assert.rejects(control.requests.approve(as(person), request.id), code('POSTERN_FORBIDDEN'));
    }
    await control.resources.update(actor, 'ledger-db', { owner: people.eva.id }, 'CHG-4');
    assert.equal((await control.requests.approve(as(people.eva), request.id)).status, 'granted');
    // An approver alone answers for nothing.
    const byMax = control.resources.update(actor, 'ledger-db', { owner: people.max.id }, 'x');
    await assert.rejects(byMax, code('POSTERN_INVALID'));
    assert.equal((await control.resources.update(actor, 'ledger-db', { owner: null }, 'x')).owner, null);
  });

  test('two who agree at the same instant are counted once each, and one grant comes of it', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const request = await control.requests.create(actor, ask);
    const results = await Promise.allSettled([
      control.requests.approve(as(people.olga), request.id),
      control.requests.approve(as(people.max), request.id),
      control.requests.approve(as(people.eva), request.id),
      control.requests.approve(as(people.max), request.id),
    ]);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 2);
    assert.equal((await control.grants.list({})).length, 1);
  });

  test('who was disabled between agreeing and the last agreement does not count', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const request = await control.requests.create(actor, ask);
    await control.requests.approve(as(people.max), request.id);
    await control.persons.disable(actor, people.max.id, 'left');
    const still = await control.requests.approve(as(people.olga), request.id);
    assert.deepEqual([still.status, still.needs], ['pending', ['1 of role:approver']]);
    await assert.rejects(control.requests.approve(as(people.max), request.id), code('POSTERN_FORBIDDEN'));
    const done = await control.requests.approve(as(people.eva), request.id);
    const grant = await control.grants.get(done.grant ?? '');
    assert.deepEqual(
      grant.authority.approvers.map(({ name }) => name),
      ['Olga', 'Eva'],
    );
  });

  test('a policy that changed meanwhile decides, not the one under which it was asked', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const request = await control.requests.create(actor, ask);
    await control.policies.put(actor, 'main', `${HEAD}  - { name: none, deny: All is frozen. }\n`, 'freeze');
    await assert.rejects(control.requests.approve(as(people.max), request.id), code('POSTERN_CONFLICT'));
    assert.deepEqual(await control.grants.list({}), []);
    assert.equal((await control.requests.deny(actor, request.id, 'frozen')).status, 'denied');
  });

  test('a principal or resource that is no more gets nothing, however many agreed', async (context) => {
    const { control, actor, ask, people, as } = await bank(context, TWO);
    const request = await control.requests.create(actor, ask);
    await control.requests.approve(as(people.max), request.id);
    await control.principals.suspend(actor, 'batch', 'odd');
    await assert.rejects(
      control.requests.approve(as(people.olga), request.id),
      code('POSTERN_PRINCIPAL_INACTIVE'),
    );
    await assert.rejects(control.requests.create(actor, ask), code('POSTERN_PRINCIPAL_INACTIVE'));
  });

  test('a request that nobody decides lapses, also when the clock jumps and after a restart', async (context) => {
    let now = Date.parse('2026-11-22T10:00:00Z') * 1000;
    const { control, actor, ask, people, as } = await bank(context, TWO, { clock: () => now });
    const request = await control.requests.create(actor, ask);
    now += 23 * 3_600_000_000;
    assert.equal(await control.requests.lapse(), 0);
    now += 2 * 3_600_000_000;
    await assert.rejects(control.requests.approve(as(people.max), request.id), code('POSTERN_CONFLICT'));
    await control.requests.lapse();
    assert.equal((await control.requests.get(request.id)).status, 'lapsed');
    now -= 20 * 3_600_000_000;
    await assert.rejects(control.requests.approve(as(people.max), request.id), code('POSTERN_CONFLICT'));
    assert.equal((await control.requests.create(actor, ask)).status, 'pending');
  });

  test('a grant is renewed from its end on, by a request of its own', async (context) => {
    const { control, actor, ask } = await bank(context, AT_ONCE);
    const first = await control.requests.create(actor, ask);
    const next = await control.requests.renew(actor, first.grant ?? '', { ttlSeconds: 600 });
    const [a, b] = await Promise.all([first, next].map(({ grant }) => control.grants.get(grant ?? '')));
    assert.equal(b?.start.slice(0, 23), a?.end.slice(0, 23));
    assert.equal(b?.scope, a?.scope);
  });

  test('what is given at once begins soon: nobody lays in grants that a changed policy would not give', async (context) => {
    const { control, actor, ask } = await bank(context, AT_ONCE);
    const start = new Date(Date.now() + 25 * 3_600_000).toISOString();
    await assert.rejects(control.requests.create(actor, { ...ask, start }), code('POSTERN_INVALID'));
    const first = await control.requests.create(actor, { ...ask, ttlSeconds: 86_400 });
    const next = await control.requests.renew(actor, first.grant ?? '', { ttlSeconds: 86_400 });
    assert.equal(next.status, 'granted');
    const third = control.requests.renew(actor, next.grant ?? '', { ttlSeconds: 60 });
    await assert.rejects(third, code('POSTERN_INVALID'));
  });

  test('with a policy nobody makes grants beside it, unless it says so', async (context) => {
    const { control, actor, ask } = await bank(context, AT_ONCE);
    await assert.rejects(control.grants.create(actor, ask), code('POSTERN_FORBIDDEN'));
    await control.policies.put(
      actor,
      'zz',
      'apiVersion: postern/v1\nkind: AccessPolicy\nmetadata: { name: zz }\nspec: { rules: [], directGrants: true }\n',
      'x',
    );
    assert.equal((await control.grants.create(actor, ask)).authority.kind, 'approval');
  });

  test('a policy that fails its own cases is refused, and so is one with two minds about a word', async (context) => {
    const { control, actor } = await bank(context, AT_ONCE);
    const text = `${AT_ONCE} cases:
  - name: nobody deletes
    ask: { principal: { name: p }, resource: { name: r }, scope: 'delete on ledger.entries', for: 1h }
    expect: { decision: at once }
`;
    await assert.rejects(
      control.policies.put(actor, 'main', text, 'x'),
      /nobody deletes": expected at once, but denied/,
    );
    assert.equal((await control.policies.get('main')).revision, 1);
    const right = text.replace('decision: at once', 'decision: denied');
    assert.equal((await control.policies.put(actor, 'main', right, 'x')).revision, 2);
  });
});
