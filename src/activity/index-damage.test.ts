import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { Activity } from './activity.ts';
import { LedgerService } from './ledger-service.ts';
import { Story } from './story.fixture.ts';

test('an index that is damaged while it is in use gives an error that names it and the way out', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-damage-'));
  context.after(() => rmSync(dataDir, { recursive: true }));
  const keys = DataKeys.of(randomBytes(32));
  const writer = JournalWriter.create(join(dataDir, 'journal'), 'worker-0');
  const story = new Story().people().resource();
  const batch = story.principal('batch');
  const grant = story.grant(batch);
  const session = story.open(batch, grant, story.credential(batch, grant));
  const id = story.run(batch, session, grant, 'select', 'ledger.accounts', 'select 1');
  for (const { record, payloads } of story.told) writer.append(JSON.stringify(record), payloads);
  writer.close();
  const service = await LedgerService.start({ dataDir, keys });
  await service.close();

  const activity = Activity.open({ dataDir, keys });
  context.after(() => activity.close());
  const file = join(dataDir, 'index.db');
  // The first page stays: what follows is overwritten beneath those who have it open.
  writeFileSync(file, readFileSync(file).fill(0xff, 4096), { flag: 'r+' });
  const named = (error: unknown): boolean =>
    error instanceof PosternError &&
    error.code === 'POSTERN_INTERNAL' &&
    error.message.startsWith('The activity index is damaged: index.db') &&
    (error.hint ?? '').includes('postern ledger rebuild-index');
  assert.throws(() => activity.query({ principal: 'batch' }), named);
  assert.throws(() => activity.record(id), named);
  await assert.rejects(activity.summary({ principal: 'batch' }), named);
});
