import { formatReport } from '../../format-report.ts';
import type { VerifyHost } from '../../package-files.ts';
import { verifyBytes } from '../../verify-bytes.ts';
import { verifyOn } from '../../verify-package.ts';
import { settled, whatIsMissing } from '../crypto.ts';
import { unzip } from '../unzip.ts';
import { BlobFiles } from './blob-files.ts';
import type { Answer, Job } from './messages.ts';

/** Milliseconds between two reports of progress. */
const PROGRESS_EVERY = 50;

/** The worker's side: takes one job, verifies, and answers. Cancelling is ending the worker. */
export function runWorker(): void {
  addEventListener('message', ({ data }: MessageEvent<Job>) => {
    verify(data).then(answer, (error: Error) => answer({ kind: 'error', message: error.message }));
  });
}

async function verify({ given, vkey, checkpoint, policy }: Job): Promise<Answer> {
  const started = performance.now();
  const missing = await whatIsMissing();
  if (missing !== null) {
    throw new Error(
      `This browser cannot verify a package: ${missing}. Take a newer one, or the command line.`,
    );
  }
  const files = given instanceof Blob ? await unzip(given, throttled('unpacking')) : given;
  const blobs = new BlobFiles(files);
  const pause = async (): Promise<void> => undefined;
  const host: VerifyHost = {
    files: blobs,
    bytes: (job, onProgress) => verifyBytes(blobs, job, onProgress, pause),
    pause,
    settled,
  };
  const report = await verifyOn(host, { vkey, checkpoint, policy, onProgress: throttled('verifying') });
  const seconds = (performance.now() - started) / 1000;
  return { kind: 'report', report, text: formatReport(report), seconds };
}

function throttled(doing: 'unpacking' | 'verifying'): (done: number, total: number) => void {
  let last = 0;
  return (done, total) => {
    const now = performance.now();
    if (now - last < PROGRESS_EVERY) return;
    last = now;
    answer({ kind: 'progress', doing, done, total });
  };
}

function answer(message: Answer): void {
  postMessage(message);
}
