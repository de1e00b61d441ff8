import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewPrincipal } from '../identity/principals.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';

const BATCH: NewPrincipal = {
  name: 'batch',
  kind: 'service_account',
  owner: 'ada@example.org',
  backupOwner: 'bea@example.org',
  purpose: 'Posts the day',
  environment: 'production',
};
const code = (expected: string, text = /./) => ({ code: expected, message: text });

const person = (t: TestControl, name: string, ...roles: ('owner' | 'auditor' | 'admin')[]) =>
  t.control.persons.create(t.actor, { name, email: `${name.toLowerCase()}@example.org`, roles });

test('a principal has an owner and a backup owner: two active people who may own', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  await person(t, 'Ed', 'auditor');
  await person(t, 'Gone', 'owner');
  await t.control.persons.disable(t.actor, 'gone@example.org', 'left');
  const tries: [Partial<NewPrincipal>, string][] = [
    [{ backupOwner: 'ada@example.org' }, 'POSTERN_INVALID'],
    [{ backupOwner: t.admin.id }, 'POSTERN_INVALID'],
    [{ backupOwner: 'Ada Admin' }, 'POSTERN_INVALID'],
    [{ backupOwner: 'ed@example.org' }, 'POSTERN_INVALID'],
    [{ backupOwner: 'gone@example.org' }, 'POSTERN_INVALID'],
    [{ backupOwner: 'nobody@example.org' }, 'POSTERN_NOT_FOUND'],
    [{ owner: 'gone@example.org' }, 'POSTERN_INVALID'],
  ];
  for (const [over, expected] of tries) {
    await assert.rejects(principals.create(t.actor, { ...BATCH, ...over }), code(expected));
  }
  assert.deepEqual(await principals.list({}), []);
  const made = await principals.create(t.actor, BATCH);
  assert.equal(made.backupOwner?.name, 'Bea Backup');
});

test('a name is never used again: not after retirement, not by another kind, not in other letters', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  await principals.create(t.actor, BATCH);
  await principals.retire(t.actor, 'batch', 'replaced');
  await assert.rejects(
    principals.create(t.actor, { ...BATCH, kind: 'agent' }),
    code('POSTERN_CONFLICT', /by a retired principal; a name is never used again/),
  );
  for (const name of ['Batch', 'batch ', 'b\u0430tch', 'batch\u200b']) {
    await assert.rejects(principals.create(t.actor, { ...BATCH, name }), code('POSTERN_INVALID'));
  }
});

test('a change is one record with before, after and reason; one that comes to nothing leaves none', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  const before = await principals.create(t.actor, { ...BATCH, tags: { team: 'ledger', pilot: 'yes' } });
  await person(t, 'Grace', 'owner');
  const change = {
    owner: 'grace@example.org',
    tags: { pilot: null, cost: '4711' },
    sponsor: 'Vendor Inc.',
    reviewIntervalDays: 30,
  };
  const after = await principals.update(t.actor, 'batch', change, 'Ada moved to treasury');
  assert.equal(after.owner.name, 'Grace');
  assert.deepEqual(after.tags, { cost: '4711', team: 'ledger' });
  const record = t.sink.changes().at(-1);
  assert.equal(record?.type, 'principal.updated');
  assert.equal(record?.reason, 'Ada moved to treasury');
  assert.deepEqual(record?.principal, { id: before.id, name: 'batch' });
  assert.deepEqual([record?.change.before, record?.change.after], [before, after]);
  const written = t.sink.written.length;
  assert.deepEqual(await principals.update(t.actor, 'batch', change, 'again'), after);
  assert.deepEqual(await principals.update(t.actor, 'batch', {}, 'again'), after);
  assert.equal(t.sink.written.length, written);
  const cleared = await principals.update(t.actor, 'batch', { sponsor: null, expiresAt: null }, 'ours');
  assert.equal(cleared.sponsor, null);
});

test('a change that must not be is refused and leaves nothing', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  await principals.create(t.actor, BATCH);
  const written = t.sink.written.length;
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`t${n}`, 'x']));
  for (const change of [
    { owner: 'bea@example.org' },
    { backupOwner: 'ada@example.org' },
    { purpose: ' ' },
    { purpose: 'a\u202eb' },
    { environment: '' },
    { reviewIntervalDays: 0 },
    { reviewIntervalDays: 367 },
    { expiresAt: '2020-01-01T00:00:00Z' },
    { expiresAt: 'tomorrow' },
    { tags: { Team: 'x' } },
    { tags: { '': 'x' } },
    { tags: JSON.parse('{"__proto__":"x"}') as Record<string, string> },
    { tags: { team: 'a\nb' } },
    { tags: { team: 'x'.repeat(201) } },
    { tags: many },
    {
      tags: Object.fromEntries(
        Object.keys(many)
          .slice(0, 32)
          .map((key) => [key, 'ü'.repeat(200)]),
      ),
    },
    { sponsor: '' },
  ]) {
    await assert.rejects(
      principals.update(t.actor, 'batch', change, 'why'),
      code('POSTERN_INVALID'),
      JSON.stringify(change),
    );
  }
  await assert.rejects(
    async () => principals.update(t.actor, 'batch', { purpose: 'y' }, ' '),
    code('POSTERN_INVALID'),
  );
  await assert.rejects(principals.update(t.actor, 'none', {}, 'why'), code('POSTERN_NOT_FOUND'));
  assert.equal(t.sink.written.length, written);
  await principals.retire(t.actor, 'batch', 'done');
  await assert.rejects(
    principals.update(t.actor, 'batch', { purpose: 'y' }, 'why'),
    code('POSTERN_CONFLICT', /is retired/),
  );
});

test('an expiry that is drawn nearer reaches the workers, also while state cannot be written', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  await t.control.resources.create(t.actor, RESOURCE);
  const { id } = await principals.create(t.actor, { ...BATCH, expiresAt: '2099-01-01T00:00:00Z' });
  const soon = new Date(Date.now() + 60_000).toISOString();
  await principals.update(t.actor, 'batch', { expiresAt: soon }, 'shorter');
  assert.deepEqual(
    t.deltas.at(-1)?.principals?.map((view) => [view.id, view.expiresAt]),
    [[id, Date.parse(soon)]],
  );
});

test('nobody resumes a principal for which not two active people answer', async (context) => {
  const t = await testControl(context);
  const { principals } = t.control;
  await person(t, 'Grace', 'owner');
  await principals.create(t.actor, { ...BATCH, owner: 'grace@example.org' });
  await principals.suspend(t.actor, 'batch', 'INC-1');
  await t.control.persons.disable(t.actor, 'grace@example.org', 'left');
  await assert.rejects(
    principals.resume(t.actor, 'batch', 'again'),
    code('POSTERN_CONFLICT', /Grace cannot be the owner/),
  );
  await principals.update(t.actor, 'batch', { owner: 'ada@example.org' }, 'Ada takes it over');
  const before = await principals.get('batch');
  const resumed = await principals.resume(t.actor, 'batch', 'again');
  assert.equal(resumed.status, 'active');
  assert.ok(resumed.activeSince > before.activeSince, 'disuse is counted anew');
});
