/**
 * Fuzzes everything that reads bytes from outside: `npm run fuzz [-- --minutes 10] [--targets a,b] [--seed N] [--jobs 2]`.
 * Minutes are processor time, shared by the targets. Inputs that reach new code are kept in `test/fuzz/corpus`; an input that
 * breaks a promise is kept too, and named. `npm test` runs the whole corpus.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { keep } from '../test/fuzz/corpus.ts';
import { type FuzzJob, type FuzzNews, MOST_BYTES } from '../test/fuzz/fuzzer.ts';
import { TARGETS, targetNamed } from '../test/fuzz/targets.ts';

/** How long one input may take, in milliseconds. */
const STUCK_MS = 20_000;
const HEAP_MB = 1024;

const { values: given } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    targets: { type: 'string', default: TARGETS.map(({ name }) => name).join(',') },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    'keep-corpus': { type: 'boolean', default: false },
  },
});
const names = given.targets.split(',').map((name) => targetNamed(name).name);
const milliseconds = (Number(given.minutes) * 60_000) / names.length;
const seed = Number(given.seed);
if (!(milliseconds > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed take numbers');

process.stdout.write(`seed ${seed}, ${(milliseconds / 1000).toFixed(1)} s of processor time per target\n`);
const waiting = [...names];
let findings = 0;
const take = async (): Promise<void> => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await fuzz(name);
};
await Promise.all(Array.from({ length: Number(given.jobs) }, take));
if (findings > 0) {
  process.stdout.write(`${findings} findings\n`);
  process.exitCode = 1;
}

function fuzz(target: string): Promise<void> {
  const present = new SharedArrayBuffer(8 + MOST_BYTES);
  const job: FuzzJob = { target, seed, milliseconds, present };
  const worker = new Worker(new URL('../test/fuzz/fuzzer.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  let kept = 0;
  const inHand = (): Uint8Array => {
    const length = Atomics.load(new Int32Array(present, 0, 2), 1);
    return Uint8Array.from(new Uint8Array(present, 8, length));
  };
  const found = (input: Uint8Array, error: string): void => {
    findings += 1;
    process.stdout.write(`FAIL ${target}: ${keep(target, input)}\n${error}\n`);
  };
  let count = 0;
  const watch = setInterval(() => {
    const now = Atomics.load(new Int32Array(present, 0, 2), 0);
    if (now === count && now > 0) {
      found(inHand(), `an input took longer than ${STUCK_MS / 1000} s`);
      void worker.terminate();
    }
    count = now;
  }, STUCK_MS);
  return new Promise((resolve) => {
    worker.on('message', (news: FuzzNews) => {
      if (news.kind === 'finding') found(news.input, news.error);
      if (news.kind === 'kept') {
        kept += 1;
        if (given['keep-corpus']) keep(target, news.input);
      }
      if (news.kind === 'done') {
        process.stdout.write(`ok   ${target}: ${news.runs} inputs, ${news.blocks} blocks, ${kept} new\n`);
      }
    });
    worker.on('error', (error) => found(inHand(), String(error.stack)));
    worker.on('exit', () => {
      clearInterval(watch);
      resolve();
    });
  });
}
