import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Actor } from '../core/record.ts';
import { personActor } from '../identity/persons.ts';
import type { Principal } from '../store/entities.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';
import type { LogReviewInput } from './log-reviews.ts';

const SAID = {
  ...{ from: 0, to: 5, finding: 'nothing unusual', log: { size: 10, root: 'cm9vdA==' } },
  answered: async () => false,
};

interface Bank extends TestControl {
  readonly rita: Actor;
  readonly bea: Actor;
  readonly batch: Principal;
  readonly other: Principal;
  review(
    who: Actor,
    input?: Partial<LogReviewInput>,
  ): ReturnType<TestControl['control']['logReviews']['create']>;
  reviewed(): readonly string[];
}

/** Ada owns `other` with a reviewer's eyes on it, Olaf owns `batch`; Bea backs both up. */
async function bank(context: TestContext): Promise<Bank> {
  const t = await testControl(context);
  const { persons, principals, resources, grants } = t.control;
  const olaf = await persons.create(t.actor, { name: 'Olaf', email: 'olaf@example.org', roles: ['owner'] });
  const rita = await persons.create(t.actor, {
    ...{ name: 'Rita', email: 'rita@example.org' },
    roles: ['reviewer'],
  });
  const add = (name: string, owner: string): Promise<Principal> =>
    principals.create(t.actor, {
      ...{ name, owner, kind: 'service_account', backupOwner: 'bea@example.org' },
      ...{ purpose: 'posts', environment: 'production' },
    });
  const batch = await add('batch', olaf.id);
  const other = await add('other', t.admin.id);
  await resources.create(t.actor, RESOURCE);
  const grant = (principal: string, scope: string) =>
    grants.create(t.actor, {
      ...{ principal, resource: RESOURCE.name, scope, ttlSeconds: 3600 },
      ...{ ticket: 'CHG-1', justification: 'nightly' },
    });
  await grant('batch', 'truncate on ledger.staging');
  await grant('other', 'select on ledger.*');
  const bea = personActor(await persons.get('bea@example.org'));
  return {
    ...t,
    ...{ rita: personActor(rita), bea, batch, other },
    review: (who, input = {}) => t.control.logReviews.create(who, { ...SAID, ...input }),
    reviewed: () =>
      t.sink.written
        .map((json) => JSON.parse(json) as { type: string; principal?: { name: string } })
        .filter(({ type }) => type === 'activity.reviewed')
        .map(({ principal }) => principal?.name ?? ''),
  };
}

test('a review of what principals did is one record for each, with range, finding and the log as it was', async (context) => {
  const b = await bank(context);
  const { reviews } = await b.review(b.rita, { principals: ['batch', 'other', 'batch'], ticket: 'INC-1' });
  assert.deepEqual(b.reviewed(), ['batch', 'other']);
  const [first] = await b.control.logReviews.list({ principal: b.batch.id });
  assert.deepEqual(first, reviews[0]);
  assert.deepEqual(
    { ...first, id: '', createdAt: '' },
    {
      id: '',
      principal: { id: b.batch.id, name: 'batch' },
      reviewer: { id: b.rita.id, name: 'Rita' },
      ...{ fromLeaf: 0, toLeaf: 5, privileged: false, finding: 'nothing unusual', ticket: 'INC-1' },
      ...{ logSize: 10, logRoot: 'cm9vdA==', createdAt: '' },
    },
  );
  assert.equal((await b.control.logReviews.list({ reviewer: b.rita.id })).length, 2);
  assert.equal((await b.control.logReviews.list({ owner: b.bea.id })).length, 2);
});

test('--privileged takes those that may do more than read and write rows, also after their grants ended', async (context) => {
  const b = await bank(context);
  const { reviews } = await b.review(b.rita);
  assert.deepEqual(
    reviews.map(({ principal, privileged }) => [principal.name, privileged]),
    [['batch', true]],
  );
  const [grant] = await b.control.grants.list({ principal: b.batch.id });
  await b.control.grants.revoke(b.actor, grant?.id ?? '', 'done');
  assert.equal((await b.review(b.rita)).reviews.length, 1);
});

test('nobody reviews what they answer for, be they administrator or only the backup', async (context) => {
  const b = await bank(context);
  for (const [who, principal] of [
    [b.actor, 'other'],
    [b.bea, 'batch'],
  ] as const) {
    await assert.rejects(b.review(who, { principals: [principal] }), { code: 'POSTERN_FORBIDDEN' });
  }
  // One among others refuses all: a statement is not silently narrowed.
  await assert.rejects(b.review(b.actor, { principals: ['batch', 'other'] }), { code: 'POSTERN_FORBIDDEN' });
  assert.deepEqual(b.reviewed(), []);
  const { reviews, leftOut } = await b.review(b.bea);
  assert.deepEqual([reviews.length, leftOut.map(({ name }) => name)], [0, ['batch']]);
});

test('who answered for it in that time does not review it after handing it over', async (context) => {
  const b = await bank(context);
  const answered = async (id: string): Promise<boolean> => id === b.batch.id;
  await assert.rejects(b.review(b.rita, { principals: ['batch'], answered }), {
    code: 'POSTERN_FORBIDDEN',
  });
  assert.equal((await b.review(b.rita, { answered })).leftOut.length, 1);
});

test('on whose behalf it acts, or acted, does not review it', async (context) => {
  const b = await bank(context);
  const { delegations } = b.control.own;
  const word = await delegations.create(b.rita, null, { actor: 'batch', ttlSeconds: 60 });
  await assert.rejects(b.review(b.rita, { principals: ['batch'] }), { code: 'POSTERN_FORBIDDEN' });
  await delegations.revoke(b.actor, word.delegation.id, 'over');
  await assert.rejects(b.review(b.rita, { principals: ['batch'] }), { code: 'POSTERN_FORBIDDEN' });
  assert.equal((await b.review(b.rita, { principals: ['other'] })).reviews.length, 1);
});

test('nobody reviews what is not there yet, nothing, or without a word', async (context) => {
  const b = await bank(context);
  for (const input of [
    { to: 10 },
    { from: 6 },
    { from: -1 },
    { from: 0.5 },
    { to: Number.MAX_VALUE },
    { finding: ' ' },
    { finding: 'x'.repeat(100_000) },
    { principals: [] },
    { principals: Array.from({ length: 1001 }, () => 'batch') },
  ]) {
    await assert.rejects(b.review(b.rita, { principals: ['batch'], ...input }), { code: 'POSTERN_INVALID' });
  }
  await assert.rejects(b.review(b.rita, { principals: ['nobody'] }), { code: 'POSTERN_NOT_FOUND' });
  assert.deepEqual(b.reviewed(), []);
});
