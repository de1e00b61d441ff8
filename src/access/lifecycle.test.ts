import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rfc3339 } from '../core/time.ts';
import type { Role } from '../store/entities.ts';
import { Store } from '../store/store.ts';
import { type TestControl, testControl } from './control.fixture.ts';
import { Control } from './control.ts';

const DAY = 86_400_000_000;
const invalid = { code: 'POSTERN_INVALID' };

interface Scene extends TestControl {
  /** Lets days pass; negative: sets the clock back. */
  pass(days: number): void;
  now(): string;
}

async function scene(context: TestContext, dataDir?: string): Promise<Scene> {
  let now = Date.now() * 1000;
  const t = await testControl(context, { clock: () => now, ...(dataDir && { dataDir }) });
  for (const name of ['Grace', 'Ed']) await person(t, name);
  return {
    ...t,
    pass: (days) => {
      now += days * DAY;
    },
    now: () => rfc3339(now),
  };
}

const person = (t: TestControl, name: string, roles: Role[] = ['owner']) =>
  t.control.persons.create(t.actor, { name, email: mail(name), roles });
const mail = (name: string) => `${name.toLowerCase()}@example.org`;
const leaves = (t: TestControl, name: string) => t.control.persons.disable(t.actor, mail(name), 'left');

const principal = (t: TestControl, name: string, owner = 'Grace', backup = 'Ed') =>
  t.control.principals.create(t.actor, {
    ...{ name, kind: 'workload', owner: mail(owner), backupOwner: mail(backup) },
    ...{ purpose: 'x', environment: 'test' },
  });
const notices = async (t: TestControl) =>
  (await t.control.lifecycle.notices({ status: 'open' })).map(({ kind, to, principal: of }) => [
    of.name,
    kind,
    to?.name ?? 'administrators',
  ]);
const since = (t: TestControl, written: number) =>
  t.sink
    .changes()
    .slice(written)
    .map(({ type, reason }) => [type, reason]);

test('an owner who leaves begins a countdown, told to the backup owner, at the end of which the principal is suspended', async (context) => {
  const t = await scene(context);
  await principal(t, 'batch');
  await t.control.lifecycle.sweep();
  await leaves(t, 'Grace');
  const written = t.sink.changes().length;
  await t.control.lifecycle.sweep();
  const waiting = await t.control.principals.get('batch');
  assert.equal(waiting.status, 'active');
  assert.equal(waiting.rehomeBy?.slice(0, 10), rfc3339(Date.parse(t.now()) * 1000 + 14 * DAY).slice(0, 10));
  assert.deepEqual(await notices(t), [['batch', 'owner_left', 'Ed']]);
  const [notice] = await t.control.lifecycle.notices({ to: (await t.control.persons.get(mail('Ed'))).id });
  assert.equal(notice?.effectiveAt, waiting.rehomeBy);
  assert.match(notice?.text ?? '', /^Grace, owner of batch, was disabled. You are its backup owner. Unless/);
  assert.deepEqual(since(t, written), [
    ['principal.updated', 'Grace, who answered for it, was disabled'],
    ['notice.given', undefined],
  ]);
  const [record] = t.sink.changes().slice(written);
  assert.deepEqual(record?.actor, { kind: 'system', id: 'postern', name: 'postern' });

  t.pass(13.9);
  await t.control.lifecycle.sweep();
  assert.deepEqual(await t.control.principals.get('batch'), waiting, 'nothing new until then');
  t.pass(0.2);
  await t.control.lifecycle.sweep();
  const after = await t.control.principals.get('batch');
  assert.equal(after.status, 'suspended');
  assert.match(after.statusReason ?? '', /^Grace, .* was disabled, and nobody took it over by 20/);
  assert.deepEqual(
    t.deltas.at(-1)?.principals?.map((view) => view.status),
    ['suspended'],
  );
  const done = t.sink.changes().length;
  await t.control.lifecycle.sweep();
  assert.equal(t.sink.changes().length, done, 'and once only');
});

test('another owner ends the countdown and the notice', async (context) => {
  const t = await scene(context);
  await principal(t, 'rehomed');
  await principal(t, 'waiting');
  await leaves(t, 'Grace');
  await t.control.lifecycle.sweep();
  await assert.rejects(
    t.control.principals.update(t.actor, 'rehomed', { owner: mail('Ed') }, 'takes it'),
    invalid,
    'the backup owner cannot be both',
  );
  const change = { owner: mail('Ed'), backupOwner: mail('Bea') };
  const rehomed = await t.control.principals.update(t.actor, 'rehomed', change, 'Ed takes it over');
  assert.equal(rehomed.rehomeBy, null);
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), [['waiting', 'owner_left', 'Ed']]);
  t.pass(15);
  await t.control.lifecycle.sweep();
  assert.equal((await t.control.principals.get('rehomed')).status, 'active');
  assert.equal((await t.control.principals.get('waiting')).status, 'suspended');
});

