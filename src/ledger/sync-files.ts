import * as fs from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';

/**
 * `fsync` of many files at once. One after the other, each waits for a commit of the file system's journal of its own; those
 * that are asked for at the same time share one, which makes eighty files ten times as fast. Node has no synchronous call for
 * that, so a few threads help, which sleep otherwise.
 */

/** Files from which on it is worth waking them. */
const FEW = 6;
const HELPERS = 4;
/** Slots for files under way; a power of two. */
const SLOTS = 1024;
const HELPER_MB = 16;

/** Words of the shared memory: the next job to be taken, where the jobs end, then by slot the file and how it went. */
const NEXT = 0;
const END = 1;
const FILES = 2;
const RESULTS = FILES + SLOTS;
const WORDS = RESULTS + SLOTS;

/** What stands in a result: not yet synced, synced, or the system's (negative) error number. */
const PENDING = 1;
const SYNCED = 0;
/** An error without a number of the system's. */
const UNKNOWN = -5;

let shared: Int32Array<SharedArrayBuffer> | null = null;

/**
 * Returns when all are durable.
 *
 * @param fds descriptors that stay open meanwhile
 * @throws Error with the system's `code` where one could not be synced; all were tried then
 */
export function syncFiles(fds: readonly number[]): void {
  if (fds.length < FEW) {
    for (const fd of fds) fs.fsyncSync(fd);
    return;
  }
  shared ??= startHelpers();
  for (let from = 0; from < fds.length; from += SLOTS) syncTogether(shared, fds.slice(from, from + SLOTS));
}

function syncTogether(memory: Int32Array<SharedArrayBuffer>, fds: readonly number[]): void {
  const first = Atomics.load(memory, END);
  for (const [i, fd] of fds.entries()) {
    const slot = (first + i) & (SLOTS - 1);
    memory[FILES + slot] = fd;
    memory[RESULTS + slot] = PENDING;
  }
  Atomics.store(memory, END, (first + fds.length) | 0);
  Atomics.notify(memory, END);
  while (syncNext(memory));
  let failure = SYNCED;
  for (let i = 0; i < fds.length; i++) {
    const at = RESULTS + ((first + i) & (SLOTS - 1));
    while (Atomics.load(memory, at) === PENDING) Atomics.wait(memory, at, PENDING);
    if (failure === SYNCED) failure = Atomics.load(memory, at);
  }
  if (failure === SYNCED) return;
  const code = getSystemErrorName(failure);
  throw Object.assign(new Error(`${code}: fsync`), { code, errno: failure, syscall: 'fsync' });
}

/** Takes a job and does it; false where there is none. Jobs are counted on and on, so none is taken twice. */
export function syncNext(memory: Int32Array<SharedArrayBuffer>): boolean {
  for (;;) {
    const job = Atomics.load(memory, NEXT);
    if (((Atomics.load(memory, END) - job) | 0) <= 0) return false;
    if (Atomics.compareExchange(memory, NEXT, job, (job + 1) | 0) !== job) continue;
    const slot = job & (SLOTS - 1);
    Atomics.store(memory, RESULTS + slot, synced(memory[FILES + slot] as number));
    Atomics.notify(memory, RESULTS + slot);
    return true;
  }
}

/** Sleeps until there are jobs that were not there at `end`; where they end now. */
export function nextJobs(memory: Int32Array<SharedArrayBuffer>, end: number): number {
  Atomics.wait(memory, END, end);
  return Atomics.load(memory, END);
}

function synced(fd: number): number {
  try {
    fs.fsyncSync(fd);
    return SYNCED;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? UNKNOWN;
  }
}

function startHelpers(): Int32Array<SharedArrayBuffer> {
  const memory = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  for (let i = 0; i < HELPERS; i++) {
    const helper = new Worker(new URL('./sync-thread.ts', import.meta.url), {
      workerData: memory.buffer,
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: HELPER_MB },
    });
    // Without helpers the caller syncs all files by itself: it is slower, and nothing else.
    helper.on('error', () => undefined);
    helper.unref();
  }
  return memory;
}
