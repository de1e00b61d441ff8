/** The thread on which the bytes of a package in a folder are checked (see `folder-files.ts`). */
import { parentPort, workerData } from 'node:worker_threads';
import { type ApartJob, type ApartWord, folderHost } from './folder-files.ts';
import { verifyBytes } from './verify-bytes.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const { dir, job } = workerData as ApartJob;
const say = (word: ApartWord): void => port.postMessage(word);
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
say({ checked: await verifyBytes(files, job, onProgress, pause) });
