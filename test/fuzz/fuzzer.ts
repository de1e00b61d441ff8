/**
 * Tries one target in a thread of its own, so that the caller can tell when an input never ends or takes all memory: the
 * input is left in shared memory before it is run.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { mutate, Random } from './mutate.ts';
import { targetNamed } from './targets.ts';

export interface FuzzJob {
  readonly target: string;
  readonly seed: number;
  /** Processor time of this thread, in milliseconds. */
  readonly milliseconds: number;
  /** Counts inputs (two 32-bit words: the count, and the length of the present input), then the input itself. */
  readonly present: SharedArrayBuffer;
}

export type FuzzNews =
  | { readonly kind: 'kept'; readonly input: Uint8Array }
  | { readonly kind: 'finding'; readonly input: Uint8Array; readonly error: string }
  | { readonly kind: 'done'; readonly runs: number; readonly blocks: number };

/** Largest input, in bytes. */
export const MOST_BYTES = 4096;
/** Inputs between two looks at the counters. */
const BATCH = 64;

async function fuzz(job: FuzzJob, tell: (news: FuzzNews) => void): Promise<void> {
  const target = targetNamed(job.target);
  await target.ready?.();
  const random = new Random(job.seed);
  const head = new Int32Array(job.present, 0, 2);
  const body = Buffer.from(job.present, 8);
  const words = target.words.map((word) => Buffer.from(word));
  const corpus = [...target.seeds.map((seed) => Buffer.from(seed)), ...readCorpus(target.name)];
  const coverage = new Coverage(target.covers);
  const seen = new Set<string>();
  let runs = 0;

  const run = async (input: Buffer): Promise<boolean> => {
    input.copy(body);
    Atomics.store(head, 1, input.length);
    Atomics.add(head, 0, 1);
    runs += 1;
    try {
      await target.run(input);
      return true;
    } catch (error) {
      tell({ kind: 'finding', input, error: error instanceof Error ? String(error.stack) : String(error) });
      return false;
    }
  };
  const news = (): string[] => [...coverage.take()].filter((feature) => !seen.has(feature));

  for (const input of corpus) if (!(await run(input))) return;
  for (const feature of news()) seen.add(feature);
  const start = process.threadCpuUsage();
  const used = (): number => {
    const { user, system } = process.threadCpuUsage(start);
    return (user + system) / 1000;
  };
  while (used() < job.milliseconds) {
    const batch = Array.from({ length: BATCH }, () =>
      mutate(random.one(corpus), random, words, random.one(corpus), MOST_BYTES),
    );
    for (const input of batch) if (!(await run(input))) return;
    if (news().length === 0) continue;
    // Something of this batch went where none went before: find out which.
    for (const input of batch) {
      await run(input);
      const found = news();
      if (found.length === 0) continue;
      for (const feature of found) seen.add(feature);
      corpus.push(input);
      tell({ kind: 'kept', input });
    }
  }
  tell({ kind: 'done', runs, blocks: seen.size });
}

if (parentPort !== null) {
  const port = parentPort;
  await fuzz(workerData as FuzzJob, (news) => port.postMessage(news));
}
