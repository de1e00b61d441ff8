/**
 * The thread that turns journals into the log: it steps the sequencer, feeds the index, and signs a checkpoint
 * each second that had leaves. A fault (a full disk, a damaged journal) is reported and tried again with growing
 * pauses; meanwhile the journals keep what the gateway records.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Sequencing } from './sequencing.ts';
import type { FromThread, ThreadData, ToThread } from './thread-messages.ts';

const IDLE_MS = 25;
const RETRY_MS = { first: 100, longest: 5000 };

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const say = (message: FromThread): void => port.postMessage(message);
const data = workerData as ThreadData;

let asked: number[] = [];
let closing = false;
let wake: () => void = () => undefined;

port.on('message', (message: ToThread) => {
  if (message.kind === 'flush') asked.push(message.id);
  else if (message.kind === 'close') closing = true;
  wake();
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs until told to close or until something fails. */
async function run(sequencing: Sequencing): Promise<void> {
  say({ kind: 'status', status: sequencing.status() });
  for (;;) {
    const due = asked;
    const last = closing;
    // Messages taken in before this step began: what they wait for is in the journals that the step reads.
    const more = sequencing.step();
    if (due.length > 0 && !more) {
      sequencing.checkpoint();
      const status = sequencing.status();
      say({ kind: 'status', status });
      for (const id of due) say({ kind: 'flushed', id, size: status.size });
      asked = asked.filter((id) => !due.includes(id));
    } else if (sequencing.checkpointIfDue()) say({ kind: 'status', status: sequencing.status() });
    if (last && !more) {
      sequencing.checkpoint();
      return;
    }
    await pause(more || asked.length > 0 ? 0 : IDLE_MS);
  }
}

let opened = false;
let retry = RETRY_MS.first;
let done = false;
while (!done) {
  let sequencing: Sequencing | null = null;
  try {
    sequencing = Sequencing.open(data);
    opened = true;
    retry = RETRY_MS.first;
    await run(sequencing);
    done = true;
  } catch (error) {
    say({ kind: 'fault', message: explain(error) });
    for (const id of asked) say({ kind: 'flush-failed', id, message: explain(error) });
    asked = [];
    done = closing || !opened;
  } finally {
    sequencing?.close();
  }
  if (!done) {
    await pause(retry);
    retry = Math.min(retry * 2, RETRY_MS.longest);
  }
}
port.close();
