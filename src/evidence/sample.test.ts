import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SampleOf, sampleRank, sampleSeed } from './sample.ts';

const OF: SampleOf = {
  log: { origin: 'postern.local/x', size: 9, root: 'cm9vdA==' },
  framework: 'ffiec',
  population: 'principals',
};

test('seed and rank are what stock tools make of the documented text', () => {
  const sha256sum = (text: string): string =>
    execFileSync('sha256sum', { input: text, encoding: 'utf8' }).slice(0, 64);
  const seed = sha256sum('postern-sample/1\npostern.local/x\n9\ncm9vdA==\nffiec\nprincipals\n');
  assert.equal(sampleSeed(OF), seed);
  assert.equal(sampleRank(seed, 'some-id'), sha256sum(`${seed}\nsome-id`));
});

test('another root, size, log, framework or population draws anew, and no two of them are taken for each other', () => {
  const text = fc.string({ maxLength: 8 }).filter((one) => !one.includes('\n'));
  const of = fc.record({
    log: fc.record({ origin: text, size: fc.nat(), root: text }),
    framework: text,
    population: text,
  });
  fc.assert(
    fc.property(of, of, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      assert.equal(sampleSeed(one) === sampleSeed(other), same);
    }),
  );
});

test('each thing is drawn about as often as any other', () => {
  const ids = Array.from({ length: 50 }, (_, n) => `id-${n}`);
  const drawn = new Map<string, number>();
  for (let size = 1; size <= 1000; size++) {
    const seed = sampleSeed({ ...OF, log: { ...OF.log, size } });
    const [first = ''] = ids.toSorted((a, b) => (sampleRank(seed, a) < sampleRank(seed, b) ? -1 : 1));
    drawn.set(first, (drawn.get(first) ?? 0) + 1);
  }
  // The seeds are fixed, so this comes out the same each time: 20 expected of each.
  assert.equal(drawn.size, ids.length);
  assert.ok(Math.max(...drawn.values()) < 45);
});
