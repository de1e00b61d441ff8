/**
 * The thread that looks through the log for what is out of the ordinary. What fails is told and tried again with growing pauses; log and
 * index go on meanwhile.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { IndexData } from '../thread-messages.ts';
import { WatchFollower } from './watch-follower.ts';
import type { FromWatch, ToWatch } from './watch-messages.ts';

const RETRY_MS = { first: 100, longest: 2000 };
/** Findings that are handed over at a time. */
const HANDED = 100;

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const say = (message: FromWatch): void => port.postMessage(message);
const { dataDir, size } = workerData as IndexData;

let wanted = size;
let closing = false;
/** Up to this leaf everything found is in the log. */
let taken = -1;
/** Up to this leaf everything found was handed over. */
let handed = -1;
let wake: () => void = () => undefined;

port.on('message', (message: ToWatch) => {
  if (message.kind === 'follow') wanted = Math.max(wanted, message.size);
  else if (message.kind === 'taken') taken = Math.max(taken, message.leaf);
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

/** Hands over what comes next, once all of before was taken. */
function hand(follower: WatchFollower): void {
  if (handed > taken) return;
  if (handed >= 0 && handed === taken) follower.taken(taken);
  const findings = follower.findings(taken, HANDED);
  const last = findings.at(-1);
  if (last === undefined) return;
  handed = last.leaf;
  say({ kind: 'found', findings });
}

async function run(follower: WatchFollower): Promise<void> {
  let fault: string | null = null;
  let retry = RETRY_MS.first;
  while (!closing) {
    let idle = false;
    try {
      const target = wanted;
      const done = follower.step(target);
      hand(follower);
      idle = done && target === wanted;
      if (fault !== null) say({ kind: 'fault', message: null });
      fault = null;
      retry = RETRY_MS.first;
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
      say({ kind: 'fault', message: fault });
    }
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
  const follower = WatchFollower.open(dataDir, size);
  await run(follower);
  follower.close();
} catch (error) {
  say({ kind: 'fault', message: error instanceof Error ? error.message : String(error) });
}
port.close();
