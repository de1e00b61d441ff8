import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cosign, formatWitnessKey, generateWitnessKey } from '../ledger/cosignature.ts';
import type { PrivateKey } from '../ledger/keys.ts';
import { splitNote } from '../ledger/note.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { formatReport, type Report, verifyPackage } from './verify.ts';

const TIME = 1_795_000_000;
const audit = generateWitnessKey('audit.bank.example/w');
const regulator = generateWitnessKey('regulator.example/w');
const cosignedBy = (note: string, ...keys: PrivateKey[]): string =>
  note + keys.map((key) => cosign(splitNote(note).text, key, TIME)).join('');
const policyOf = (vkeys: string, quorum: string): string =>
  [
    ...vkeys.split('\n').map((vkey) => `log ${vkey}`),
    `witness audit ${formatWitnessKey(audit)}`,
    `witness regulator ${formatWitnessKey(regulator)}`,
    'group both all audit regulator',
    `quorum ${quorum}\n`,
  ].join('\n');
const wrong = (report: Report): string[] =>
  report.findings.map(({ check, message }) => `${check}: ${message}`);

describe('witnesses in a package', () => {
  const bank = new Bank();
  let early = '';
  let last = '';
  before(async () => {
    await bank.open();
    tellNights(bank.story);
    early = await bank.log();
    bank.story.principal('later');
    last = await bank.log();
  });
  after(() => bank.close());

  test('a cosigned checkpoint is the checkpoint of the package, and each who cosigned is named', async () => {
    const policy = policyOf(bank.vkey, 'both');
    const dir = await bank.export({}, undefined, { asOf: cosignedBy(last, audit, regulator), policy });
    const report = await verifyPackage(dir, { vkey: bank.vkey, policy });
    assert.deepEqual(wrong(report), []);
    assert.deepEqual(report.witnesses, {
      policy: 'given',
      met: true,
      cosigned: [
        { witness: 'audit', key: audit.name, time: TIME },
        { witness: 'regulator', key: regulator.name, time: TIME },
      ],
      absent: [],
      earlier: null,
    });
    const text = formatReport(report);
    assert.match(text, /your policy is met by the checkpoint/);
    assert.match(text, /audit \(audit\.bank\.example\/w\) cosigned it at 2026-11-18T/);
    const own = formatReport(await verifyPackage(dir, { vkey: bank.vkey }));
    assert.match(own, /the package's own policy is met[\s\S]*whom the operator chose/);
  });

  test('a policy that is given must be met; that of the package is only reported', async () => {
    const policy = policyOf(bank.vkey, 'both');
    const dir = await bank.export({}, undefined, { asOf: cosignedBy(last, audit), policy });
    const own = await verifyPackage(dir, { vkey: bank.vkey });
    assert.deepEqual([own.ok, own.witnesses?.policy, own.witnesses?.met], [true, 'package', false]);
    assert.match(formatReport(own), /the package's own policy is NOT met[\s\S]*regulator did not cosign it/);
    const given = await verifyPackage(dir, { vkey: bank.vkey, policy });
    assert.match(wrong(given).join(), /not met: no cosignature of regulator/);
    assert.equal((await verifyPackage(dir, { policy: policyOf(bank.vkey, 'audit') })).ok, true);
  });

  test('a policy for another log is not met by this one, whoever cosigned', async () => {
    const other = new Bank();
    await other.open();
    const policy = policyOf(other.vkey, 'audit');
    await other.close();
    const dir = await bank.export({}, undefined, { asOf: cosignedBy(last, audit) });
    assert.match(
      wrong(await verifyPackage(dir, { policy })).join(),
      /not met: the log is not one of the policy/,
    );
  });

  test('where only an earlier checkpoint is cosigned, the log is proven to continue it, and the rest is said to be unseen', async () => {
    const policy = policyOf(bank.vkey, 'both');
    const dir = await bank.export({}, undefined, { cosigned: cosignedBy(early, audit, regulator), policy });
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.deepEqual(wrong(report), []);
    const { size } = report.log ?? { size: 0 };
    assert.equal(report.witnesses?.earlier, size - 1);
    const given = await verifyPackage(dir, { vkey: bank.vkey, policy });
    assert.match(wrong(given).join(), new RegExp(`met for the first ${size - 1} of ${size} leaves`));
    const both = await bank.export({}, early, { cosigned: cosignedBy(early, audit), policy });
    assert.equal((await verifyPackage(both)).ok, true);
  });

  test('a forged cosignature of a witness of the policy is named, even where the operator signs the package again', async () => {
    const policy = policyOf(bank.vkey, 'audit');
    const dir = bank.copy(await bank.export({}, undefined, { policy }));
    const line = cosign(splitNote(early).text, audit, TIME);
    appendFileSync(join(dir, FILES.checkpoint), line);
    bank.sign(dir);
    for (const options of [{}, { policy }]) {
      const report = await verifyPackage(dir, options);
      assert.match(wrong(report).join(), /cosignature of audit\.bank\.example\/w does not fit/);
    }
  });

  test('a policy that is none is a finding in the package, and an error of the caller', async () => {
    const dir = bank.copy(await bank.export({}, undefined, { policy: 'quorum none\n' }));
    assert.equal((await verifyPackage(dir)).witnesses?.met, true);
    writeFileSync(join(dir, FILES.policy), 'quorum\n');
    bank.sign(dir);
    assert.match(wrong(await verifyPackage(dir)).join(), /Line 1 of the witness policy/);
    await assert.rejects(verifyPackage(dir, { policy: 'x' }), { code: 'POSTERN_INVALID' });
  });
});

describe('a package across a change of the signing key', () => {
  const bank = new Bank();
  before(() => bank.open());
  after(() => bank.close());

  test('is verified by the old key in the overlap, by the new one then and later, and by both held together', async () => {
    tellNights(bank.story);
    const early = await bank.log();
    const old = bank.vkey;
    await bank.rotateKey(86_400_000);
    const [fresh = ''] = bank.vkey.split('\n');
    const overlap = await bank.export({}, early);
    for (const vkey of [old, fresh, bank.vkey, undefined]) {
      const report = await verifyPackage(overlap, { vkey, checkpoint: vkey === fresh ? undefined : early });
      assert.deepEqual(wrong(report), []);
    }
    assert.match(
      formatReport(await verifyPackage(overlap)),
      new RegExp(`key +.{20,}\n +${old.slice(0, 20)}`),
    );
    await bank.rotateKey(0);
    bank.story.principal('after');
    await bank.log();
    const later = await bank.export({});
    const [newest = '', ...others] = readFileSync(join(later, FILES.vkey), 'utf8').trim().split('\n');
    assert.deepEqual(others, []);
    assert.deepEqual(wrong(await verifyPackage(later, { vkey: newest })), []);
    assert.match(wrong(await verifyPackage(later, { vkey: old })).join(), /not signed by a known key/);
    // Who holds the old key and checkpoint gives both keys: the log continues what the old one signed.
    const held = await verifyPackage(later, { vkey: `${newest}\n${old}`, checkpoint: early });
    assert.deepEqual(wrong(held), []);
  });
});
