/** Packages with an assessment: what is in them, that verification asks again, and that the operator with the key gets nothing past it. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assessLog } from '../assess-log.ts';
import { folderHost } from '../folder-files.ts';
import type { Manifest } from '../format.ts';
import { Bank, tellNights } from '../package.fixture.ts';
import { formatReport, type Report, verifyPackage } from '../verify.ts';
import { verifyOn } from '../verify-package.ts';
import { chooseFramework, type FrameworkChoice } from './choose.ts';
import type { Assessment } from './types.ts';

const PARAMETERS = `parameters:
  inactive-days: 90
  privileged-verbs: [insert]
  privileged-principals: [nightly-ledger-batch]
`;
const bank = new Bank();
let whole = '';

const params = (choice: FrameworkChoice) => {
  const { framework, period } = chooseFramework(choice);
  return { framework: framework ?? undefined, period: period ?? undefined };
};
const NIST = { framework: 'nist-800-53', period: '2026-Q4' };
const read = (dir: string): Assessment =>
  JSON.parse(readFileSync(join(dir, 'assertions.json'), 'utf8')) as Assessment;

function set(text: string, revision: number): void {
  const { story } = bank;
  const after = { id: 'parameters', revision, text, sha256: hash('sha256', text) };
  story.tell('parameters.changed', story.admin, null, {
    change: { entity: 'parameters', id: 'parameters', before: null, after },
  });
}

before(async () => {
  await bank.open();
  tellNights(bank.story);
  set(PARAMETERS, 1);
  await bank.log();
  whole = await bank.export(params(NIST));
});
after(() => bank.close());

/** What verification says of a package that the operator changed and signed anew. */
async function forged(
  change: (dir: string) => void,
  sign?: (manifest: Manifest) => Manifest,
): Promise<Report> {
  const dir = bank.copy(whole);
  change(dir);
  bank.sign(dir, sign);
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  rmSync(dir, { recursive: true });
  assert.equal(report.ok, false);
  return report;
}
const edit = (dir: string, path: string, is: string, becomes: string): void => {
  const text = readFileSync(join(dir, path), 'utf8');
  assert.ok(text.includes(is), `${path} has ${is}`);
  writeFileSync(join(dir, path), text.replace(is, becomes));
};
const files = (report: Report): string[] => [...new Set(report.findings.map(({ file }) => file))];

test('a package with a framework has assertions with the rows that fail, and verification asks all of them again', async () => {
  const { results, counts, parameters, parametersFrom, asOf } = read(whole);
  const report = await verifyPackage(whole, { vkey: bank.vkey });
  assert.equal(report.ok, true, formatReport(report));
  const check = report.checks.find(({ name }) => name.startsWith('assertions'));
  assert.match(check?.detail ?? '', /^\d+ asked again, by nist-800-53$/);
  assert.equal(
    Object.values(counts).reduce((a, b) => a + b),
    results.length,
  );
  const failed = results.find(({ objective }) => objective === 'ac-6.5_obj');
  assert.equal(failed?.outcome, 'fail');
  assert.deepEqual(
    failed?.failing.map(({ principal }) => principal),
    ['reporting'],
  );
  const unset = results.find(({ objective }) => objective === 'ac-2_obj.j');
  assert.deepEqual(
    [unset?.outcome, unset?.reason],
    ['not_evaluable', 'The institution has not set review-interval-days.'],
  );
  assert.equal(parameters.find(({ id }) => id === 'inactive-days')?.value, 90);
  assert.equal(parametersFrom?.by, 'Ana Admin');
  assert.equal(parametersFrom?.sha256, hash('sha256', PARAMETERS));
  assert.equal(readFileSync(join(whole, 'parameters.yaml'), 'utf8'), PARAMETERS);
  assert.equal(asOf.time, bank.story.time);
});

test('the same log, framework and period give the same files, but for what says when and who', async () => {
  const again = await bank.export(params(NIST));
  const sums = (dir: string) =>
    (JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest).files;
  assert.deepEqual(sums(again), sums(whole));
});

test('an assessment without a package says the same as the package', async () => {
  const { dataDir, dir } = bank;
  assert.deepEqual(await assessLog({ dataDir, params: params(NIST), workDir: dir }), read(whole));
});

test('the operator changes an outcome, a count, a failing row, a parameter or the text of a query: each is named', async () => {
  for (const [is, becomes] of [
    ['"outcome": "fail"', '"outcome": "pass"'],
    ['"failingCount": 1', '"failingCount": 0'],
    ['"principal": "reporting"', '"principal": "rep0rting"'],
    ['"value": 90', '"value": 900'],
    ['"pass":', '"pass": 1'],
    ['select count(*)', 'select COUNT(*)'],
  ] as const) {
    const report = await forged((dir) => edit(dir, 'assertions.json', is, becomes));
    // The report shows the assertions of the package.
    assert.deepEqual(
      files(report).filter((file) => file !== 'report.html'),
      ['assertions.json'],
      is,
    );
  }
});

