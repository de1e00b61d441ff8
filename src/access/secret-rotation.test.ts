import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';
import type { DoorAnswer } from './secret-rotation.ts';

interface Scene extends TestControl {
  /** What the next knocks are answered; then all is done. */
  readonly answers: DoorAnswer[];
  readonly knocks: { readonly user: string; readonly password: string; readonly change: string | null }[];
}

async function scene(context: TestContext): Promise<Scene> {
  const answers: DoorAnswer[] = [];
  const knocks: Scene['knocks'] = [];
  const t = await testControl(context, {
    door: async ({ upstream: { user, password } }, change) => {
      knocks.push({ user, password, change: change?.user ?? null });
      return answers.shift() ?? { outcome: 'done' };
    },
  });
  await t.control.resources.create(t.actor, { ...RESOURCE, admin: { user: 'adm', password: 'adm-pw' } });
  return { ...t, answers, knocks };
}

/** Changes the state behind Postern's back, as somebody who can write the file. */
function behind(t: TestControl, sql: string): void {
  const db = new DatabaseSync(join(t.dataDir, 'state.db'));
  db.exec(sql);
  db.close();
}

const NOT_YET: DoorAnswer = { outcome: 'refused', why: 'not yet' };
const DOWN: DoorAnswer = { outcome: 'failed', why: 'the server is away' };

test('passwords are replaced when they are due, both of them, by Postern itself and with a record', async (context) => {
  const t = await scene(context);
  await t.control.resources.setRotation(t.actor, 'ledger-db', 86_400, 'policy 7.3');
  await t.control.rotation.sweep();
  assert.equal(t.knocks.length, 0);
  behind(
    t,
    "UPDATE resources SET upstream_since = '2026-01-01T00:00:00.000000Z', admin_since = upstream_since",
  );
  behind(t, 'UPDATE resources SET admin_since = upstream_since');
  t.answers.push(NOT_YET, { outcome: 'done' }, { outcome: 'done' }, NOT_YET);
  await t.control.rotation.sweep();
  const records = t.sink.changes().filter(({ type }) => type === 'resource.secret_rotated');
  assert.deepEqual(
    records.map(({ actor, reason }) => [actor.kind, reason]),
    [
      ['system', 'the time of the password was over'],
      ['system', 'the time of the password was over'],
    ],
  );
  assert.deepEqual(
    t.knocks.filter(({ change }) => change !== null).map(({ user, change }) => [user, change]),
    [
      ['ledger_app', 'ledger_app'],
      ['adm', 'adm'],
    ],
  );
  const before = t.knocks.length;
  await t.control.rotation.sweep();
  assert.equal(t.knocks.length, before, 'they are not due any more');
});

test('what failed is tried again later and not at once, with the same new password, and both are known meanwhile', async (context) => {
  const t = await scene(context);
  t.answers.push(DOWN, DOWN, DOWN);
  await assert.rejects(t.control.rotation.rotate(t.actor, 'ledger-db', 'upstream', 'why'), /server is away/);
  const first = t.knocks[0]?.password;
  assert.match(String(first), /^postern_/);
  const view = await t.control.resourceView('ledger-db');
  assert.equal(view.upstream.other, first);
  assert.equal(t.deltas.at(-1)?.resources?.[0]?.upstream.other, first, 'workers know both');
  const count = t.knocks.length;
  await t.control.rotation.sweep();
  assert.equal(t.knocks.length, count, 'it has just failed');
  await t.control.rotation.rotate(t.actor, 'ledger-db', 'upstream', 'again');
  assert.equal(t.knocks.at(-1)?.password, first);
  const after = await t.control.resourceView('ledger-db');
  assert.deepEqual(after.upstream, { user: 'ledger_app', password: first });
  assert.equal(t.control.rotation.failing, 0);
});

