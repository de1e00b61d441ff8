import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ChangeRecord } from '../../core/record.ts';
import { MemorySink } from '../../store/memory-sink.fixture.ts';
import { Control } from '../control.ts';
import { CAMPAIGN, DAY, reviewBank } from './review.fixture.ts';

test('what nobody decides on in time suspends its principal after the grace, and nothing else', async (context) => {
  const { control, open, itemOf, items, decide, people, turn, own, sink } = await reviewBank(context);
  await open();
  await decide(people.rita, await itemOf('reports', 'grant'), { kind: 'keep' });
  await decide(people.rita, await itemOf('reports', 'principal'), { kind: 'keep' });
  await decide(people.rita, await itemOf('batch', 'principal'), { kind: 'keep' });
  turn(14 * DAY - 60);
  await control.reviews.sweep();
  assert.equal((await control.reviews.get('autumn')).overdueAt, null);
  turn(61);
  await control.reviews.sweep();
  assert.notEqual((await control.reviews.get('autumn')).overdueAt, null);
  turn(7 * DAY - 60);
  await control.reviews.sweep();
  assert.equal((await control.principals.get('batch')).status, 'active');
  turn(61);
  await control.reviews.sweep();
  const batch = await control.principals.get('batch');
  assert.equal(batch.status, 'suspended');
  assert.match(batch.statusReason ?? '', /review autumn: nobody decided in time/);
  assert.equal((await control.principals.get('reports')).status, 'active');
  assert.equal((await control.grants.get(own.batch.id)).status, 'active');
  const last = sink.changes().slice(-3);
  assert.deepEqual(
    last.map(({ type, actor }) => [type, actor.kind]),
    [
      ['review.lapsed', 'system'],
      ['principal.suspended', 'system'],
      ['review.closed', 'system'],
    ],
  );
  const lapsed = (await items()).find(({ status }) => status === 'lapsed');
  assert.deepEqual([lapsed?.grant, lapsed?.effect], [own.batch.id, { what: 'suspended', applied: true }]);
  // And once is enough.
  const count = sink.changes().length;
  await control.reviews.sweep();
  assert.equal(sink.changes().length, count);
});

test('an overdue item is open to administrators too, and still decided on by those who were asked', async (context) => {
  const { control, open, itemOf, decide, people, turn } = await reviewBank(context);
  await open();
  const grant = await itemOf('batch', 'grant');
  const principal = await itemOf('batch', 'principal');
  await assert.rejects(decide(people.alan, grant, { kind: 'keep' }));
  turn(14 * DAY + 1);
  await control.reviews.sweep();
  assert.equal((await decide(people.alan, grant, { kind: 'keep' })).status, 'decided');
  assert.equal((await decide(people.rita, principal, { kind: 'keep' })).status, 'decided');
});

test('a rehearsal changes nothing but its own items, which say what would have been', async (context) => {
  const { control, open, itemOf, items, decide, people, turn, own, types } = await reviewBank(context);
  await open({ rehearsal: true });
  const before = types().length;
  const revoked = await decide(people.rita, await itemOf('batch', 'grant'), { kind: 'revoke' });
  assert.deepEqual(revoked.effect, { what: 'revoked', applied: false });
  const item = await itemOf('reports', 'grant');
  const narrowed = await decide(people.rita, item, { kind: 'narrow', scope: 'select on ledger.*' });
  assert.deepEqual(narrowed.effect, { what: 'narrowed', applied: false });
  turn(14 * DAY + 1);
  await control.reviews.sweep();
  turn(7 * DAY + 1);
  await control.reviews.sweep();
  for (const grant of Object.values(own)) assert.deepEqual(await control.grants.get(grant.id), grant);
  for (const name of ['batch', 'reports'])
    assert.equal((await control.principals.get(name)).status, 'active');
  const effects = (await items()).map(({ status, effect }) => [status, effect?.what, effect?.applied]);
  assert.deepEqual(
    effects.filter(([status]) => status === 'lapsed'),
    [
      ['lapsed', 'suspended', false],
      ['lapsed', 'suspended', false],
    ],
  );
  assert.ok(
    types()
      .slice(before)
      .every((type) => type.startsWith('review.')),
  );
  assert.equal((await control.reviews.get('autumn')).status, 'closed');
});

test('a clock that jumps ahead suspends nobody at once, and one that is set back nobody too early', async (context) => {
  const { control, open, turn, decide, people, itemOf } = await reviewBank(context);
  await open();
  turn(60 * DAY);
  await control.reviews.sweep();
  assert.equal((await control.principals.get('batch')).status, 'active');
  const { overdueAt } = await control.reviews.get('autumn');
  turn(-60 * DAY);
  await control.reviews.sweep();
  assert.equal((await control.reviews.get('autumn')).overdueAt, overdueAt);
  assert.equal(
    (await decide(people.rita, await itemOf('batch', 'grant'), { kind: 'keep' })).status,
    'decided',
  );
  turn(30 * DAY);
  await control.reviews.sweep();
  assert.equal((await control.principals.get('batch')).status, 'active');
});

