/** What became of objectives and populations from one package to the next. */
import assert from 'node:assert/strict';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chooseFramework } from './assess/choose.ts';
import type { Assessment } from './assess/types.ts';
import { comparePackages } from './compare.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { zipFolder } from './zip.ts';

describe('two packages', () => {
  const bank = new Bank();
  let old = '';
  let now = '';

  before(async () => {
    await bank.open();
    const { story } = bank;
    const { batch } = tellNights(story, 3);
    const known = story.last('principal', batch.id);
    await bank.log();
    const { framework, period } = chooseFramework({ framework: 'nist-800-53', period: '2026' });
    const params = { framework: framework ?? undefined, period: period ?? undefined };
    old = await bank.export(params);
    story.principal('third');
    story.tell('principal.updated', story.admin, batch, {
      change: { entity: 'principal', id: batch.id, before: known, after: { ...known, purpose: 'another' } },
    });
    await bank.log();
    now = await bank.export(params);
  });
  after(() => bank.close());

  /** As the other package would be if things had gone otherwise. */
  function otherwise(
    of: string,
    change: (assessment: {
      results: { -readonly [K in keyof Assessment['results'][number]]: Assessment['results'][number][K] }[];
    }) => void,
  ): string {
    const dir = bank.copy(of);
    const path = join(dir, FILES.assertions);
    const assessment = JSON.parse(readFileSync(path, 'utf8'));
    change(assessment);
    writeFileSync(path, JSON.stringify(assessment));
    return dir;
  }

  test('that are the same have no difference', async () => {
    const { objectives, parameters, populations } = await comparePackages(old, old);
    assert.ok((objectives?.length ?? 0) > 0);
    assert.ok(
      objectives?.every(
        ({ course, newRows, goneRows }) => course === 'same' && newRows.length + goneRows.length === 0,
      ),
    );
    assert.deepEqual(parameters, []);
    assert.ok(
      populations.every((each) => each.before === each.after && each.new + each.gone + each.changed === 0),
    );
  });

  test('say what is new, gone and changed in each population, as folder and as zip', async () => {
    const zip = join(bank.dir, 'now.zip');
    await zipFolder(now, createWriteStream(zip));
    for (const path of [now, zip]) {
      const { populations, before: was, after: is } = await comparePackages(old, path);
      assert.ok(was.size < is.size);
      const principals = populations.find(({ population }) => population === 'principals');
      assert.deepEqual(principals, {
        population: 'principals',
        before: 2,
        after: 3,
        new: 1,
        gone: 0,
        changed: 1,
      });
      const back = (await comparePackages(path, old)).populations.find(
        ({ population }) => population === 'principals',
      );
      assert.deepEqual([back?.new, back?.gone], [0, 1]);
    }
  });

  test('say which objective became better or worse, and which rows fail now', async () => {
    const [pass] = (
      JSON.parse(readFileSync(join(old, FILES.assertions), 'utf8')) as Assessment
    ).results.filter(({ outcome }) => outcome === 'pass');
    assert.ok(pass);
    const broken = otherwise(old, ({ results }) => {
      const result = results.find(({ objective }) => objective === pass.objective);
      assert.ok(result);
      result.outcome = 'fail';
      result.failing = [{ leaf: 3, name: 'batch' }];
      result.failingCount = 1;
    });
    const worse = (await comparePackages(old, broken)).objectives?.find(
      ({ objective }) => objective === pass.objective,
    );
    assert.deepEqual(
      [worse?.course, worse?.before, worse?.after, worse?.newRows],
      ['worse', 'pass', 'fail', [{ leaf: 3, name: 'batch' }]],
    );
    const better = (await comparePackages(broken, old)).objectives?.find(
      ({ objective }) => objective === pass.objective,
    );
    assert.deepEqual([better?.course, better?.goneRows.length], ['better', 1]);
    const moved = otherwise(broken, ({ results }) => {
      const result = results.find(({ objective }) => objective === pass.objective);
      if (result !== undefined) result.failing = [{ leaf: 900, name: 'batch' }];
    });
    const same = (await comparePackages(broken, moved)).objectives?.find(
      ({ objective }) => objective === pass.objective,
    );
    assert.deepEqual([same?.course, same?.newRows, same?.goneRows], ['same', [], []]);
  });

  test('of different logs, and what is no package, are refused', async () => {
    const other = bank.copy(old);
    bank.sign(other, (manifest) => ({ ...manifest, log: { ...manifest.log, origin: 'other.example' } }));
    await assert.rejects(comparePackages(old, other), /different logs/);
    await assert.rejects(comparePackages(old, bank.dir), /is no evidence package/);
    await assert.rejects(comparePackages(join(bank.dir, 'absent'), old), { code: 'POSTERN_NOT_FOUND' });
  });
});
