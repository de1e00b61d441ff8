import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

describe('the report says of emergencies', () => {
  const bank = new Bank();
  let batch: Ref;

  /** An emergency whose review came to this; null: it has none. */
  const emergency = (why: string, reviewBy: string, item: object | null): void => {
    const { story } = bank;
    const grant = story.grant(batch, 'CHG-9');
    const state = story.last('grant', grant) as { authority: object };
    const authority = { ...state.authority, kind: 'emergency', reviewBy, justification: why };
    const made = (entity: string, id: string, body: object) => ({
      change: { entity, id, before: null, after: body },
    });
    story.tell('grant.activated', story.admin, batch, made('grant', grant, { ...state, authority }));
    if (item === null) return;
    const review = { id: uuidv7(), name: `emergency-${grant.slice(-12)}` };
    const about = { grant, principal: batch };
    story.tell(
      'review.opened',
      story.admin,
      batch,
      made('review', review.id, { ...review, emergency: about }),
    );
    const id = uuidv7();
    const body = { id, review, principal: batch, grant, status: 'open', decision: null, ...item };
    story.tell('review.opened', story.admin, batch, made('review_item', id, body));
  };
  const decided = (kind: string) => ({
    status: 'decided',
    decision: { kind, by: bank.story.ana, at: '2026-01-01T00:00:00.000000Z', reason: `<${kind}>` },
  });

  before(async () => {
    await bank.open();
    ({ batch } = tellNights(bank.story));
    emergency('early', '2020-01-02T00:00:00.000000Z', { status: 'open' });
    emergency('soon', '2999-01-02T00:00:00.000000Z', { status: 'open' });
    emergency('fine', '2020-01-02T00:00:00.000000Z', decided('keep'));
    emergency('wrong', '2020-01-02T00:00:00.000000Z', decided('revoke'));
    emergency('gone', '2020-01-02T00:00:00.000000Z', { status: 'lapsed' });
    emergency('forgotten', '2020-01-02T00:00:00.000000Z', null);
    await bank.log();
  });
  after(() => bank.close());

  test('what was found of each, and which were late or not in order, in both packages', async () => {
    for (const params of [{}, { principal: 'nightly-ledger-batch' }]) {
      const folder = await bank.export(params);
      assert.deepEqual((await verifyPackage(folder, { vkey: bank.vkey })).findings, []);
      const report = readFileSync(join(folder, FILES.report), 'utf8');
      const section = /<h2>Emergencies<\/h2>[\s\S]*?<h2>/.exec(report)?.[0] ?? '';
      assert.match(section, /Of 6, 4 were not reviewed in time, or not in order/);
      const verdicts = {
        early: 'late',
        soon: '<td>waits',
        fine: '<td>in order',
        wrong: 'not in order',
        gone: 'nobody decided: suspended',
        forgotten: 'there is no review',
      };
      for (const [why, verdict] of Object.entries(verdicts)) {
        const row = section.split('<tr>').find((each) => each.includes(`>${why}<`)) ?? '';
        assert.ok(row.includes(verdict), `${why}: ${row}`);
      }
      assert.match(section, /&lt;revoke&gt;/);
      assert.match(readFileSync(join(folder, 'populations', 'reviews.csv'), 'utf8'), /,emergency,/);
    }
  });
});
