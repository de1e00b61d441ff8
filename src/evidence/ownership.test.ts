import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

const SYSTEM = { kind: 'system', id: 'postern', name: 'postern' } as const;

describe('who answers for principals, in a package', () => {
  const bank = new Bank();
  let full = '';
  let single = '';

  const change = (
    type: 'principal.updated' | 'person.disabled',
    entity: string,
    ref: Ref,
    over: object,
  ): void => {
    const { story } = bank;
    const before = story.last(entity, ref.id);
    story.tell(type, SYSTEM, entity === 'principal' ? ref : null, {
      change: { entity, id: ref.id, before, after: { ...before, ...over } },
    });
  };
  const notice = (principal: Ref, to: Ref | null): void => {
    const { story } = bank;
    const id = uuidv7();
    const text = `${story.olaf.name}, owner of <${principal.name}>, was disabled.`;
    const said = { id, principal, kind: 'owner_left', to, text, effectiveAt: story.time, status: 'open' };
    const made = { ...said, endReason: null, endedAt: null, createdAt: story.time };
    story.tell('notice.given', SYSTEM, principal, {
      change: { entity: 'notice', id, before: null, after: made },
    });
  };

  before(async () => {
    await bank.open();
    const { story } = bank;
    const { batch } = tellNights(story);
    const idle = story.principal('idle-since-ever');
    const lone = story.principal('without-backup');
    const gone = story.principal('suspended-one');
    change('principal.updated', 'principal', lone, {
      backupOwner: null,
      activeSince: '2099-01-01T00:00:00.000000Z',
    });
    change('principal.updated', 'principal', gone, { status: 'suspended', backupOwner: null });
    change('principal.updated', 'principal', batch, {
      ...{ owner: story.olaf, backupOwner: story.ana },
      ...{ tags: { team: '<ledger>' }, sponsor: 'Vendor <Inc.>', rehomeBy: '2026-12-05T00:00:00.000000Z' },
    });
    const long = '2020-01-01T00:00:00.000000Z';
    change('principal.updated', 'principal', idle, { activeSince: long, createdAt: long });
    change('person.disabled', 'person', story.olaf, { status: 'disabled' });
    notice(batch, story.ana);
    notice(idle, null);
    const policy = { id: 'lifecycle', rehomeDays: 14, unusedDays: 400 };
    story.tell('config.changed', story.admin, null, {
      change: { entity: 'lifecycle', id: 'lifecycle', before: null, after: policy },
    });
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: 'nightly-ledger-batch' });
  });
  after(() => bank.close());

  const rows = (dir: string, population: string): Readonly<Record<string, unknown>>[] =>
    readFileSync(join(dir, 'populations', `${population}.ndjson`), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);

  test('the inventory says owner, backup owner, sponsor, tags, last use and until when it must be re-homed', () => {
    const batch = rows(full, 'principals').find(({ name }) => name === 'nightly-ledger-batch');
    assert.deepEqual(batch?.tags, { team: '<ledger>' });
    assert.deepEqual([batch?.sponsor, batch?.rehomeBy], ['Vendor <Inc.>', '2026-12-05T00:00:00.000000Z']);
    assert.match(String(batch?.lastUsedAt), /^20/);
    const idle = rows(full, 'principals').find(({ name }) => name === 'idle-since-ever');
    assert.equal(idle?.lastUsedAt, null);
    const [head = ''] = readFileSync(join(full, 'populations', 'principals.csv'), 'utf8').split('\r\n');
    for (const column of ['owner', 'backupOwner', 'sponsor', 'tags', 'lastUsedAt', 'rehomeBy']) {
      assert.ok(head.split(',').includes(column), column);
    }
  });

  test('the report names who is disabled, who is missing and what nobody uses, and only of those that are active', () => {
    const report = readFileSync(join(full, FILES.report), 'utf8');
    assert.match(report, /<b>without-backup<\/b><\/td><td>no-backup-owner<\/td>/);
    assert.match(
      report,
      /<b>nightly-ledger-batch<\/b><\/td><td>owner-disabled<\/td><td>Olaf Owner, who answers for it/,
    );
    assert.match(
      report,
      /<b>idle-since-ever<\/b><\/td><td>unused<\/td><td>Not used for more than 400 days \(never used\)/,
    );
    assert.equal(report.match(/<td>unused<\/td>/g)?.length, 1);
    assert.ok(!/<b>suspended-one<\/b><\/td><td>(no-|owner-|unused)/.test(report));
    assert.match(report, /Vendor &lt;Inc\.&gt;/);
    assert.match(report, /team=&lt;ledger&gt;/);
    assert.match(report, /suspended at 2026-12-05 00:00:00 UTC unless re-homed/);
    assert.match(report, /owner of &lt;nightly-ledger-batch&gt;, was disabled/);
  });

  test('a package about one principal has its notices and the policy, and nothing of others', async () => {
    assert.deepEqual(
      rows(single, 'notices').map(({ principal }) => (principal as Ref).name),
      ['nightly-ledger-batch'],
    );
    assert.equal(rows(full, 'notices').length, 2);
    assert.match(readFileSync(join(single, FILES.report), 'utf8'), /owner-disabled/);
    assert.ok(!readFileSync(join(single, FILES.leaves), 'utf8').includes('idle-since-ever'));
  });

  test('both packages verify', async () => {
    for (const dir of [full, single]) {
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.deepEqual(report.findings, []);
      assert.ok(report.ok);
    }
  });
});
