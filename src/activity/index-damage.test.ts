import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { RECORD_TYPES } from '../core/record.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { Activity } from './activity.ts';
import { LedgerService } from './ledger-service.ts';
import { INDEX_VERSION, indexVersion, openIndex } from './schema.ts';
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

test('an index that was made with other types of records, or in another order, is made anew', (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-catalogue-'));
  context.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'index.db');
  const rows = (version: number): number => {
    const made = openIndex(file);
    made.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('size', 1)");
    made.exec(`PRAGMA user_version = ${version}`);
    made.close();
    const opened = openIndex(file);
    const { n } = opened.prepare('SELECT count(*) AS n FROM meta').get() as { n: number };
    opened.close();
    const db = new DatabaseSync(file, { readOnly: true });
    assert.equal(db.prepare('PRAGMA user_version').get()?.user_version, INDEX_VERSION);
    db.close();
    return n;
  };
  assert.equal(rows(INDEX_VERSION), 1, 'its own is kept');
  const [first, second, ...rest] = RECORD_TYPES;
  for (const other of [
    [first, 'another.type', second, ...rest],
    [second, first, ...rest],
    [...RECORD_TYPES, 'another.type'],
    RECORD_TYPES.slice(0, -1),
  ]) {
    assert.equal(rows(indexVersion(other)), 0);
  }
});