test('the operator changes the framework or the parameters along with what follows: the log has others', async () => {
  const other = await forged(
    (dir) => edit(dir, 'framework.json', '"asserts": "', '"asserts": "Not that: '),
    (manifest) => ({
      ...manifest,
      parameters: {
        ...manifest.parameters,
        framework: {
          ...(manifest.parameters.framework as NonNullable<Manifest['parameters']['framework']>),
          sha256: manifest.files.find(({ path }) => path === 'framework.json')?.sha256 ?? '',
        },
      },
    }),
  );
  assert.match(JSON.stringify(other.findings), /It is not the framework nist-800-53 of this version/);
  const posing = await forged(
    () => undefined,
    ({ parameters, ...rest }) => {
      const framework = { ...(parameters.framework as object), own: true } as never;
      return { ...rest, parameters: { ...parameters, framework } };
    },
  );
  assert.match(JSON.stringify(posing.findings), /own is not called nist-800-53/);
  const unnamed = await forged((dir) =>
    edit(dir, 'framework.json', '"asserts": "', '"asserts": "Not that: '),
  );
  assert.deepEqual(files(unnamed), ['framework.json']);
  const lenient = await forged((dir) => edit(dir, 'parameters.yaml', '90', '9000'));
  assert.deepEqual(files(lenient), ['parameters.yaml']);
});

test('the operator states another period, leaves the assertions out, or puts some into a package that has none', async () => {
  const shorter = await forged(
    () => undefined,
    (manifest) => {
      const period = { ...(manifest.parameters.period as object), until: '2026-11-01T00:00:00.000000Z' };
      return { ...manifest, parameters: { ...manifest.parameters, period: period as never } };
    },
  );
  assert.ok(files(shorter).includes('assertions.json'));
  const gone = await forged((dir) => rmSync(join(dir, 'assertions.json')));
  assert.match(JSON.stringify(gone.findings), /leaves out assertions.json/);
  const plain = await bank.export({});
  for (const path of ['assertions.json', 'parameters.yaml']) {
    const dir = bank.copy(plain);
    writeFileSync(join(dir, path), readFileSync(join(whole, path)));
    bank.sign(dir);
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.deepEqual([report.ok, files(report)], [false, [path]]);
  }
});

test('where nothing can be asked, as in a browser, verification says which files it only held to their hashes', async () => {
  const { derive: _, ...host } = folderHost(whole);
  const report = await verifyOn(host, { vkey: bank.vkey });
  assert.equal(report.ok, true, formatReport(report));
  const check = report.checks.find(({ name }) => name.startsWith('assertions'));
  assert.match(check?.detail ?? '', /not asked again here: assertions.json/);
});

const OURS = `id: ours
title: Ours
version: '1'
source: https://example.org/
controls:
  - id: c-1
    title: One
    objectives:
      - id: c-1.a
        kind: assertion
        asserts: Nobody reports.
        query:
          when: end
          populations: [principals_end]
          examined: select count(*) from principals_end
          rows: select lastLeaf as leaf, id, name from principals_end where name = 'reporting'
`;

test('a framework of the institution’s own is in the package, and told as such', async () => {
  const dir = await bank.export(params({ frameworkText: OURS, period: '2026' }));
  assert.deepEqual(
    read(dir).results.map(({ outcome, failingCount }) => [outcome, failingCount]),
    [['fail', 1]],
  );
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  assert.equal(report.ok, true, formatReport(report));
  const check = report.checks.find(({ name }) => name.startsWith('assertions'));
  assert.match(check?.detail ?? '', /1 asked again, by a framework of the institution’s own/);
});

test('a framework of somebody’s own that calls itself one of Postern is not taken for it', () => {
  const text = OURS.replace('id: ours', 'id: nist-800-53');
  assert.throws(
    () => chooseFramework({ frameworkText: text, period: '2026' }),
    /is the id of a framework of Postern/,
  );
});

test('a period that cuts through: what is in force at the cut counts, what is done after it does not', async () => {
  // The first grant begins within the first milliseconds of the story; both are over two hours later.
  const cut = '2026-11-21T19:30:00.030Z';
  const of = async (period: string): Promise<Map<string, number | null>> => {
    const assessment = await assessLog({
      dataDir: bank.dataDir,
      params: params({ framework: 'nist-800-53', period }),
      workDir: bank.dir,
    });
    return new Map(assessment.results.map(({ objective, examined }) => [objective, examined]));
  };
  const [first, second, all] = [
    await of(`2026-11-21/${cut}`),
    await of(`${cut}/2026-11-22`),
    await of('2026-11-21'),
  ];
  const commands = (results: Map<string, number | null>): number => results.get('au-3_obj.f') ?? 0;
  assert.ok(commands(first) > 0 && commands(second) > 0);
  assert.equal(commands(first) + commands(second), commands(all), 'each command is in one of the two');
  for (const part of [first, second, all]) {
    assert.equal(part.get('ac-2_obj.d.3'), 2, 'both grants overlap each part');
    assert.equal(part.get('ac-17.2_obj'), 2, 'so do both sessions');
  }
  assert.equal(first.get('ac-2_obj.f-3'), 0, 'the change of owner comes after the cut');
  assert.equal(second.get('ac-2_obj.f-3'), 1);
});