test('the return of the one who left ends the countdown, and resumes nothing that was suspended', async (context) => {
  const t = await scene(context);
  await principal(t, 'waiting');
  await principal(t, 'suspended');
  await t.control.principals.suspend(t.actor, 'suspended', 'INC-1');
  await leaves(t, 'Grace');
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), [
    ['waiting', 'owner_left', 'Ed'],
    ['suspended', 'owner_left', 'Ed'],
  ]);
  await t.control.persons.enable(t.actor, mail('Grace'), 'back from leave');
  await t.control.lifecycle.sweep();
  const waiting = await t.control.principals.get('waiting');
  assert.deepEqual([waiting.status, waiting.rehomeBy], ['active', null]);
  assert.equal((await t.control.principals.get('suspended')).status, 'suspended');
  assert.deepEqual(await notices(t), []);
  const record = t.sink.changes().findLast(({ type }) => type === 'principal.updated');
  assert.equal(record?.reason, 'Grace, who answers for it, is active again');
});

test('what was made before there had to be a backup owner stays, can be described, and needs one to be resumed', async (context) => {
  const t = await scene(context);
  const made = await principal(t, 'old');
  const store = Store.open(join(t.dataDir, 'state.db'));
  await store.db.updateTable('principals').set({ backup_owner_id: null }).where('id', '=', made.id).execute();
  await store.close();
  const { principals } = t.control;
  await t.control.lifecycle.sweep();
  assert.equal((await principals.update(t.actor, 'old', { purpose: 'y' }, 'x')).backupOwner, null);
  await assert.rejects(principals.update(t.actor, 'old', { owner: mail('Ed') }, 'x'), invalid);
  await principals.suspend(t.actor, 'old', 'x');
  await assert.rejects(principals.resume(t.actor, 'old', 'x'), { code: 'POSTERN_CONFLICT' });
  await principals.update(t.actor, 'old', { backupOwner: mail('Ed') }, 'x');
  assert.equal((await principals.resume(t.actor, 'old', 'x')).status, 'active');
});

test('without an active backup owner the administrators are told, and the countdown goes on', async (context) => {
  const t = await scene(context);
  await principal(t, 'batch');
  await leaves(t, 'Grace');
  await t.control.lifecycle.sweep();
  const { rehomeBy } = await t.control.principals.get('batch');
  t.pass(5);
  await leaves(t, 'Ed');
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), [['batch', 'nobody_left', 'administrators']]);
  assert.equal((await t.control.principals.get('batch')).rehomeBy, rehomeBy, 'not any longer for that');
  const ended = await t.control.lifecycle.notices({ status: 'ended' });
  assert.deepEqual(
    ended.map(({ kind, to }) => [kind, to?.name]),
    [['owner_left', 'Ed']],
  );
  t.pass(10);
  await t.control.lifecycle.sweep();
  assert.equal((await t.control.principals.get('batch')).status, 'suspended');
  assert.deepEqual(
    await notices(t),
    [['batch', 'nobody_left', 'administrators']],
    'until it has owners again',
  );
  await t.control.principals.retire(t.actor, 'batch', 'nobody wants it');
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), []);
});

test('a backup owner who leaves is told to the owner, and nothing is suspended for that', async (context) => {
  const t = await scene(context);
  await principal(t, 'batch');
  await leaves(t, 'Ed');
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), [['batch', 'backup_owner_left', 'Grace']]);
  t.pass(400);
  await t.control.lifecycle.sweep();
  assert.equal((await t.control.principals.get('batch')).status, 'active');
  await t.control.principals.update(t.actor, 'batch', { backupOwner: mail('Bea') }, 'Bea backs it up');
  await t.control.lifecycle.sweep();
  assert.deepEqual(await notices(t), []);
});

test('0 days suspend at once; a policy that is changed later does not move countdowns that run', async (context) => {
  const t = await scene(context);
  const { lifecycle, principals } = t.control;
  await principal(t, 'first');
  await leaves(t, 'Grace');
  await lifecycle.sweep();
  const { rehomeBy } = await principals.get('first');
  const policy = await lifecycle.set(t.actor, { rehomeDays: 0 }, 'audit');
  assert.deepEqual(policy, { id: 'lifecycle', rehomeDays: 0, unusedDays: null });
  const record = t.sink.changes().at(-1);
  assert.deepEqual([record?.type, record?.reason, record?.change.before], ['config.changed', 'audit', null]);
  await lifecycle.sweep();
  assert.equal((await principals.get('first')).rehomeBy, rehomeBy);
  await principal(t, 'second', 'Ed', 'Bea');
  await leaves(t, 'Ed');
  await lifecycle.sweep();
  assert.equal((await principals.get('second')).status, 'suspended');
  for (const wrong of [{ rehomeDays: -1 }, { rehomeDays: 366 }, { rehomeDays: 1.5 }, { unusedDays: 0 }]) {
    await assert.rejects(lifecycle.set(t.actor, wrong, 'x'), invalid);
  }
  const written = t.sink.written.length;
  await lifecycle.set(t.actor, { rehomeDays: 0 }, 'again');
  assert.equal(t.sink.written.length, written);
});

