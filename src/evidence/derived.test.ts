/** The files that are made from the others: the same each time, and not for the operator to choose. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chooseFramework } from './assess/choose.ts';
import { FILES, type Manifest } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { formatReport, verifyPackage } from './verify.ts';

const asked = () => {
  const { framework, period } = chooseFramework({ framework: 'nist-800-53', period: '2026-Q4' });
  return { framework: framework ?? undefined, period: period ?? undefined };
};

describe('what is derived in a package', () => {
  const bank = new Bank();
  let dir = '';
  before(async () => {
    await bank.open();
    tellNights(bank.story, 3);
    await bank.log();
    dir = await bank.export(asked());
  });
  after(() => bank.close());

  test('is the same bytes in two packages of one log position', async () => {
    const again = await bank.export(asked());
    const files = (of: string): object =>
      (JSON.parse(readFileSync(join(of, FILES.manifest), 'utf8')) as Manifest).files;
    assert.deepEqual(files(again), files(dir));
    assert.equal((await verifyPackage(dir, { vkey: bank.vkey })).ok, true);
  });

  for (const file of [FILES.reportPdf, FILES.workbook, FILES.report]) {
    test(`${file} that the operator changed, and signed for, is found`, async () => {
      const changed = bank.copy(dir);
      const bytes = readFileSync(join(changed, file));
      // Deep in it: a byte of a font, of a sheet, of a sentence.
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      writeFileSync(join(changed, file), bytes);
      bank.sign(changed);
      const report = await verifyPackage(changed, { vkey: bank.vkey });
      assert.equal(report.ok, false);
      assert.ok(
        report.findings.every((finding) => finding.file === file),
        formatReport(report),
      );
    });
  }

  test('is missed where the operator leaves it out', async () => {
    for (const file of [FILES.reportPdf, FILES.workbook]) {
      const changed = bank.copy(dir);
      rmSync(join(changed, file));
      bank.sign(changed);
      const report = await verifyPackage(changed, { vkey: bank.vkey });
      assert.ok(
        report.findings.some((finding) => finding.file === file),
        formatReport(report),
      );
    }
  });
});

test('a system in which nothing has happened has a package too, by a framework and without, and it verifies', async () => {
  const bank = new Bank();
  try {
    await bank.open();
    await bank.log();
    for (const params of [{}, asked()]) {
      const dir = await bank.export(params);
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.equal(report.ok, true, formatReport(report));
    }
  } finally {
    await bank.close();
  }
});

test('hostile texts and statements of 60 KB are in report, PDF and workbook, and obeyed by none', async () => {
  const bank = new Bank();
  try {
    await bank.open();
    const { story } = bank;
    story.people().resource();
    const batch = story.principal(
      'hostile',
      `=cmd|' /C calc'!A0 <img src=x onerror=alert(1)> \u0000\u202e\ud800 ${'x'.repeat(40_000)}`,
    );
    const grant = story.grant(batch, '=1+1\ud800');
    const session = story.open(batch, grant, story.credential(batch, grant));
    story.run(batch, session, grant, 'select', '</script><b>\ud800', `select '${'y'.repeat(60_000)}'`);
    await bank.log();
    const dir = await bank.export(asked());
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.equal(report.ok, true, formatReport(report));
    const html = readFileSync(join(dir, FILES.report), 'utf8');
    assert.doesNotMatch(html, /<img|<script|<b>=/);
    assert.ok(!readFileSync(join(dir, FILES.reportPdf), 'latin1').includes('/JavaScript'));
  } finally {
    await bank.close();
  }
});
