/**
 * Samples that nobody chooses (docs/frameworks.md). What is drawn follows from the log's root, so that it is not known before the
 * records are there, and anybody can draw it again:
 *
 *     seed = SHA-256("postern-sample/1\n" + origin + "\n" + size + "\n" + root + "\n" + framework + "\n" + population + "\n")
 *     rank = SHA-256(seed in hex + "\n" + id)
 *
 * The sample is the things with the smallest ranks, in hex, in the order of these.
 */
import { hash } from 'node:crypto';

/** What a sample is drawn from. */
export interface SampleOf {
  /** Its root in base64. */
  readonly log: { readonly origin: string; readonly size: number; readonly root: string };
  /** Id of the framework. */
  readonly framework: string;
  /** Name of the population. */
  readonly population: string;
}

/** In hex. */
export function sampleSeed({ log, framework, population }: SampleOf): string {
  const parts = ['postern-sample/1', log.origin, log.size, log.root, framework, population];
  return hash('sha256', parts.map((part) => `${part}\n`).join(''));
}

/** In hex: the smaller, the sooner it is drawn. */
export function sampleRank(seed: string, id: string): string {
  return hash('sha256', `${seed}\n${id}`);
}
