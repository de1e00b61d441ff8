import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PayloadErased, RecordBase } from '../core/record.ts';
import { PayloadErasure } from '../ledger/payload-erasure.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import type { Principal, RetentionPolicy } from '../store/entities.ts';
import { Keyring } from '../vault/keyring.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';

const DAY = '2026-01-05';
const NOW = Date.parse('2026-04-06T00:00:00Z');
const none = async (): Promise<readonly string[]> => [];

interface Bank extends TestControl {
  readonly store: PayloadStore;
  readonly batch: Principal;
  readonly other: Principal;
  erased(): PayloadErased[];
}

async function bank(context: TestContext): Promise<Bank> {
  const t = await testControl(context);
  const store = PayloadStore.open(
    join(t.dataDir, 'payloads.db'),
    (await Keyring.open({ dataDir: t.dataDir })).keys,
  );
  context.after(() => store.close());
  const add = (name: string): Promise<Principal> =>
    t.control.principals.create(t.actor, {
      name,
      kind: 'service_account',
      owner: t.admin.id,
      backupOwner: 'bea@example.org',
      purpose: 'posts',
      environment: 'production',
    });
  const erased = (): PayloadErased[] =>
    t.sink.written
      .map((json) => JSON.parse(json) as RecordBase)
      .filter((record): record is PayloadErased => record.type === 'payload.erased');
  return { ...t, store, batch: await add('batch'), other: await add('other'), erased };
}

const put = (b: Bank, of: Principal, day: string, kind: 'statement' | 'parameters', text: string): string =>
  b.store.put(of.id, day, kind, Buffer.from(text)).commitment;

test('an erasure is recorded with who, what, when, why and how many, and then the text is gone', async (context) => {
  const b = await bank(context);
  const commitment = put(b, b.batch, DAY, 'statement', 'select 1');
  const target = { record: 'r', commitments: [commitment] };
  assert.equal((await b.control.erasures.preview(target)).payloads, 1);
  assert.notEqual(b.store.get(commitment), 'erased');
  const done = await b.control.erasures.erase(b.actor, target, 'personal data, DP-77');
  const [record] = b.erased();
  assert.deepEqual(
    [record?.actor, record?.principal, record?.reason, record?.id, b.erased().length],
    [b.actor, { id: b.batch.id, name: 'batch' }, 'personal data, DP-77', done.record, 1],
  );
  assert.deepEqual(record?.erasure, {
    day: DAY,
    kinds: ['statement'],
    payloads: 1,
    commitments: [commitment],
    record: 'r',
    cause: 'request',
  });
  assert.equal(b.store.get(commitment), 'erased');
  assert.equal(b.store.erasure(commitment)?.record, done.record);
  await assert.rejects(b.control.erasures.erase(b.actor, target, 'again'), { code: 'POSTERN_NOT_FOUND' });
  await assert.rejects(b.control.erasures.erase(b.actor, target, ' '), { code: 'POSTERN_INVALID' });
});

test('nothing is erased where it cannot be recorded', async (context) => {
  const b = await bank(context);
  const commitment = put(b, b.batch, DAY, 'statement', 'select 1');
  b.sink.failing = true;
  const erase = b.control.erasures.erase(b.actor, { principal: b.batch.id, day: DAY }, 'why');
  await assert.rejects(erase, { code: 'POSTERN_AUDIT_UNAVAILABLE' });
  assert.notEqual(b.store.get(commitment), 'erased');
  assert.deepEqual(b.erased(), []);
});

