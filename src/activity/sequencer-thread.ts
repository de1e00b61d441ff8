/**
 * The thread that turns journals into the log: it steps the sequencer and signs a checkpoint each second that had leaves. A fault (a full disk, a damaged journal) is reported and tried again with growing
 * pauses; meanwhile the journals keep what the gateway records.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { Sequencing } from './sequencing.ts';
import type { FromThread, KeyRotation, ThreadData, ToThread } from './thread-messages.ts';

/**
 * Pause between steps while nobody waits: every step costs a few commits of the file system's journal, and those hold up the
 * workers' appends, so many small steps are worse than a few large ones.
 */
const PACE_MS = 250;
const RETRY_MS = { first: 100, longest: 2000 };

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const say = (message: FromThread): void => port.postMessage(message);
const { dataDir, logKey, keys: keysMessage } = workerData as ThreadData;
const keys = DataKeys.from(keysMessage);

let asked: number[] = [];
let rotations: { readonly id: number; readonly rotation: KeyRotation }[] = [];
let closing = false;
let wake: () => void = () => undefined;

port.on('message', (message: ToThread) => {
  if (message.kind === 'flush') asked.push(message.id);
  else if (message.kind === 'rotate-key') rotations.push(message);
  else if (message.kind === 'close') closing = true;
  else if (message.kind === 'keys') {
    // Between two steps: what is sealed from here on is sealed under the new one.
    keys.become(message.keys);
    say({ kind: 'keys-taken', id: message.id });
  }
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

/** Runs until told to close. What fails is reported and tried again; everything else goes on meanwhile. */
async function run(sequencing: Sequencing): Promise<void> {
  let fault: string | null = null;
  let retry = RETRY_MS.first;
  say({ kind: 'status', status: sequencing.status() });
  for (;;) {
    // Messages taken in before this step begins: what they wait for is in the journals that the step reads.
    const due = asked;
    const last = closing;
    rotateKeys(sequencing);
    const { more, signed, failure } = turn(sequencing, due.length > 0 || last);
    if (failure === null) retry = RETRY_MS.first;
    else if (failure !== fault) say({ kind: 'fault', message: failure });
    if (signed || (failure === null && fault !== null)) {
      say({ kind: 'status', status: { ...sequencing.status(), fault: failure } });
    }
    fault = failure;
    if (failure !== null) for (const id of settled(due)) say({ kind: 'flush-failed', id, message: failure });
    else if (!more) for (const id of settled(due)) say({ kind: 'flushed', id, size: sequencing.size });
    if (last && !more) return;
    const behind = failure === null && (sequencing.behind || closing || asked.length > 0);
    await pause(failure !== null ? retry : behind ? 0 : PACE_MS);
    if (failure !== null) retry = Math.min(retry * 2, RETRY_MS.longest);
  }
}

/** One step, and a checkpoint where one is due or `wanted`. A journal that is damaged does not keep the rest from being signed. */
function turn(
  sequencing: Sequencing,
  wanted: boolean,
): { readonly more: boolean; readonly signed: boolean; readonly failure: string | null } {
  let more = false;
  let failure: string | null = null;
  try {
    more = sequencing.step() > 0;
    if (more) say({ kind: 'grown', size: sequencing.fullSize });
  } catch (error) {
    failure = explain(error);
  }
  try {
    if (!wanted || more) return { more, signed: sequencing.checkpointIfDue(), failure };
    sequencing.checkpoint();
    return { more, signed: true, failure };
  } catch (error) {
    return { more, signed: false, failure: failure ?? explain(error) };
  }
}

/** Changes the signing key for those who asked. What fails is theirs to try again. */
function rotateKeys(sequencing: Sequencing): void {
  const due = rotations;
  rotations = [];
  for (const { id, rotation } of due) {
    try {
      const change = sequencing.rotateKey(rotation);
      say({ kind: 'status', status: sequencing.status() });
      say({ kind: 'key-rotated', id, change });
    } catch (error) {
      const { code, hint } =
        error instanceof PosternError ? error : { code: 'POSTERN_INTERNAL' as const, hint: undefined };
      say({ kind: 'key-not-rotated', id, code, message: explain(error), hint });
    }
  }
}

/** Takes flushes off the list of those that wait. */
function settled(due: readonly number[]): readonly number[] {
  asked = asked.filter((id) => !due.includes(id));
  return due;
}

try {
  const sequencing = Sequencing.open({ dataDir, keys, logKey });
  await run(sequencing);
  sequencing.close();
} catch (error) {
  say({ kind: 'fault', message: explain(error) });
}
port.close();
