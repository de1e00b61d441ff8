import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import type { Ref } from '../core/record.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { Sequencer } from '../ledger/sequencer.ts';
import { LongQuestions } from './long-questions.ts';
import { ActivityQuery } from './query.ts';
import { indexAll, Story } from './story.fixture.ts';

describe('questions that may take long', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-long-'));
  const story = new Story();
  const day = story.time.slice(0, 10);
  let batch: Ref;
  let size = 0;
  let commitment = '';
  before(() => {
    batch = story.people().resource().principal('batch');
    const grant = story.grant(batch);
    const session = story.open(batch, grant, story.credential(batch, grant));
    for (let i = 0; i < 300; i++) story.run(batch, session, grant, 'select', 'a.b', `select ${i % 3}`);
    const writer = JournalWriter.create(join(dir, 'journal'), 'w');
    for (const { record, payloads } of story.told) writer.append(JSON.stringify(record), payloads);
    writer.flush();
    writer.close();
    const payloads = PayloadStore.open(join(dir, 'payloads.db'), DataKeys.of(randomBytes(32)));
    const sequencer = Sequencer.open({ dir, payloads });
    sequencer.step();
    size = sequencer.size;
    sequencer.close();
    indexAll(dir);
    commitment = payloads.put(batch.id, day, 'statement', Buffer.from('select 0')).commitment;
    payloads.close();
  });
  after(() => rmSync(dir, { recursive: true }));

  test('are answered as on the calling thread, and leave it free meanwhile', async () => {
    const long = new LongQuestions(dir);
    const query = ActivityQuery.open(join(dir, 'index.db'));
    let turns = 0;
    const beat = setInterval(() => turns++, 1);
    const answer = await long.ask({ kind: 'summary', filter: { principal: 'batch' } });
    clearInterval(beat);
    assert.deepEqual(answer, query.summary({ principal: 'batch' }));
    assert.equal(answer.commands, 300);
    assert.equal(turns > 0, true);
    query.close();
    await long.close();
  });

  test('say which resources a principal touched on a day, and how many records share a text', async () => {
    const long = new LongQuestions(dir);
    const on = (principal: string, of: string): Promise<readonly string[]> =>
      long.ask({ kind: 'resources', principal, day: of });
    assert.deepEqual(await on(batch.id, day), [story.database.id]);
    assert.deepEqual(await on(batch.id, '2020-01-01'), []);
    assert.deepEqual(await on('nobody', day), []);
    await assert.rejects(on(batch.id, 'yesterday'), { code: 'POSTERN_INVALID' });
    const ask = { kind: 'sharing', principal: batch.id, day, size } as const;
    assert.equal(await long.ask({ ...ask, commitments: [commitment] }), 100);
    assert.equal(await long.ask({ ...ask, commitments: ['00'.repeat(32)] }), 0);
    await long.close();
  });

  test('are refused with what the question itself is refused with', async () => {
    const long = new LongQuestions(dir);
    const asked = long.ask({ kind: 'summary', filter: { principal: 'nobody' } });
    await assert.rejects(asked, { code: 'POSTERN_NOT_FOUND' });
    await long.close();
    await assert.rejects(long.ask({ kind: 'summary', filter: {} }), { code: 'POSTERN_SHUTTING_DOWN' });
  });

  test('are given up after their time, and the next one is answered', async () => {
    // A thread takes longer to begin than this, however fast the machine.
    const long = new LongQuestions(dir, 1);
    await assert.rejects(long.ask({ kind: 'summary', filter: {} }), { code: 'POSTERN_TIMEOUT' });
    await long.close();
    const patient = new LongQuestions(dir);
    const all = Array.from({ length: 40 }, () => patient.ask({ kind: 'summary', filter: {} }));
    const settled = await Promise.allSettled(all);
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 32);
    await patient.close();
  });
});
