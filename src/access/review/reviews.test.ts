import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PosternError } from '../../core/errors.ts';
import { MemorySink } from '../../store/memory-sink.fixture.ts';
import { reviewBank } from './review.fixture.ts';

const code =
  (expected: string, message?: RegExp) =>
  (error: unknown): boolean => {
    const { code: got, message: text } = error as PosternError;
    assert.equal(got, expected, text);
    if (message) assert.match(text, message);
    return true;
  };

describe('a review', () => {
  test('is about each active grant and each principal that fits, and about nothing else', async (context) => {
    const { control, actor, open, items, grant, own } = await reviewBank(context);
    const ended = await grant('batch', 'hr-db');
    await control.grants.revoke(actor, ended.id, 'over');
    await open();
    assert.deepEqual(
      (await items()).map(({ principal, grant: id }) => [principal.name, id]),
      [
        ['batch', null],
        ['batch', own.batch.id],
        ['reports', null],
        ['reports', own.reports.id],
      ],
    );
    const about = async (name: string, filter: object): Promise<string[]> => {
      await open({ name, ...filter });
      return (await items(name)).map((each) => `${each.principal.name}${each.grant === null ? '' : '+'}`);
    };
    assert.deepEqual(await about('by-resource', { resource: 'hr-db' }), ['reports', 'reports+']);
    assert.deepEqual(await about('by-environment', { environment: 'test' }), ['reports', 'reports+']);
    assert.deepEqual(await about('by-tag', { tags: { team: 'ledger' } }), ['batch', 'batch+']);
    assert.equal((await about('by-owner', { owner: 'dora@example.org' })).length, 4);
    await assert.rejects(open({ name: 'none', environment: 'moon' }), code('POSTERN_CONFLICT', /nothing/));
    await assert.rejects(open(), code('POSTERN_CONFLICT', /never used again/));
  });

  test('takes effect at once and leaves it in the log, with what was seen; the last decision closes it', async (context) => {
    const { control, open, itemOf, decide, people, own, sink } = await reviewBank(context);
    await open();
    const narrowed = await decide(people.rita, await itemOf('batch', 'grant'), {
      ...{ kind: 'narrow', scope: 'select on ledger.entries' },
    });
    assert.deepEqual(narrowed.effect, { what: 'narrowed', applied: true });
    const after = await control.grants.get(own.batch.id);
    assert.equal(after.scope, 'select on ledger.entries');
    assert.deepEqual([after.end, after.status], [own.batch.end, 'active']);
    const [decided, changed] = sink.changes().slice(-2);
    assert.deepEqual([decided?.type, changed?.type], ['review.decided', 'grant.narrowed']);
    assert.equal(decided?.principal?.name, 'batch');
    const item = decided?.change.after as typeof narrowed;
    assert.match(item.decision?.view ?? '', /^[0-9a-f]{64}$/);
    assert.equal(item.decision?.by.name, 'Rita');
    assert.deepEqual(changed?.change.before, { ...own.batch, scope: 'select, insert on ledger.*' });

    await decide(people.rita, await itemOf('batch', 'principal'), {
      ...{ kind: 'reassign', owner: 'dora@example.org', backupOwner: 'bea@example.org' },
    });
    assert.equal((await control.principals.get('batch')).owner.name, 'Dora');
    await decide(people.rolf, await itemOf('reports', 'grant'), { kind: 'revoke' });
    assert.match((await control.grants.get(own.reports.id)).endReason ?? '', /^review autumn: looked at it$/);
    assert.equal((await control.reviews.get('autumn')).status, 'open');
    await decide(people.rolf, await itemOf('reports', 'principal'), { kind: 'revoke' });
    assert.equal((await control.principals.get('reports')).status, 'disabled');
    assert.deepEqual(
      [(await control.reviews.get('autumn')).status, sink.changes().at(-1)?.type],
      ['closed', 'review.closed'],
    );
  });

  test('never widens: a scope that is not certainly within that of the grant is refused', async (context) => {
    const { control, open, itemOf, decide, people, own } = await reviewBank(context);
    await open();
    const item = await itemOf('batch', 'grant');
    for (const scope of [
      'all on ledger.*',
      'select on *.*',
      'select on ledger.*; select on hr.salaries',
      'x',
      '',
    ]) {
      await assert.rejects(decide(people.rita, item, { kind: 'narrow', scope }), code('POSTERN_INVALID'));
    }
    await assert.rejects(decide(people.rita, item, { kind: 'narrow' }), code('POSTERN_INVALID'));
    const same = 'select, insert on ledger.*';
    await assert.rejects(decide(people.rita, item, { kind: 'narrow', scope: same }), code('POSTERN_INVALID'));
    await assert.rejects(decide(people.rita, item, { kind: 'keep', scope: same }), code('POSTERN_INVALID'));
    assert.equal((await control.grants.get(own.batch.id)).scope, same);
    const principal = await itemOf('batch', 'principal');
    const narrow = { kind: 'narrow', scope: 'select on ledger.*' } as const;
    await assert.rejects(decide(people.rita, principal, narrow), code('POSTERN_INVALID'));
    await assert.rejects(
      decide(people.rita, principal, { kind: 'reassign', owner: 'anna@example.org' }),
      code('POSTERN_INVALID', /cannot be the owner/),
    );
    const mine = { kind: 'reassign', owner: 'bea@example.org', backupOwner: 'rita@example.org' } as const;
    await assert.rejects(decide(people.rita, principal, mine), code('POSTERN_FORBIDDEN', /their own/));
  });
});

