/** A thread that helps to sync files (see `sync-files.ts`). */
import { workerData } from 'node:worker_threads';
import { nextJobs, syncNext } from './sync-files.ts';

const memory = new Int32Array(workerData as SharedArrayBuffer);
for (let end = 0; ; end = nextJobs(memory, end)) while (syncNext(memory));
