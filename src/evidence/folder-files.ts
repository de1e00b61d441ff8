import { createHash, hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PackageFiles, VerifyHost } from './package-files.ts';
import { type BytesChecked, type BytesJob, verifyBytes } from './verify-bytes.ts';
import { listFolder } from './zip.ts';

/** Files up to so many bytes are hashed in one go. */
const SMALL = 1 << 20;

/** A package in a folder. */
class FolderFiles implements PackageFiles {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  list(): ReturnType<PackageFiles['list']> {
    return listFolder(this.#dir);
  }

  size(path: string): number | null {
    const stat = statSync(join(this.#dir, path), { throwIfNoEntry: false });
    return stat?.isFile() ? stat.size : null;
  }

  read(path: string): Buffer {
    return readFileSync(join(this.#dir, path));
  }

  open(path: string): ReturnType<PackageFiles['open']> {
    const fd = openSync(join(this.#dir, path), 'r');
    return {
      read: (into) => readSync(fd, into, 0, into.length, null),
      close: () => closeSync(fd),
    };
  }

  async sha256(path: string): Promise<string> {
    if ((this.size(path) ?? 0) < SMALL) return hash('sha256', this.read(path));
    const sum = createHash('sha256');
    const stream = createReadStream(join(this.#dir, path), { highWaterMark: SMALL });
    for await (const chunk of stream) sum.update(chunk as Buffer);
    return sum.digest('hex');
  }
}

/** Packages of fewer leaves are verified before a thread would have begun. */
const APART_FROM = 20_000;

/**
 * Verification on the command line, of a package in a folder. The bytes of a larger one are checked on a thread of their own.
 *
 * @param apartFrom how many leaves a package must have for that
 */
export function folderHost(dir: string, apartFrom: number = APART_FROM): VerifyHost {
  const files = new FolderFiles(dir);
  const pause = (): Promise<void> => new Promise((done) => setImmediate(done));
  return {
    files,
    bytes: (job, onProgress) =>
      job.manifest.log.size < apartFrom
        ? verifyBytes(files, job, onProgress, pause)
        : bytesApart({ dir, job }, onProgress),
    pause,
    settled: async (ask) => ask(),
  };
}

/** What the thread is given, and what it says. */
export interface ApartJob {
  readonly dir: string;
  readonly job: BytesJob;
}
export type ApartWord = { readonly more: number } | { readonly checked: BytesChecked };

function bytesApart(given: ApartJob, onProgress: (more: number) => void): Promise<BytesChecked> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./verify-thread.ts', import.meta.url), { workerData: given });
    thread.on('message', (word: ApartWord) => {
      if ('more' in word) onProgress(word.more);
      else resolve(word.checked);
    });
    thread.on('error', reject);
    // After its answer this changes nothing any more.
    thread.on('exit', () => reject(new Error('The thread that checks the bytes of the package ended.')));
  });
}
