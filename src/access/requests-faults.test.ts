/** Requests under what goes wrong while they wait: processes that end, clocks that jump, people who leave, groups of people who wear two hats. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { PosternError } from '../core/errors.ts';
import { nowMicros } from '../core/time.ts';
import { personActor as as } from '../identity/persons.ts';
import type { Person } from '../store/entities.ts';
import { RESOURCE, testControl } from './control.fixture.ts';
import { Control } from './control.ts';

const policyOf = (approve: string): string => `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: two
      what: { scope: 'select on ledger.*', longest: 2h }
      approve: [${approve}]
`;
const TWO_OF_ROLE = policyOf(`{ count: 2, from: ['role:approver'] }`);
const TWO_GROUPS = policyOf(`{ from: ['group:dba'] }, { from: ['group:risk'] }`);
const ASK = {
  principal: 'batch',
  resource: 'ledger-db',
  scope: 'select on ledger.entries',
  ttlSeconds: 3600,
};

const code = (expected: string) => (error: unknown) => (error as PosternError).code === expected;

async function bank(context: TestContext, policy: string) {
  let offset = 0;
  const clock = () => nowMicros() + offset;
  const test = await testControl(context, { clock });
  const { control, actor, dataDir, sink } = test;
  const approver = (name: string): Promise<Person> =>
    control.persons.create(actor, {
      ...{ name, email: `${name.toLowerCase()}@example.org`, roles: ['approver'] },
    });
  const people = { max: await approver('Max'), eva: await approver('Eva'), zoe: await approver('Zoe') };
  await control.principals.create(actor, {
    ...{ name: 'batch', kind: 'service_account', owner: 'ada@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'x', environment: 'production' },
  });
  await control.resources.create(actor, RESOURCE);
  await control.policies.put(actor, 'main', policy, 'begin');
  /** Another process that begins from what there is: the first has ended, or is taken to have been killed. */
  const restart = async (): Promise<Control> => {
    const again = await Control.open({
      ...{ dataDir, sink, clock, leftover: sink.changes(), publish: async () => undefined },
    });
    context.after(() => again.close());
    return again;
  };
  const turn = (seconds: number) => {
    offset += seconds * 1_000_000;
  };
  return { ...test, people, restart, turn };
}

test('a request goes on after a restart where it was: who agreed counts, who agreed does not agree again', async (context) => {
  const { control, actor, people, restart } = await bank(context, TWO_OF_ROLE);
  const { id } = await control.requests.create(actor, ASK);
  await control.requests.approve(as(people.max), id, 'fine');
  const again = await restart();
  assert.equal((await again.requests.create(actor, ASK)).id, id, 'a retry finds it');
  await assert.rejects(again.requests.approve(as(people.max), id), code('POSTERN_CONFLICT'));
  await assert.rejects(again.requests.approve(actor, id), code('POSTERN_FORBIDDEN'));
  const done = await again.requests.approve(as(people.eva), id);
  assert.equal(done.status, 'granted');
  assert.deepEqual(
    (await again.grants.get(done.grant ?? '')).authority.approvers.map(({ name }) => name),
    ['Max', 'Eva'],
  );
});

test('a process that ends between the record of the last agreement and its commit grants once, at the next start', async (context) => {
  const { control, actor, people, restart, dataDir } = await bank(context, TWO_OF_ROLE);
  const { id } = await control.requests.create(actor, ASK);
  await control.requests.approve(as(people.max), id);
  const state = new DatabaseSync(`${dataDir}/state.db`);
  const before = state.prepare('SELECT * FROM requests').get() as Record<string, string>;
  const done = await control.requests.approve(as(people.eva), id);
  // As state was when the record was on the disk already.
  state.exec('DELETE FROM grants');
  state
    .prepare('UPDATE requests SET status = ?, body = ? WHERE id = ?')
    .run(before.status ?? '', before.body ?? '', id);
  state.close();
  const again = await restart();
  const made = await again.grants.list({});
  assert.deepEqual(
    made.map((grant) => [grant.id, grant.status]),
    [[done.grant, 'active']],
  );
  assert.equal((await again.requests.get(id)).status, 'granted');
  await assert.rejects(again.requests.approve(as(people.zoe), id), code('POSTERN_CONFLICT'));
  assert.equal((await again.grants.list({})).length, 1);
});

