import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpstreamLogin } from '../core/views.ts';
import { SecretSources } from '../vault/sources/sources.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';

const REF = 'file://files/ledger';

interface Scene extends TestControl {
  put(password: string): void;
  remove(): void;
  /** What the workers were told last. */
  told(): UpstreamLogin | undefined;
  readonly faults: unknown[];
}

async function scene(context: TestContext, staleMs: number): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-sourced-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'ledger');
  const faults: unknown[] = [];
  const t = await testControl(context, {
    sources: new SecretSources({ files: { kind: 'file', directory } }),
    sourceRefreshMs: 50,
    sourceStaleMs: staleMs,
    onFault: (what, error) => void (what === 'source' && faults.push(error)),
  });
  await t.control.sourced.start();
  return {
    ...t,
    put: (password) => writeFileSync(file, password, { mode: 0o600 }),
    remove: () => rmSync(file),
    told: () => t.deltas.flatMap(({ resources = [] }) => resources).at(-1)?.upstream,
    faults,
  };
}

const SOURCED = { ...RESOURCE, upstream: { user: 'ledger_app', source: REF } };

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await what()) return;
    await sleep(20);
  }
  throw new Error('it did not come to pass');
}

test('a password from a source reaches the workers, is followed when it changes, and is in no record, answer or file', async (context) => {
  const t = await scene(context, 60_000);
  await assert.rejects(t.control.resources.create(t.actor, SOURCED), /cannot be had/);
  t.put('from-the-file-1');
  const made = await t.control.resources.create(t.actor, SOURCED);
  assert.deepEqual(t.told(), { user: 'ledger_app', password: 'from-the-file-1', sourced: true });
  t.put('from-the-file-2');
  await until(() => t.told()?.password === 'from-the-file-2');
  const snapshot = await t.control.snapshot();
  assert.equal(snapshot.resources[0]?.upstream.password, 'from-the-file-2');
  assert.equal(made.upstream.source, REF);
  assert.ok(!JSON.stringify([t.sink.changes(), made]).includes('from-the-file'));
  await assert.rejects(t.control.rotation.rotate(t.actor, made.id, 'upstream', 'why'), /kept elsewhere/);
});

test('while a source is silent what it said last counts, for its time; then the resource is closed, and open again by itself', async (context) => {
  const t = await scene(context, 400);
  t.put('good');
  const made = await t.control.resources.create(t.actor, SOURCED);
  t.remove();
  await until(() => t.control.sourced.faultsOf(made).length > 0);
  const [fault] = t.control.sourced.faultsOf(made);
  assert.match(String(fault), /still counts/);
  assert.equal((await t.control.resourceView(made.id)).upstream.password, 'good');
  await until(() => t.told()?.unavailable === true);
  assert.equal(t.told()?.password, '');
  assert.match(String(t.control.sourced.faultsOf(made)[0]), /No session can begin/);
  assert.ok(t.faults.some((each) => String(each).includes(REF)));
  t.put('good again');
  await until(() => t.told()?.password === 'good again');
  assert.deepEqual(t.control.sourced.faultsOf(made), []);
  assert.equal(t.control.sourced.failing, 0);
});

test('a login has a password or a source, and a source that the configuration has', async (context) => {
  const t = await scene(context, 60_000);
  t.put('good');
  const create = (upstream: object) =>
    t.control.resources.create(t.actor, { ...RESOURCE, upstream: { user: 'u', ...upstream } });
  for (const wrong of [
    {},
    { password: 'x', source: REF },
    { source: 'file://other/ledger' },
    { source: 'env://files/HOME' },
    { source: 'file://files/../ledger' },
    { source: 'http://127.0.0.1/ledger' },
  ])
    await assert.rejects(create(wrong), { code: 'POSTERN_INVALID' });
  const { id } = await create({ password: 'mine' });
  const moved = await t.control.resources.setPassword(t.actor, id, 'upstream', { source: REF }, 'why');
  assert.equal(moved.upstream.source, REF);
  assert.equal(t.told()?.password, 'good');
  const back = await t.control.resources.setPassword(t.actor, id, 'upstream', { password: 'new' }, 'why');
  assert.equal(back.upstream.source, null);
  assert.deepEqual(t.told(), { user: 'u', password: 'new' });
});
