import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { RecordBase, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { PublishedLog } from '../ledger/published-log.ts';
import { FILES } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

describe('alerts in evidence', () => {
  let bank: Bank;
  let nights: Nights;
  let leaves: readonly LeafRecord[];

  beforeEach(async () => {
    bank = new Bank();
    await bank.open();
    nights = tellNights(bank.story);
    await bank.log();
    const entries = [...new PublishedLog(join(bank.dataDir, 'log')).leaves(0, Number.MAX_SAFE_INTEGER)];
    leaves = entries.map(({ entry }) => JSON.parse(entry.toString()) as LeafRecord);
  });
  afterEach(() => bank.close());

  const leafOf = (type: RecordBase['type'], principal: Ref): number =>
    leaves.findIndex((record) => record.type === type && record.principal?.id === principal.id);

  /** As Postern would raise it, and somebody closes it. */
  function tell(named: readonly number[], more: object = {}): string {
    const { story } = bank;
    const raised = {
      ...{ id: uuidv7(), rule: 'denials', parameters: { count: 1, minutes: 5 }, principal: nights.batch },
      ...{ owner: story.olaf, resource: story.database, values: ['1 in <5> minutes'], leaves: named },
      ...{ count: 3, firstAt: story.time, lastAt: story.time, lastFound: Math.max(...named) },
      ...{ status: 'open', acknowledged: null, disposition: null, createdAt: story.time, ...more },
    };
    const system = { kind: 'system', id: uuidv7(), name: 'postern' } as const;
    const change = { entity: 'alert', id: raised.id, before: null, after: raised };
    story.tell('alert.raised', system, nights.batch, { change });
    const said = { by: story.ana, at: story.time, reason: 'a <release>', suspended: false, grants: [] };
    const after = { ...raised, status: 'closed', disposition: { kind: 'explained', ...said } };
    const closed = { entity: 'alert', id: raised.id, before: raised, after };
    story.tell('alert.explained', story.admin, nights.batch, { change: closed });
    return raised.id;
  }

  test('are a population with what was found and what became of it, and a section of the report; they verify', async () => {
    const denied = leafOf('command.denied', nights.batch);
    const id = tell([denied]);
    await bank.log();
    for (const params of [{}, { principal: 'nightly-ledger-batch' }]) {
      const folder = await bank.export(params);
      assert.deepEqual((await verifyPackage(folder, { vkey: bank.vkey })).findings, []);
      const [row] = readFileSync(join(folder, 'populations/alerts.ndjson'), 'utf8').trim().split('\n');
      const { lastLeaf, lastFound, leaves: named, ...alert } = JSON.parse(row ?? '');
      assert.deepEqual(
        [alert.id, alert.disposition.kind, named, lastFound],
        [id, 'explained', [denied], denied],
      );
      assert.ok(lastLeaf > denied, 'the leaf that closed it');
      assert.match(readFileSync(join(folder, 'populations/alerts.csv'), 'utf8'), /explained/);
      const report = readFileSync(join(folder, FILES.report), 'utf8');
      assert.match(report, /1 raised; 0 that nobody looked at, .* 1 closed: 1 explained/);
      assert.match(report, /was refused many times: 1 in &lt;5&gt; minutes/);
      assert.doesNotMatch(report, /<release>/);
    }
    const other = await bank.export({ principal: 'reporting' });
    assert.equal(readFileSync(join(other, 'populations/alerts.ndjson'), 'utf8'), '', 'nothing of another');
    assert.deepEqual((await verifyPackage(other, { vkey: bank.vkey })).findings, []);
  });

  const forged: readonly (readonly [string, () => readonly number[], object, RegExp])[] = [
    [
      'a record of another principal',
      () => [leafOf('session.opened', nights.other)],
      {},
      /somebody else|not in/,
    ],
    ['a record of nobody', () => [0], {}, /somebody else|not in the package/],
    ['a leaf that is not there', () => [900_000], {}, /not in the package/],
    [
      'a leaf after it was found',
      () => [leafOf('command.denied', nights.batch)],
      { lastFound: 3 },
      /comes after/,
    ],
    ['a record of another kind', () => [leafOf('session.opened', nights.batch)], {}, /session\.opened/],
  ];
  for (const [what, named, more, message] of forged) {
    test(`that name ${what} are found, by whoever they were written`, async () => {
      const id = tell(named(), more);
      await bank.log();
      for (const params of [{}, { principal: 'nightly-ledger-batch' }]) {
        const report = await verifyPackage(await bank.export(params), { vkey: bank.vkey });
        assert.equal(report.ok, false);
        const found = report.findings.find(({ file }) => file === 'populations/alerts.ndjson');
        assert.match(found?.message ?? '', message);
        assert.equal(found?.record, id);
      }
    });
  }
});