test('a legal hold on the principal, or on everything, forbids erasure until it is released', async (context) => {
  const b = await bank(context);
  const commitment = put(b, b.batch, DAY, 'statement', 'select 1');
  const others = put(b, b.other, DAY, 'statement', 'select 1');
  const erase = (principal: Principal): Promise<unknown> =>
    b.control.erasures.erase(b.actor, { principal: principal.id, day: DAY }, 'why');
  for (const on of [{ principal: 'batch' }, {}]) {
    const hold = await b.control.holds.place(b.actor, { ...on, reason: 'case 17' });
    await assert.rejects(erase(b.batch), { code: 'POSTERN_CONFLICT', message: /case 17/ });
    const preview = await b.control.erasures.preview({ principal: b.batch.id, day: DAY });
    assert.deepEqual(
      preview.holds.map(({ id }) => id),
      [hold.id],
    );
    assert.notEqual(b.store.get(commitment), 'erased');
    await b.control.holds.release(b.actor, hold.id, 'settled');
    await assert.rejects(b.control.holds.release(b.actor, hold.id, 'again'), { code: 'POSTERN_CONFLICT' });
  }
  const hold = await b.control.holds.place(b.actor, { principal: 'batch', reason: 'case 18' });
  await erase(b.other);
  assert.equal(b.store.get(others), 'erased');
  await assert.rejects(erase(b.batch), { code: 'POSTERN_CONFLICT' });
  await b.control.holds.release(b.actor, hold.id, 'settled');
  await erase(b.batch);
  assert.equal(b.store.get(commitment), 'erased');
  assert.deepEqual(
    b.sink
      .changes()
      .filter(({ type }) => type.startsWith('legal_hold.'))
      .map(({ type, principal }) => [type, principal?.name]),
    [
      ['legal_hold.placed', 'batch'],
      ['legal_hold.released', 'batch'],
      ['legal_hold.placed', undefined],
      ['legal_hold.released', undefined],
      ['legal_hold.placed', 'batch'],
      ['legal_hold.released', 'batch'],
    ],
  );
});

test('without a policy retention destroys nothing, however old', async (context) => {
  const b = await bank(context);
  put(b, b.batch, '1999-01-01', 'statement', 'select 1');
  const run = await b.control.erasures.retain(b.actor, await b.control.retention.policy(), none, {
    dryRun: false,
    now: NOW,
  });
  assert.deepEqual(run, { erased: [], held: [] });
  assert.deepEqual(b.erased(), []);
});

test('retention destroys each kind at its time, records each principal-day, and leaves what is on hold', async (context) => {
  const b = await bank(context);
  const policy = await b.control.retention.set(b.actor, { statements: 400, parameters: 90 });
  const statement = put(b, b.batch, DAY, 'statement', 'select $1');
  const values = put(b, b.batch, DAY, 'parameters', '[{"text":"7"}]');
  const young = put(b, b.batch, '2026-01-06', 'parameters', '[{"text":"7"}]');
  const held = put(b, b.other, DAY, 'parameters', '[{"text":"8"}]');
  await b.control.holds.place(b.actor, { principal: 'other', reason: 'case 17' });
  const run = (dryRun: boolean, now = NOW) =>
    b.control.erasures.retain(b.actor, policy, none, { dryRun, now });
  const dry = await run(true);
  assert.deepEqual(
    [dry.erased.map(({ day, kinds, payloads }) => [day, kinds, payloads]), dry.held.length],
    [[[DAY, ['parameters'], 1]], 1],
  );
  assert.notEqual(b.store.get(values), 'erased');
  await run(false);
  assert.deepEqual(
    [statement, values, young, held].map((commitment) => b.store.get(commitment) === 'erased'),
    [false, true, false, false],
  );
  assert.deepEqual(
    b.erased().map(({ erasure, reason }) => [erasure.cause, erasure.commitments, reason]),
    [['retention', null, 'its time of retention is over']],
  );
  await run(false, Date.parse('2027-02-10T00:00:00Z'));
  assert.equal(b.store.get(statement), 'erased');
  assert.notEqual(b.store.get(held), 'erased');
});

