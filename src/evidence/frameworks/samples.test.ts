/** Samples in packages: that they are those that the root of the log draws, and that verification draws them again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chooseFramework } from '../assess/choose.ts';
import type { Assessment } from '../assess/types.ts';
import type { Manifest } from '../format.ts';
import { Bank } from '../package.fixture.ts';
import { sampleRank, sampleSeed } from '../sample.ts';
import { formatReport, verifyPackage } from '../verify.ts';

const bank = new Bank();
before(async () => {
  await bank.open();
  const { story } = bank;
  story.people().resource();
  for (let n = 0; n < 40; n++) story.grant(story.principal(`batch-${n}`), `CHG-${n}`);
  await bank.log();
});
after(() => bank.close());

async function exported(framework: string): Promise<string> {
  const chosen = chooseFramework({ framework, period: '2026' });
  return bank.export({ framework: chosen.framework ?? undefined, period: chosen.period ?? undefined });
}

const read = <T>(dir: string, file: string): T => JSON.parse(readFileSync(join(dir, file), 'utf8')) as T;

test('a sample is what anybody draws from the population with the root of the log', async () => {
  const dir = await exported('ffiec');
  const report = await verifyPackage(dir, { vkey: bank.vkey });
  assert.equal(report.ok, true, formatReport(report));
  const { log } = read<Manifest>(dir, 'manifest.json');
  const { results } = read<Assessment>(dir, 'assertions.json');
  for (const [query, table, population] of [
    ['sample-principals', 'principals', 'principals'],
    ['sample-grants', 'grants', 'grants'],
  ] as const) {
    const seed = sampleSeed({ log, framework: 'ffiec', population });
    const ids = readFileSync(join(dir, `populations/${table}.ndjson`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id);
    const drawn = ids
      .map((id) => ({ id, rank: sampleRank(seed, id) }))
      .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
      .slice(0, 25);
    const result = results.find((one) => one.query?.id === query);
    assert.equal(result?.examined, 40);
    assert.deepEqual(
      new Map(result?.reported.map(({ id, rank }) => [id, rank])),
      new Map(drawn.map(({ id, rank }) => [id, rank])),
    );
  }
});

test('a log that has grown draws anew, so that nobody tends to what was drawn before', async () => {
  const drawnBy = async (): Promise<readonly unknown[]> =>
    read<Assessment>(await exported('soc2'), 'assertions.json')
      .results.find((one) => one.query?.id === 'sample-principals')
      ?.reported.map(({ id }) => id) ?? [];
  const first = await drawnBy();
  assert.deepEqual(await drawnBy(), first);
  bank.story.people();
  await bank.log();
  assert.notDeepEqual(new Set(await drawnBy()), new Set(first));
});
