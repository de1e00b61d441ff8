/** A thread on which a part of a package in a folder is verified (see `folder-files.ts`). */
import { parentPort, type Transferable, workerData } from 'node:worker_threads';
import { type ApartJob, type ApartWord, folderHost } from './folder-files.ts';
import { partHolds } from './parts/parts.ts';
import { verifyBytes } from './verify-bytes.ts';
import { verifyRange } from './verify-range.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const { dir, job } = workerData as ApartJob;
const say = (word: ApartWord, handOver: Transferable[] = []): void => port.postMessage(word, handOver);
/** Progress is told in steps of so many. */
const STEP = 10_000;
let more = 0;
const { files, pause } = folderHost(dir);
const onProgress = (count: number): void => {
  more += count;
  if (more < STEP) return;
  say({ more });
  more = 0;
};
if ('range' in job) {
  const done = verifyRange(files, job, onProgress);
  say({ done }, done === null ? [] : [done.ids.table.buffer]);
} else if ('part' in job) say({ done: await partHolds({ files, manifest: job.manifest }, job.part, pause) });
else say({ done: await verifyBytes(files, job, onProgress, pause) });
