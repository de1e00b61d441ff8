/** OSCAL files in packages: that they follow from the log, whoever holds its key. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chooseFramework } from '../assess/choose.ts';
import { writeFramework } from '../assess/framework-file.ts';
import { builtInFramework } from '../assess/library.ts';
import { Bank, tellNights } from '../package.fixture.ts';
import { formatReport, verifyPackage } from '../verify.ts';

const bank = new Bank();
let whole = '';
before(async () => {
  await bank.open();
  tellNights(bank.story);
  await bank.log();
  const { framework, period } = chooseFramework({ framework: 'nist-800-53', period: '2026' });
  whole = await bank.export({ framework: framework ?? undefined, period: period ?? undefined });
});
after(() => bank.close());

const RESULTS = 'oscal/assessment-results.json';

async function problems(dir: string): Promise<string> {
  bank.sign(dir);
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  return report.ok ? '' : formatReport(report);
}

test('a package by a framework has OSCAL files, which are the same when it is verified', async () => {
  for (const name of ['component-definition', 'assessment-plan', 'assessment-results'])
    assert.ok(existsSync(join(whole, `oscal/${name}.json`)), name);
  assert.equal(await problems(bank.copy(whole)), '');
});

test('the operator with the key who changes a result in OSCAL, or drops or adds a file of it, is found', async () => {
  const changed = bank.copy(whole);
  const text = readFileSync(join(changed, RESULTS), 'utf8');
  writeFileSync(join(changed, RESULTS), text.replace('"outcome"', '"verdict"'));
  assert.match(await problems(changed), /assessment-results\.json.*not what follows/s);
  const added = bank.copy(whole);
  writeFileSync(join(added, 'oscal/profile.json'), '{}');
  assert.match(await problems(added), /oscal\/profile\.json.*Nothing that follows/s);
});

test('the operator who leaves out of a framework what fails, and keeps its name, is found', async () => {
  const { framework, period } = chooseFramework({ framework: 'nist-800-53', period: '2026' });
  const weaker = builtInFramework('nist-800-53');
  const text = writeFramework({ ...weaker, controls: weaker.controls.slice(1) });
  assert.ok(framework && period);
  const ref = { ...framework.ref, sha256: hash('sha256', text) };
  const dir = await bank.export({ framework, period });
  writeFileSync(join(dir, 'framework.json'), text);
  bank.sign(dir, (manifest) => ({ ...manifest, parameters: { ...manifest.parameters, framework: ref } }));
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  assert.equal(report.ok, false);
  assert.match(formatReport(report), /framework\.json.*is not the framework nist-800-53 of this version/s);
});

test('a framework of the institution cannot pass for one of Postern', () => {
  const frameworkText = readFileSync(new URL('../frameworks/nist-800-53.yaml', import.meta.url), 'utf8');
  assert.throws(() => chooseFramework({ frameworkText, period: '2026' }), { code: 'POSTERN_INVALID' });
});
