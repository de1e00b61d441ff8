/**
 * The thread that keeps the index up with the log. What fails is reported and tried again with growing pauses; the log goes on
 * meanwhile.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PosternError } from '../core/errors.ts';
import { namingIndexDamage } from './index-damage.ts';
import { IndexFollower } from './index-follower.ts';
import type { FromIndex, IndexData, ToIndex } from './thread-messages.ts';

const RETRY_MS = { first: 100, longest: 2000 };

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const say = (message: FromIndex): void => port.postMessage(message);
const { dataDir, size } = workerData as IndexData;

let wanted = size;
let closing = false;
let wake: () => void = () => undefined;

port.on('message', (message: ToIndex) => {
  if (message.kind === 'follow') wanted = Math.max(wanted, message.size);
  else closing = true;
  wake();
});

/** Until a message comes, or for so long. */
function pause(ms: number | null): Promise<void> {
  return new Promise((resolve) => {
    const timer = ms === null ? null : setTimeout(resolve, ms);
    wake = () => {
      if (timer !== null) clearTimeout(timer);
      resolve();
    };
  });
}

/** One transaction; whether there is nothing left to do. */
function step(follower: IndexFollower): boolean {
  const target = wanted;
  const done = namingIndexDamage(() => follower.step(target));
  if (done) say({ kind: 'reached', size: follower.size });
  return done && target === wanted;
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof PosternError && error.hint ? `${error.message} ${error.hint}` : error.message;
}

async function run(follower: IndexFollower): Promise<void> {
  let fault: string | null = null;
  let retry = RETRY_MS.first;
  for (;;) {
    let idle = false;
    try {
      idle = step(follower);
      if (fault !== null) say({ kind: 'fault', message: null });
      fault = null;
      retry = RETRY_MS.first;
    } catch (error) {
      fault = explain(error);
      say({ kind: 'fault', message: fault });
    }
    if (closing && (idle || fault !== null)) return;
    if (fault !== null) {
      await pause(retry);
      retry = Math.min(retry * 2, RETRY_MS.longest);
    } else {
      // Messages that came meanwhile are taken in between two transactions.
      await pause(idle ? null : 0);
    }
  }
}

try {
  const follower = IndexFollower.open(dataDir, size);
  await run(follower);
  follower.close();
} catch (error) {
  say({ kind: 'fault', message: explain(error) });
}
port.close();