describe('who reviews', () => {
  test('nobody decides on what they answer for, asked for or approved, whatever roles they have', async (context) => {
    const { control, actor, open, itemOf, decide, people, grant } = await reviewBank(context);
    await grant('batch', 'hr-db', actor);
    await open();
    const grantItem = await itemOf('batch', 'grant');
    const principal = await itemOf('batch', 'principal');
    await assert.rejects(
      decide(people.olga, principal, { kind: 'keep' }),
      code('POSTERN_FORBIDDEN', /Olga answers for batch/),
    );
    await assert.rejects(
      decide(people.max, grantItem, { kind: 'keep' }),
      code('POSTERN_FORBIDDEN', /approved the grant/),
    );
    for (const stranger of [people.dora, people.anna, people.alan]) {
      await assert.rejects(decide(stranger, grantItem, { kind: 'keep' }), code('POSTERN_FORBIDDEN'));
    }
    assert.equal((await decide(people.max, principal, { kind: 'keep' })).status, 'decided');
    assert.deepEqual(await control.reviews.inbox(people.olga, { limit: 10 }), []);
  });

  test('who asked for a grant does not review it', async (context) => {
    const { control, open, people, itemOf, decide, as } = await reviewBank(context);
    const rules =
      '{ apiVersion: postern/v1, kind: AccessPolicy, metadata: { name: main }, spec: { rules: ' +
      '[{ name: r, approve: [{ from: ["role:approver"] }] }] } }';
    await control.policies.put(as(people.alan), 'main', rules, 'begin');
    const request = await control.requests.create(as(people.rita), {
      ...{ principal: 'reports', resource: 'ledger-db', scope: 'select on a.b', ttlSeconds: 3600 },
    });
    await control.requests.approve(as(people.max), request.id);
    await open({ resource: 'ledger-db' });
    const item = await itemOf('reports', 'grant');
    await assert.rejects(decide(people.rita, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /asked for/));
    await assert.rejects(decide(people.max, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /approved/));
    assert.equal((await decide(people.rolf, item, { kind: 'keep' })).status, 'decided');
  });

  test('people who are named decide, and nobody else does; when none of them can, everybody with the role', async (context) => {
    const { control, actor, open, itemOf, decide, people } = await reviewBank(context);
    await open({ reviewers: ['rolf@example.org', 'olga@example.org'] });
    const item = await itemOf('batch', 'grant');
    await assert.rejects(decide(people.rita, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /not among/));
    await control.persons.disable(actor, people.rolf.id, 'left');
    await assert.rejects(decide(people.rolf, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /disabled/));
    assert.equal((await decide(people.rita, item, { kind: 'keep' })).status, 'decided');
    await assert.rejects(
      open({ name: 'other', reviewers: ['rolf@example.org'] }),
      code('POSTERN_CONFLICT', /disabled/),
    );
    await assert.rejects(
      open({ name: 'other', reviewers: ['anna@example.org'] }),
      code('POSTERN_INVALID', /audits/),
    );
  });

  test('an item is delegated to somebody who has no part in it, by somebody who has none', async (context) => {
    const { control, actor, open, itemOf, decide, people, as } = await reviewBank(context);
    await open();
    const item = await itemOf('batch', 'grant');
    const give = (by: typeof people.rita, to: string) =>
      control.reviews.delegate(as(by), item.id, to, 'knows it better');
    await assert.rejects(give(people.olga, people.rita.id), code('POSTERN_FORBIDDEN', /answers for/));
    await assert.rejects(give(people.dora, people.rita.id), code('POSTERN_FORBIDDEN'));
    await assert.rejects(give(people.rita, people.dora.id), code('POSTERN_CONFLICT', /answers for/));
    await assert.rejects(give(people.rita, people.max.id), code('POSTERN_CONFLICT', /approved/));
    await assert.rejects(give(people.rita, people.anna.id), code('POSTERN_INVALID', /audits/));
    await assert.rejects(give(people.rita, people.rita.id), code('POSTERN_INVALID'));
    await give(people.rita, 'bea@example.org');
    await assert.rejects(decide(people.rita, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /not among/));
    const bea = await control.persons.get('bea@example.org');
    assert.deepEqual(
      (await control.reviews.inbox(bea, { limit: 10 })).map(({ id }) => id),
      [item.id],
    );
    // To whom it was given leaves: it falls back to who was asked before.
    await control.persons.disable(actor, bea.id, 'left');
    await assert.rejects(decide(bea, item, { kind: 'keep' }), code('POSTERN_FORBIDDEN', /disabled/));
    assert.equal((await decide(people.rita, item, { kind: 'keep' })).status, 'decided');
    await assert.rejects(
      give(people.rolf, people.alan.id),
      code('POSTERN_CONFLICT', /decided already by Rita/),
    );
  });
});

