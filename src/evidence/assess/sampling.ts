import type { DatabaseSync } from 'node:sqlite';
import { sampleRank, sampleSeed } from '../sample.ts';
import type { AsOf } from './types.ts';

/**
 * Gives queries `sample_rank(population, id)`: the rank of a thing in a sample by the framework (`sample.ts`).
 *
 * @param framework its id
 */
export function addSampling(db: DatabaseSync, log: AsOf, framework: string): void {
  const seeds = new Map<unknown, string>();
  db.function('sample_rank', { deterministic: true }, (population, id) => {
    const seed = seeds.get(population) ?? sampleSeed({ log, framework, population: String(population) });
    seeds.set(population, seed);
    return sampleRank(seed, String(id));
  });
}