test('what ended meanwhile needs no decision and suspends nobody', async (context) => {
  const { control, actor, open, items, turn, own, itemOf, decide, people } = await reviewBank(context);
  await open();
  const over = await itemOf('batch', 'grant');
  await control.grants.revoke(actor, own.batch.id, 'not needed');
  await assert.rejects(decide(people.rita, over, { kind: 'keep' }), /has ended/);
  await control.principals.disable(actor, 'reports', 'gone');
  await control.reviews.sweep();
  assert.deepEqual(
    (await items()).map(({ status }) => status),
    ['open', 'withdrawn', 'withdrawn', 'withdrawn'],
  );
  await decide(people.rita, await itemOf('batch', 'principal'), { kind: 'keep' });
  assert.equal((await control.reviews.get('autumn')).status, 'closed');
  turn(60 * DAY);
  await control.reviews.sweep();
  assert.equal((await control.principals.get('batch')).status, 'active');
});

test('an administrator who closes a review early suspends nobody', async (context) => {
  const { control, actor, open, items, turn } = await reviewBank(context);
  await open();
  await control.reviews.close(actor, 'autumn', 'opened by mistake');
  assert.ok((await items()).every(({ status }) => status === 'withdrawn'));
  turn(60 * DAY);
  await control.reviews.sweep();
  assert.equal((await control.principals.get('batch')).status, 'active');
  await assert.rejects(control.reviews.close(actor, 'autumn', 'again'), /closed already/);
});

test('a schedule opens a review when it is due: one, however many were missed, and none while one is open', async (context) => {
  const { control, actor, turn } = await reviewBank(context);
  const { name: _, ...terms } = CAMPAIGN;
  const schedules = control.reviews.schedules;
  await schedules.create(actor, { name: 'quarterly', everyDays: 90, ...terms }, 'policy IAM-7');
  const opened = async () => (await control.reviews.list({})).map(({ name }) => name);
  await control.reviews.sweep();
  await control.reviews.sweep();
  assert.equal((await opened()).length, 1);
  const first = (await opened())[0] ?? '';
  assert.match(first, /^quarterly-\d{4}-\d\d-\d\d$/);
  assert.equal((await control.reviews.get(first)).schedule?.name, 'quarterly');
  turn(400 * DAY);
  await control.reviews.sweep();
  assert.equal((await opened()).length, 1);
  await control.reviews.close(actor, first, 'done by hand');
  await control.reviews.sweep();
  await control.reviews.sweep();
  assert.equal((await opened()).length, 2);
  turn(-400 * DAY);
  await control.reviews.sweep();
  assert.equal((await opened()).length, 2);
  await schedules.end(actor, 'quarterly', 'replaced');
  await control.reviews.close(actor, (await opened())[1] ?? '', 'x');
  turn(1000 * DAY);
  await control.reviews.sweep();
  assert.equal((await opened()).length, 2);
});

test('a schedule for which nothing fits leaves a closed review, and goes on', async (context) => {
  const { control, actor, turn } = await reviewBank(context);
  const terms = { dueSeconds: DAY, graceSeconds: 0, environment: 'moon' };
  await control.reviews.schedules.create(actor, { name: 'moon', everyDays: 30, ...terms }, 'x');
  await control.reviews.sweep();
  turn(31 * DAY);
  await control.reviews.sweep();
  await control.reviews.sweep();
  const found = await control.reviews.list({});
  assert.deepEqual(
    found.map(({ status, closeReason }) => [status, closeReason]),
    [
      ['closed', 'nothing fits'],
      ['closed', 'nothing fits'],
    ],
  );
});

/** A sink that refuses after so many records, as a disk does that fills up in the middle. */
class BrokenSink extends MemorySink {
  left = Number.POSITIVE_INFINITY;

  override flush(): void {
    this.failing = this.left-- <= 0;
    super.flush();
  }
}

test('a restart in the middle of lapsing goes on where it was, and nothing happens twice', async (context) => {
  const sink = new BrokenSink();
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-review-'));
  const bank = await reviewBank(context, { sink, dataDir });
  const { control, open, principal, turn } = bank;
  for (let n = 0; n < 230; n++) await principal(`job-${n}`, 'batch');
  await open({ environment: 'batch' });
  turn(14 * DAY + 1);
  await control.reviews.sweep();
  turn(7 * DAY + 1);
  // The first hundred are written, then the disk is full, and the process ends.
  sink.left = 1;
  await assert.rejects(control.reviews.sweep());
  sink.left = Number.POSITIVE_INFINITY;
  const review = await control.reviews.get('autumn');
  assert.deepEqual(await control.reviews.counts(review.id), {
    open: 130,
    decided: 0,
    lapsed: 100,
    withdrawn: 0,
  });
  await control.close();
  const later = Date.now() * 1000 + 22 * DAY * 1_000_000;
  const again = await Control.open({ dataDir, sink, publish: async () => undefined, clock: () => later });
  await again.reviews.sweep();
  assert.deepEqual(await again.reviews.counts(review.id), { open: 0, decided: 0, lapsed: 230, withdrawn: 0 });
  assert.equal((await again.reviews.get('autumn')).status, 'closed');
  await again.close();
  const records = sink.changes().filter(({ type }: ChangeRecord) => type === 'principal.suspended');
  assert.equal(new Set(records.map(({ change }) => change.id)).size, 230);
  assert.equal(records.length, 230);
});