describe('what was seen', () => {
  test('a decision takes the view that this person was shown last of this item, within a day', async (context) => {
    const { control, open, itemOf, people, as, turn } = await reviewBank(context);
    await open();
    const item = await itemOf('batch', 'grant');
    const other = await itemOf('batch', 'principal');
    const say = (view: string, by = people.rita, id = item.id) =>
      control.reviews.decide(as(by), id, { kind: 'keep', reason: 'fine', view });
    await assert.rejects(say('0'.repeat(64)), code('POSTERN_CONFLICT', /has not been shown/));
    const first = (await control.reviews.show(item, people.rita, 'one'))?.sha256 ?? '';
    await assert.rejects(say(first, people.rolf), code('POSTERN_CONFLICT', /Rolf has not been shown/));
    await assert.rejects(say(first, people.rita, other.id), code('POSTERN_CONFLICT', /has not been shown/));
    const second = (await control.reviews.show(item, people.rita, 'two'))?.sha256 ?? '';
    await assert.rejects(say(first), code('POSTERN_CONFLICT', /shown last/));
    turn(86_401);
    await assert.rejects(say(second), code('POSTERN_CONFLICT', /older than 24 hours/));
    turn(-3 * 86_400);
    await assert.rejects(say(second), code('POSTERN_CONFLICT', /older than 24 hours/));
    turn(2 * 86_400);
    assert.equal((await say(second)).decision?.view, second);
    const decided = await control.reviews.item(item.id);
    assert.equal((await control.reviews.seen(decided))?.text, 'two');
    // What was decided on stays as it was.
    assert.equal(await control.reviews.show(decided, people.rita, 'three'), null);
    assert.equal((await control.reviews.seen(decided))?.text, 'two');
  });

  test('nothing is kept for who does not decide', async (context) => {
    const { control, open, itemOf, people } = await reviewBank(context);
    await open();
    const item = await itemOf('batch', 'grant');
    for (const person of [people.olga, people.anna, people.alan, people.max]) {
      assert.equal(await control.reviews.show(item, person, 'x'), null);
    }
  });
});

test('of two who decide at the same instant one is heard, and nothing happens twice', async (context) => {
  const { control, open, itemOf, people, as, own, types } = await reviewBank(context);
  await open();
  const item = await itemOf('batch', 'grant');
  const views = await Promise.all(
    [people.rita, people.rolf].map((person) => control.reviews.show(item, person, `for ${person.name}`)),
  );
  const done = await Promise.allSettled([
    control.reviews.decide(as(people.rita), item.id, {
      ...{ kind: 'narrow', scope: 'select on ledger.*', reason: 'a', view: views[0]?.sha256 ?? '' },
    }),
    control.reviews.decide(as(people.rolf), item.id, {
      ...{ kind: 'revoke', reason: 'b', view: views[1]?.sha256 ?? '' },
    }),
  ]);
  assert.deepEqual(done.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  assert.equal(types().filter((type) => type === 'review.decided').length, 1);
  assert.equal(types().filter((type) => /^grant\.(narrowed|revoked)$/.test(type)).length, 1);
  const { status, scope } = await control.grants.get(own.batch.id);
  assert.ok((status === 'revoked') !== (scope === 'select on ledger.*'));
});

test('a record that cannot be written leaves everything as it was', async (context) => {
  const { open, itemOf, decide, people, own, control, sink } = await reviewBank(context);
  await open();
  const item = await itemOf('batch', 'grant');
  sink.failing = true;
  const narrow = { kind: 'narrow', scope: 'select on ledger.*' } as const;
  await assert.rejects(decide(people.rita, item, narrow), code('POSTERN_AUDIT_UNAVAILABLE'));
  sink.failing = false;
  assert.equal((await control.grants.get(own.batch.id)).scope, 'select, insert on ledger.*');
  assert.equal((await control.reviews.item(item.id)).status, 'open');
});

test('what is narrowed in the record is narrowed in the gateway, also while state cannot be written', async (context) => {
  const sink = Object.assign(new MemorySink(), { sync: async () => undefined as undefined });
  const { control, open, itemOf, people, own, decide, deltas } = await reviewBank(context, { sink });
  await open();
  const item = await itemOf('batch', 'grant');
  sink.sync = async () => {
    throw new Error('the disk is gone');
  };
  const narrow = { kind: 'narrow', scope: 'select on ledger.entries' } as const;
  await assert.rejects(decide(people.rita, item, narrow), code('POSTERN_AUDIT_UNAVAILABLE', /is recorded/));
  const told = deltas.at(-1)?.grants?.find(({ id }) => id === own.batch.id);
  assert.equal(told?.scope, 'select on ledger.entries');
  sink.sync = async () => undefined;
  await control.reviews.sweep();
  await open({ name: 'next' });
  assert.equal((await control.grants.get(own.batch.id)).scope, 'select on ledger.entries');
  assert.equal((await control.reviews.item(item.id)).status, 'decided');
});