test('a text is kept as long as the longest time of the classifications it may have been used with, and of all where that is unknown', async (context) => {
  const b = await bank(context);
  const secret = await b.control.resources.create(b.actor, RESOURCE);
  const open = await b.control.resources.create(b.actor, {
    ...RESOURCE,
    name: 'open-db',
    classification: 'public',
  });
  await b.control.retention.set(b.actor, { statements: 30 });
  const policy = await b.control.retention.set(b.actor, { classification: 'confidential', statements: 3650 });
  put(b, b.batch, DAY, 'statement', 'select 1');
  const due = async (used: readonly { id: string }[], of: RetentionPolicy = policy): Promise<number> => {
    const resourcesOf = async (): Promise<string[]> => used.map(({ id }) => id);
    const run = await b.control.erasures.retain(b.actor, of, resourcesOf, { dryRun: true, now: NOW });
    return run.erased.length;
  };
  assert.deepEqual(
    [await due([]), await due([open]), await due([secret]), await due([open, secret])],
    [0, 1, 0, 0],
  );
  const again = await b.control.retention.set(b.actor, { classification: 'confidential', unset: true });
  assert.deepEqual(again.classifications, {});
  assert.equal(await due([open, secret], again), 1);
});

test('a policy that says nothing, or nonsense, is refused', async (context) => {
  const b = await bank(context);
  for (const input of [
    {},
    { unset: true },
    { statements: 0 },
    { parameters: 1.5 },
    { statements: 40_000 },
    { classification: 'x', unset: true, statements: 5 },
    { classification: '\u202e', statements: 5 },
  ]) {
    await assert.rejects(b.control.retention.set(b.actor, input), { code: 'POSTERN_INVALID' });
  }
  // A name that every object has is a name like any other.
  const odd = await b.control.retention.set(b.actor, { classification: 'constructor', statements: 5 });
  assert.deepEqual(odd.classifications, { constructor: { statements: 5, parameters: null } });
});

test('an erasure that a crash interrupted is carried out at the next start, and recorded', async (context) => {
  const b = await bank(context);
  const commitment = put(b, b.batch, DAY, 'statement', 'select 1');
  const crashed = PayloadErasure.open(
    join(b.dataDir, 'payloads.db'),
    (await Keyring.open({ dataDir: b.dataDir })).keys,
  );
  const plan = {
    record: 'lost',
    time: '2026-04-01T00:00:00.000000Z',
    by: b.actor,
    reason: 'why',
    cause: 'request',
    of: null,
    selection: { principalId: b.batch.id, day: DAY, kinds: ['statement'] },
  } as const;
  void crashed.destroy(plan, () => new Promise(() => undefined));
  crashed.close();
  const hold = await b.control.holds.place(b.actor, { reason: 'case 17' });
  await b.control.erasures.settle();
  assert.notEqual(b.store.get(commitment), 'erased');
  await b.control.holds.release(b.actor, hold.id, 'settled');
  await b.control.erasures.settle();
  assert.equal(b.store.get(commitment), 'erased');
  assert.deepEqual(
    b.erased().map(({ id, actor, reason }) => [id !== 'lost', actor, reason]),
    [[true, b.actor, 'why']],
  );
  await b.control.erasures.settle();
  assert.equal(b.erased().length, 1);
});

test('journal files that may still hold the text in plain are named', async (context) => {
  const b = await bank(context);
  const today = new Date().toISOString().slice(0, 10);
  put(b, b.batch, today, 'statement', 'select 1');
  mkdirSync(join(b.dataDir, 'journal'), { recursive: true });
  const now = Date.now();
  for (const name of [`worker-0-${now}.journal`, `control-${now - 5}.journal.torn`, 'other.txt']) {
    writeFileSync(join(b.dataDir, 'journal', name), '');
  }
  const { journals } = await b.control.erasures.preview({ principal: b.batch.id, day: today });
  assert.deepEqual(journals.toSorted(), [`control-${now - 5}.journal.torn`, `worker-0-${now}.journal`]);
  put(b, b.batch, '2026-01-05', 'statement', 'select 1');
  const young = await b.control.erasures.preview({ principal: b.batch.id, day: '2026-01-05' });
  assert.deepEqual(young.journals, []);
});
