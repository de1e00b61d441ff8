import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PosternError } from '../../core/errors.ts';
import type { ChangeRecord } from '../../core/record.ts';
import type { ReviewItem } from '../../store/entities.ts';
import { DAY, reviewBank } from './review.fixture.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: break-glass
      what: { longest: 1h }
      when: { justification: true }
      emergency: { reviewWithin: 1d }
      approve: at once
    - name: usual
      what: { longest: 1h }
      approve: at once
`;

const code = (expected: string, text = /./) => {
  return (error: unknown) =>
    (error as PosternError).code === expected && text.test((error as PosternError).message);
};

/** A grant that Dora asked for in an emergency, and the item of its review. */
async function emergency(context: TestContext) {
  const bank = await reviewBank(context);
  const { control, actor, as, people } = bank;
  await control.policies.put(actor, 'main', POLICY, 'begin');
  const ask = { principal: 'batch', resource: 'hr-db', scope: 'select on hr.*', ttlSeconds: 3600 };
  const asked = { ...ask, emergency: true, justification: 'all is down' };
  const { grant: id } = await control.requests.create(as(people.dora), asked);
  const grant = await control.grants.get(id ?? '');
  const [review] = await control.reviews.list({ status: 'open' });
  assert.ok(review);
  const item = async (): Promise<ReviewItem> =>
    (await control.reviews.items({ review: review.id }))[0] as ReviewItem;
  return { ...bank, ask, asked, grant, review, item };
}

describe('an emergency', () => {
  test('brings the review of its use with it, in one change, due when the policy says; other grants bring none', async (context) => {
    const { control, ask, grant, review, item, sink, as, people } = await emergency(context);
    assert.equal(grant.authority.kind, 'emergency');
    assert.equal(review.dueAt, grant.authority.reviewBy);
    assert.equal(Date.parse(review.dueAt) - Date.parse(grant.end), DAY * 1000);
    const batch = { id: grant.principal.id, name: 'batch' };
    assert.deepEqual(review.emergency, { grant: grant.id, principal: batch });
    assert.equal((await item()).grant, grant.id);
    const made = sink.changes().slice(-4);
    assert.deepEqual(
      made.map(({ type }) => type),
      ['grant.requested', 'grant.activated', 'review.opened', 'review.opened'],
    );
    // So that a package about the principal has them.
    for (const { principal } of made) assert.deepEqual(principal, batch);
    await control.requests.create(as(people.dora), { ...ask, resource: 'ledger-db' });
    assert.equal((await control.reviews.list({ status: 'open' })).length, 1);
  });

  test('that cannot be recorded with its review is not granted', async (context) => {
    const { control, asked, as, people, sink, grant } = await emergency(context);
    sink.failing = true;
    await assert.rejects(
      control.requests.create(as(people.dora), { ...asked, scope: 'select on hr.pay' }),
      code('POSTERN_AUDIT_UNAVAILABLE'),
    );
    sink.failing = false;
    const grants = await control.grants.list({ resource: grant.resource.id, principal: grant.principal.id });
    assert.equal(grants.filter(({ authority }) => authority.kind === 'emergency').length, 1);
    assert.equal((await control.reviews.list({})).length, 1);
  });

  test('is not decided on by who asked for it, answers for it, or could use it', async (context) => {
    const { control, actor, grant, item, decide, people, as, turn } = await emergency(context);
    // Both ways in: a credential of the grant, and one of the principal that opens every resource.
    await control.credentials.issue(as(people.rita), { principal: 'batch', grant: grant.id });
    await control.credentials.issue(as(people.max), { principal: 'batch' });
    await control.grants.revoke(actor, grant.id, 'over');
    turn(60);
    const revoke = async (by: keyof typeof people) => decide(people[by], await item(), { kind: 'revoke' });
    await assert.rejects(revoke('dora'), code('POSTERN_FORBIDDEN', /answers for batch/));
    await assert.rejects(revoke('olga'), code('POSTERN_FORBIDDEN', /answers for batch/));
    await assert.rejects(revoke('rita'), code('POSTERN_FORBIDDEN', /Rita could use the grant/));
    await assert.rejects(revoke('max'), code('POSTERN_FORBIDDEN', /Max could use the grant/));
    await assert.rejects(
      control.reviews.delegate(as(people.rolf), (await item()).id, people.rita.id, 'x'),
      code('POSTERN_CONFLICT', /Rita could use the grant/),
    );
    assert.equal((await decide(people.rolf, await item(), { kind: 'keep' })).status, 'decided');
  });

  test('keeps who asked for it from deciding, whatever roles they have since', async (context) => {
    const { control, actor, as, people, asked, decide } = await emergency(context);
    await control.persons.update(actor, people.alan.id, { roles: ['admin', 'reviewer'] }, 'more to do');
    const more = { ...asked, scope: 'select on hr.pay' };
    const { grant } = await control.requests.create(as(people.alan), more);
    await control.grants.revoke(actor, grant ?? '', 'over');
    const item = (await control.reviews.items({})).find((each) => each.grant === grant) as ReviewItem;
    await assert.rejects(
      decide(people.alan, item, { kind: 'keep' }),
      code('POSTERN_FORBIDDEN', /Alan asked for the grant/),
    );
  });

  test('is not found in order while it goes on, is not narrowed, and is not waved through by an administrator', async (context) => {
    const { control, actor, item, decide, people, review } = await emergency(context);
    await assert.rejects(
      decide(people.rita, await item(), { kind: 'keep' }),
      code('POSTERN_CONFLICT', /The emergency lasts until/),
    );
    const narrow = { kind: 'narrow', scope: 'select on hr.pay' } as const;
    await assert.rejects(decide(people.rita, await item(), narrow), code('POSTERN_INVALID'));
    await assert.rejects(
      control.reviews.close(actor, review.name, 'no time'),
      code('POSTERN_CONFLICT', /reviewed to its end/),
    );
    assert.equal((await item()).status, 'open');
  });

  test('waits for its review when the grant has ended and the principal too', async (context) => {
    const { control, actor, item, decide, people, grant, turn } = await emergency(context);
    await control.grants.revoke(actor, grant.id, 'over');
    await control.principals.disable(actor, 'batch', 'not needed');
    turn(3600);
    await control.reviews.sweep();
    assert.equal((await item()).status, 'open');
    const decided = await decide(people.rita, await item(), { kind: 'keep' });
    assert.deepEqual(decided.effect, { what: 'kept', applied: true });
    assert.equal((await control.reviews.get(decided.review.id)).status, 'closed');
  });

  test('whose use was not in order ends, and its principal is suspended', async (context) => {
    const { control, item, decide, people, grant, sink } = await emergency(context);
    const decided = await decide(people.rita, await item(), { kind: 'revoke' });
    assert.deepEqual(decided.effect, { what: 'suspended', applied: true });
    assert.equal((await control.grants.get(grant.id)).status, 'revoked');
    assert.equal((await control.principals.get('batch')).status, 'suspended');
    assert.deepEqual(
      sink
        .changes()
        .slice(-4)
        .map(({ type }: ChangeRecord) => type),
      ['review.decided', 'grant.revoked', 'principal.suspended', 'review.closed'],
    );
  });

  test('that nobody reviews in time goes to administrators, and suspends its principal after the grace', async (context) => {
    const { control, item, decide, people, turn, review } = await emergency(context);
    turn(3600 + DAY - 60);
    await control.reviews.sweep();
    await assert.rejects(decide(people.alan, await item(), { kind: 'keep' }), code('POSTERN_FORBIDDEN'));
    turn(61);
    await control.reviews.sweep();
    assert.notEqual((await control.reviews.get(review.id)).overdueAt, null);
    assert.equal(await control.reviews.refusal(await item(), people.alan), null);
    turn(DAY - 60);
    await control.reviews.sweep();
    assert.equal((await control.principals.get('batch')).status, 'active');
    turn(61);
    await control.reviews.sweep();
    assert.deepEqual((await item()).effect, { what: 'suspended', applied: true });
    const batch = await control.principals.get('batch');
    assert.deepEqual(
      [batch.status, /nobody decided in time/.test(batch.statusReason ?? '')],
      ['suspended', true],
    );
  });
});