test('an agreement that cannot be recorded is none, and can be given again', async (context) => {
  const { control, actor, people, sink } = await bank(context, TWO_OF_ROLE);
  const { id } = await control.requests.create(actor, ASK);
  await control.requests.approve(as(people.max), id);
  sink.failing = true;
  await assert.rejects(control.requests.approve(as(people.eva), id), code('POSTERN_AUDIT_UNAVAILABLE'));
  sink.failing = false;
  assert.deepEqual(await control.grants.list({}), []);
  assert.deepEqual((await control.requests.get(id)).needs, ['1 of role:approver']);
  assert.equal((await control.requests.approve(as(people.eva), id)).status, 'granted');
});

test('a grant begins when it was agreed to and ends an hour later, whatever the clock did while it waited', async (context) => {
  const { control, actor, people, turn, restart } = await bank(context, TWO_OF_ROLE);
  const { id } = await control.requests.create(actor, ASK);
  turn(20 * 3600);
  await control.requests.approve(as(people.max), id);
  turn(-10 * 3600);
  assert.equal(await control.requests.lapse(), 0);
  const { grant } = await control.requests.approve(as(people.eva), id);
  const { start, end } = await control.grants.get(grant ?? '');
  assert.equal(Date.parse(end) - Date.parse(start), 3_600_000);
  const second = await control.requests.create(actor, { ...ASK, scope: 'select on ledger.accounts' });
  turn(25 * 3600);
  // Nobody had lapsed it when the process ended: it is over all the same, for those who decide and for a retry.
  const again = await restart();
  await assert.rejects(again.requests.approve(as(people.max), second.id), code('POSTERN_CONFLICT'));
  const new_ = await again.requests.create(actor, { ...ASK, scope: 'select on ledger.accounts' });
  assert.notEqual(new_.id, second.id);
  assert.equal(await again.requests.lapse(), 1);
});

test('two groups take two people, whoever is in both, and an empty group nobody', async (context) => {
  const { control, actor, people } = await bank(context, TWO_GROUPS);
  const { directory: told } = await control.doors.directories.create(actor, { name: 'corp', groups: {} });
  const both = await control.doors.directoryPeople.add(told, {
    ...{ userName: 'max', externalId: null, name: 'Max', email: 'max@example.org', active: true },
  });
  assert.equal(both.id, people.max.id);
  const eva = await control.doors.directoryPeople.add(told, {
    ...{ userName: 'eva', externalId: null, name: 'Eva', email: 'eva@example.org', active: true },
  });
  const group = (name: string, members: readonly string[]) =>
    control.doors.directoryPeople.addGroup(told, { name, externalId: null, members });
  const { id } = await control.requests.create(actor, ASK);
  // The policy names groups that nobody is in yet: that opens nothing, to administrators neither.
  for (const person of [people.max, people.eva]) {
    await assert.rejects(control.requests.approve(as(person), id), code('POSTERN_FORBIDDEN'));
  }
  await assert.rejects(control.requests.approve(actor, id), code('POSTERN_FORBIDDEN'));
  await group('dba', [both.id, eva.id]);
  const risk = await group('risk', [both.id]);
  const half = await control.requests.approve(as(people.max), id);
  assert.deepEqual([half.status, half.needs.length], ['pending', 1]);
  await assert.rejects(control.requests.approve(as(people.max), id), code('POSTERN_CONFLICT'));
  // Who left the group since does not count for it any more.
  await control.doors.directoryPeople.removeGroup(told, risk.id);
  const still = await control.requests.approve(as(people.eva), id).catch((error: PosternError) => error.code);
  assert.equal(still, 'POSTERN_CONFLICT');
  await group('risk', [both.id]);
  assert.equal((await control.requests.approve(as(people.eva), id)).status, 'granted');
});
