import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Activity } from '../activity/activity.ts';
import { LedgerService } from '../activity/ledger-service.ts';
import { Story } from '../activity/story.fixture.ts';
import type { Payload, Ref } from '../core/record.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { Keyring } from '../vault/keyring.ts';
import { itemsOf, type TestApi, testApi } from './api.fixture.ts';

interface Scene extends TestApi {
  readonly batch: Ref;
  /** Records one command with the statement and answers its id. */
  run(sql: string, ...more: readonly Payload[]): string;
}

/** The API over a real journal, log, index and payload store, with a principal that has recorded commands. */
async function scene(context: TestContext): Promise<Scene> {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-payload-api-'));
  mkdirSync(join(dataDir, 'journal'));
  const keyring = await Keyring.open({ dataDir });
  const { keys } = keyring;
  const sink = JournalWriter.create(join(dataDir, 'journal'), 'control');
  const ledger = await LedgerService.start({ dataDir, keys });
  const activity = Activity.open({ dataDir, keys });
  const api = await testApi(context, { activity, ledger }, { dataDir, keyring, sink });
  context.after(async () => {
    await activity.close();
    await ledger.close();
    sink.close();
  });
  const made = await api.call('POST', '/v1/principals', {
    name: 'batch',
    kind: 'ci_runner',
    purpose: 'x',
    environment: 'test',
    owner: 'ada@example.org',
    backupOwner: 'bea@example.org',
  });
  const batch = { id: String(made.body.id), name: 'batch' };
  const story = new Story();
  const run = (sql: string, ...more: readonly Payload[]): string => {
    const id = story.intent(batch, 's', 'g', 'select', 'a.b', sql);
    for (const { record, payloads } of story.told.splice(0)) {
      sink.append(JSON.stringify(record), [...payloads, ...more]);
    }
    sink.flush();
    return id;
  };
  return { ...api, batch, run };
}

test('erasing a record’s text says first how many records share it, and then who, when and why to whoever asks', async (context) => {
  const api = await scene(context);
  const [one, two] = [api.run('select secret'), api.run('select secret')];
  const kept = api.run('select other');
  const preview = await api.call('POST', '/v1/payloads/erase', { record: one, dryRun: true });
  assert.equal(preview.status, 200, preview.text);
  assert.deepEqual(
    [preview.body.payloads, preview.body.records, preview.body.record, preview.body.holds],
    [1, 2, null, []],
  );
  const before = await api.call('GET', `/v1/activity/${two}`);
  assert.equal(before.body.statement, 'select secret');
  const done = await api.call('POST', '/v1/payloads/erase', { record: one, reason: 'DP-77' });
  assert.equal(done.status, 200, done.text);
  for (const id of [one, two]) {
    const { body } = await api.call('GET', `/v1/activity/${id}`);
    assert.equal(body.statement, null);
    const { statement } = body.erased ?? {};
    assert.deepEqual(
      [statement?.reason, statement?.by?.name, statement?.record],
      ['DP-77', 'Ada Admin', done.body.record],
    );
  }
  assert.equal((await api.call('GET', `/v1/activity/${kept}`)).body.statement, 'select other');
  const [erasure] = itemsOf(await api.call('GET', '/v1/activity?type=change&principal=batch&order=desc'));
  assert.deepEqual(
    [erasure?.type, erasure?.reason, erasure?.subject],
    [
      'payload.erased',
      'DP-77',
      { entity: 'payload', id: one, name: `1 text (statement) of ${String(preview.body.day)}` },
    ],
  );
  const again = await api.call('POST', '/v1/payloads/erase', { record: two, reason: 'DP-77' });
  assert.equal(again.status, 404, again.text);
  // The same command later has a text of its own.
  const later = api.run('select secret');
  assert.equal((await api.call('GET', `/v1/activity/${later}`)).body.statement, 'select secret');
  assert.equal((await api.call('GET', `/v1/activity/${one}`)).body.statement, null);
});

test('a principal-day is erased as a whole, unless a legal hold forbids it', async (context) => {
  const api = await scene(context);
  const values: Payload = { kind: 'parameters', data: Buffer.from('[{"text":"7"}]') };
  const id = api.run('select $1', values);
  const { body } = await api.call('GET', `/v1/activity/${id}`);
  const target = { principal: 'batch', day: String(body.time).slice(0, 10), reason: 'test data' };
  const hold = await api.call('POST', '/v1/holds', { principal: 'batch', reason: 'case 17' });
  assert.equal(hold.status, 201, hold.text);
  const refused = await api.call('POST', '/v1/payloads/erase', target);
  assert.deepEqual([refused.status, refused.body.error?.code], [409, 'POSTERN_CONFLICT']);
  assert.equal(itemsOf(await api.call('GET', '/v1/holds')).length, 1);
  await api.call('POST', `/v1/holds/${hold.body.id}/release`, { reason: 'settled' });
  assert.equal(itemsOf(await api.call('GET', '/v1/holds')).length, 0);
  assert.equal(itemsOf(await api.call('GET', '/v1/holds?status=all')).length, 1);
  const done = await api.call('POST', '/v1/payloads/erase', target);
  assert.deepEqual([done.status, done.body.payloads, done.body.kinds], [200, 2, ['parameters', 'statement']]);
  const after = await api.call('GET', `/v1/activity/${id}`);
  assert.deepEqual([after.body.statement, after.body.parameters], [null, null]);
  assert.deepEqual(Object.keys(after.body.erased ?? {}).toSorted(), ['parameters', 'statement']);
});

test('it takes a record, or a principal and a day, and a reason', async (context) => {
  const api = await scene(context);
  const id = api.run('select 1');
  for (const body of [
    {},
    { record: id, principal: 'batch', reason: 'x' },
    { principal: 'batch', reason: 'x' },
    { principal: 'batch', day: 'yesterday', reason: 'x' },
    { principal: 'batch', day: '2026-11-21' },
    { record: id },
    { record: 'not an id', reason: 'x' },
  ]) {
    const answer = await api.call('POST', '/v1/payloads/erase', body);
    assert.equal(answer.status, 400, `${JSON.stringify(body)} ${answer.text}`);
  }
});

test('retention is unset at first, is set in days, and runs on demand', async (context) => {
  const api = await scene(context);
  const unset = await api.call('GET', '/v1/retention');
  assert.deepEqual(unset.body, { statements: null, parameters: null, classifications: {} });
  const set = await api.call('POST', '/v1/retention', { classification: 'public', statements: 1 });
  assert.deepEqual(set.body, {
    statements: null,
    parameters: null,
    classifications: { public: { statements: 1, parameters: null } },
  });
  const run = await api.call('POST', '/v1/retention/run', {});
  assert.deepEqual([run.status, run.body], [200, { erased: [], held: [] }]);
  for (const body of [{}, { statements: 0 }, { statements: '400d' }]) {
    assert.equal((await api.call('POST', '/v1/retention', body)).status, 400);
  }
});
