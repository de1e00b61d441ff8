/** Every input that fuzzing has ever kept (`scripts/fuzz.ts`), and the seeds it begins with. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCorpus } from './fuzz/corpus.ts';
import { mutate, Random } from './fuzz/mutate.ts';
import { TARGETS } from './fuzz/targets.ts';

/** Inputs made anew from those kept, a target. */
const FRESH = 300;

describe('readers of bytes from outside keep their promises', () => {
  for (const target of TARGETS) {
    it(`for all of the corpus and some of its neighbours: ${target.name}`, async () => {
      await target.ready?.();
      const corpus = [...target.seeds.map((seed) => Buffer.from(seed)), ...readCorpus(target.name)];
      for (const input of corpus) await target.run(input);
      const words = target.words.map((word) => Buffer.from(word));
      const random = new Random(1);
      for (let i = 0; i < FRESH; i++) {
        await target.run(mutate(random.one(corpus), random, words, random.one(corpus), 2048));
      }
      assert.ok(corpus.length >= target.seeds.length);
    });
  }
});