test('a password that somebody sets meanwhile wins over the one that was to come', async (context) => {
  const t = await scene(context);
  t.answers.push(DOWN, DOWN, DOWN);
  await assert.rejects(t.control.rotation.rotate(t.actor, 'ledger-db', 'upstream', 'why'));
  await t.control.resources.setPassword(t.actor, 'ledger-db', 'upstream', { password: 'by hand' }, 'why');
  const view = await t.control.resourceView('ledger-db');
  assert.deepEqual(view.upstream, { user: 'ledger_app', password: 'by hand' });
  assert.equal(view.admin?.password, 'adm-pw');
});

test('a change of a resource whose secret cannot be opened withdraws it and is reported; workers miss nothing else', async (context) => {
  const faults: string[] = [];
  const t = await testControl(context, {
    onFault: (what, error) => faults.push(`${what}: ${String(error)}`),
  });
  const { id, upstream } = await t.control.resources.create(t.actor, RESOURCE);
  behind(t, `UPDATE vault_secrets SET sealed = zeroblob(60) WHERE id = '${upstream.secret}'`);
  const told = () => t.deltas.at(-1)?.resources?.[0];
  await t.control.resources.update(t.actor, id, { durability: 'power' }, 'asked for');
  assert.equal((await t.control.resources.get(id)).durability, 'power');
  assert.deepEqual([told()?.status, told()?.upstream.password, told()?.admin], ['withdrawn', '', null]);
  assert.equal(faults.length, 1);
  assert.match(String(faults[0]), /^vault: /);
  assert.deepEqual((await t.control.snapshot()).resources, [], 'a worker that starts knows no more');
  await t.control.resources.setPassword(t.actor, id, 'upstream', { password: 'anew' }, 'why');
  assert.deepEqual([told()?.status, told()?.upstream.password], ['active', 'anew']);
  assert.deepEqual(
    t.deltas.map(({ version }) => version),
    t.deltas.map((_, i) => i + 2),
  );
});

test('a sealed password does not open for another resource, for the other credential, or after it was replaced', async (context) => {
  const t = await scene(context);
  const other = await t.control.resources.create(t.actor, {
    ...RESOURCE,
    name: 'other-db',
    upstream: { user: 'other', password: 'other-pw' },
  });
  const mine = await t.control.resources.get('ledger-db');
  const sealed = `(SELECT sealed FROM vault_secrets WHERE id = '${mine.upstream.secret}')`;
  const opens = (ref: string) => t.control.resourceView(ref);
  await opens('other-db');
  behind(t, `UPDATE vault_secrets SET sealed = ${sealed} WHERE id = '${other.upstream.secret}'`);
  await assert.rejects(opens('other-db'), { code: 'POSTERN_INTERNAL' });
  await opens('ledger-db');
  behind(t, `UPDATE vault_admin_secrets SET sealed = ${sealed} WHERE id = '${mine.admin?.secret}'`);
  await assert.rejects(opens('ledger-db'), { code: 'POSTERN_INTERNAL' });

  await t.control.resources.setAdmin(t.actor, 'ledger-db', null, 'it cannot be opened');
  // The row of before a change, put where the one of now is.
  const db = new DatabaseSync(join(t.dataDir, 'state.db'));
  const old = db.prepare('SELECT sealed FROM vault_secrets WHERE id = ?').get(mine.upstream.secret)?.sealed;
  const now = await t.control.resources.setPassword(
    t.actor,
    'ledger-db',
    'upstream',
    { password: 'new' },
    'why',
  );
  assert.equal(db.prepare('SELECT 1 FROM vault_secrets WHERE id = ?').get(mine.upstream.secret), undefined);
  db.prepare('UPDATE vault_secrets SET sealed = ? WHERE id = ?').run(old as Uint8Array, now.upstream.secret);
  db.close();
  await assert.rejects(opens('ledger-db'), { code: 'POSTERN_INTERNAL' });
  // Others go on: a worker that starts is given what opens.
  const snapshot = await t.control.snapshot();
  assert.deepEqual(snapshot.resources, []);
});
