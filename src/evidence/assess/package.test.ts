/** Packages with an assessment: what is in them, and that it is made again when they are verified. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Bank, tellNights } from '../package.fixture.ts';
import { formatReport, verifyPackage } from '../verify.ts';
import { chooseFramework } from './choose.ts';
import type { Assessment } from './types.ts';

const bank = new Bank();
before(async () => {
  await bank.open();
  tellNights(bank.story);
  await bank.log();
});
after(() => bank.close());

test('a package with a framework has assertions that verification asks again', async () => {
  const { framework, period } = chooseFramework({ framework: 'nist-800-53', period: '2026' });
  const dir = await bank.export({ framework: framework ?? undefined, period: period ?? undefined });
  const assessment = JSON.parse(readFileSync(join(dir, 'assertions.json'), 'utf8')) as Assessment;
  assert.deepEqual(assessment.counts.organizational, 11);
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  assert.equal(report.ok, true, formatReport(report));
});
