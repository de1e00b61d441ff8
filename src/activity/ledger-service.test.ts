import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { parseVerifierKey } from '../ledger/note.ts';
import { Activity } from './activity.ts';
import { LedgerService } from './ledger-service.ts';
import { Story } from './story.fixture.ts';

describe('ledger service', () => {
  const keys = DataKeys.of(randomBytes(32));
  let dataDir = '';
  let service: LedgerService;
  let writer: JournalWriter;
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'postern-service-'));
    writer = JournalWriter.create(join(dataDir, 'journal'), 'worker-0');
    service = await LedgerService.start({ dataDir, keys });
  });
  afterEach(async () => {
    await service.close();
    writer.close();
    rmSync(dataDir, { recursive: true });
  });
  const journal = (story: Story, into = writer): void => {
    for (const { record, payloads } of story.told.splice(0)) into.append(JSON.stringify(record), payloads);
    into.flush();
  };

  test('after a flush everything journalled before it is indexed, readable and under a signed checkpoint', async () => {
    const story = new Story().people().resource();
    const batch = story.principal('batch');
    const grant = story.grant(batch);
    const session = story.open(batch, grant, story.credential(batch, grant));
    const id = story.run(batch, session, grant, 'select', 'ledger.accounts', "select 'Müller'");
    const told = story.told.length;
    journal(story);
    const { size } = await service.flush();
    assert.equal(size, told + 1);
    const status = service.status();
    const checkpoint = openCheckpoint(status.checkpoint, parseVerifierKey(status.vkey));
    assert.deepEqual(
      [checkpoint.size, checkpoint.root.toString('base64'), checkpoint.origin],
      [size, status.root, status.origin],
    );
    assert.equal(readFileSync(join(dataDir, 'log', 'checkpoint'), 'utf8'), status.checkpoint);

    const activity = Activity.open({ dataDir, keys });
    const detail = activity.record(id);
    assert.equal(detail.statement, "select 'Müller'");
    assert.equal(detail.parameters, null);
    assert.equal((detail.record as { leaf: number }).leaf, detail.leaf);
    assert.equal((detail.outcome as { intent: string }).intent, id);
    assert.equal((await activity.summary({ principal: 'batch' })).commands, 1);
    for (const unknown of ['', 'x', '00000000-0000-7000-8000-000000000000', "' OR 1=1"]) {
      assert.throws(() => activity.record(unknown), { code: 'POSTERN_NOT_FOUND' });
    }
    await activity.close();
  });

  test('concurrent flushes all resolve, and what is journalled at closing is in the log at the next start', async () => {
    const story = new Story().people();
    journal(story);
    const sizes = await Promise.all(Array.from({ length: 20 }, () => service.flush()));
    assert.deepEqual(new Set(sizes.map(({ size }) => size)), new Set([3]));
    story.resource();
    journal(story);
    await service.close();
    service = await LedgerService.start({ dataDir, keys });
    assert.equal(service.status().size, 4);
  });

  test('an index that is lost, or ahead of its log, is rebuilt from the log at start', async () => {
    const story = new Story().people().resource();
    journal(story);
    await service.flush();
    await service.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(dataDir, `index.db${suffix}`), { force: true });
    service = await LedgerService.start({ dataDir, keys });
    const activity = Activity.open({ dataDir, keys });
    assert.equal(activity.query({ type: 'change' }).items.length, 3);
    await activity.close();
    await service.close();

    for (const part of ['log', 'journal', 'payloads.db']) rmSync(join(dataDir, part), { recursive: true });
    service = await LedgerService.start({ dataDir, keys });
    const empty = Activity.open({ dataDir, keys });
    assert.equal(empty.query({ type: 'change' }).items.length, 0);
    empty.close();
  });

  test('a damaged journal is a fault in the status; other journals go on', async () => {
    const faults: (string | null)[] = [];
    service.onFault((fault) => faults.push(fault));
    const story = new Story().people();
    journal(story);
    await service.flush();
    const other = JournalWriter.create(join(dataDir, 'journal'), 'worker-1');
    journal(new Story().people(), other);
    await service.flush();
    const bad = readFileSync(other.path).subarray(-40);
    bad[20] = (bad[20] ?? 0) ^ 1;
    appendFileSync(other.path, Buffer.concat([Buffer.from([0, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8]), bad]));
    await assert.rejects(() => service.flush(), { code: 'POSTERN_AUDIT_UNAVAILABLE' });
    assert.match(service.status().fault ?? '', /worker-1/);
    assert.equal(faults.length > 0, true);
    const size = service.status().size;
    journal(story.resource());
    service.wake();
    await assert.rejects(() => service.flush());
    const activity = Activity.open({ dataDir, keys });
    assert.equal(activity.query({ type: 'change', resource: 'ledger-db' }).items.length, 1);
    assert.equal(service.status().size >= size, true);
    await activity.close();
    other.close();
  });

  test('a log that cannot be opened fails the start with the reason', async () => {
    await service.close();
    rmSync(join(dataDir, 'log', 'log.key'));
    await assert.rejects(() => LedgerService.start({ dataDir, keys }), /log\.key/);
    rmSync(join(dataDir, 'log'), { recursive: true });
    service = await LedgerService.start({ dataDir, keys });
  });
});