test('a clock that jumps moves no deadline and makes nothing happen twice', async (context) => {
  const t = await scene(context);
  await principal(t, 'batch');
  await leaves(t, 'Grace');
  await t.control.lifecycle.sweep();
  const { rehomeBy } = await t.control.principals.get('batch');
  const written = t.sink.written.length;
  t.pass(-30);
  for (let n = 0; n < 3; n++) await t.control.lifecycle.sweep();
  assert.equal(t.sink.written.length, written);
  assert.equal((await t.control.principals.get('batch')).rehomeBy, rehomeBy);
  t.pass(29);
  await t.control.lifecycle.sweep();
  assert.equal((await t.control.principals.get('batch')).status, 'active');
  t.pass(300);
  await t.control.lifecycle.sweep();
  t.pass(-300);
  await t.control.lifecycle.sweep();
  assert.equal((await t.control.principals.get('batch')).status, 'suspended', 'what happened stays');
  assert.equal(t.sink.written.length, written + 1);
});

test('a restart in the middle changes nothing, and one after the end makes up for it', async (context) => {
  const t = await scene(context, mkdtempSync(join(tmpdir(), 'postern-lifecycle-')));
  await principal(t, 'batch');
  await leaves(t, 'Grace');
  await t.control.close();
  const reopened = (days: number) =>
    Control.open({
      ...{ dataDir: t.dataDir, sink: t.sink, publish: async () => undefined },
      clock: () => Date.now() * 1000 + days * DAY,
    });
  // Whether it stopped before the countdown began, within it or after its end.
  const seen = [];
  for (const days of [0, 7, 15]) {
    const control = await reopened(days);
    await control.lifecycle.sweep();
    seen.push(await control.principals.get('batch'));
    await control.close();
  }
  assert.deepEqual(
    seen.map(({ status }) => status),
    ['active', 'active', 'suspended'],
  );
  assert.equal(seen[0]?.rehomeBy, seen[1]?.rehomeBy);
});

test('many principals of one leaver are dealt with in several changes, each of them once', async (context) => {
  const t = await scene(context);
  const names = Array.from({ length: 230 }, (_, n) => `p-${n}`);
  for (const name of names) await principal(t, name);
  await leaves(t, 'Grace');
  const written = t.sink.changes().length;
  await t.control.lifecycle.sweep();
  const types = since(t, written).map(([type]) => type);
  assert.equal(types.filter((type) => type === 'principal.updated').length, names.length);
  assert.equal(types.filter((type) => type === 'notice.given').length, names.length);
  assert.equal(types.length, 2 * names.length);
  await t.control.lifecycle.sweep();
  assert.equal(t.sink.changes().length, written + types.length);
});

test('what nobody used for so long is suspended, counted from its last use, its making or its resumption', async (context) => {
  const t = await scene(context);
  const { lifecycle, principals } = t.control;
  for (const name of ['never', 'stale', 'busy', 'resumed']) await principal(t, name);
  const uses = new Map<string, string>();
  const use = async (name: string) => uses.set((await principals.get(name)).id, t.now());
  const sweep = () => lifecycle.suspendUnused((ids) => new Map([...uses].filter(([id]) => ids.includes(id))));
  await use('stale');
  t.pass(89);
  assert.equal(await sweep(), 0, 'no policy, no suspension');
  await lifecycle.set(t.actor, { unusedDays: 90 }, 'NIST AC-2(3)');
  await use('busy');
  assert.equal(await sweep(), 0);
  t.pass(1.1);
  assert.equal(await sweep(), 3);
  const reasons = await Promise.all(['never', 'stale', 'busy'].map((name) => principals.get(name)));
  assert.deepEqual(
    reasons.map(({ status }) => status),
    ['suspended', 'suspended', 'active'],
  );
  assert.equal(reasons[0]?.statusReason, 'not used for 90 days (never used)');
  assert.match(reasons[1]?.statusReason ?? '', /^not used for 90 days \(last used 20.*Z\)$/);
  assert.equal(await sweep(), 0);
  const resumed = await principals.resume(t.actor, 'resumed', 'needed at year end');
  uses.set(resumed.id, '2020-01-01T00:00:00.000000Z');
  // Resumption is stamped with the time of the process, which is not that of this test.
  t.pass(-90);
  assert.equal(await sweep(), 0, 'it gets its time anew');
});

test('where the last uses are not known nothing is suspended', async (context) => {
  const t = await scene(context);
  await principal(t, 'batch');
  await t.control.lifecycle.set(t.actor, { unusedDays: 1 }, 'x');
  t.pass(100);
  const broken = t.control.lifecycle.suspendUnused(() => {
    throw new Error('the index is being made again');
  });
  await assert.rejects(broken, /made again/);
  assert.equal((await t.control.principals.get('batch')).status, 'active');
});
