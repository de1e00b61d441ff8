import { createHash, hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { TILE_WIDTH } from '../ledger/tree.ts';
import { derive } from './derived.ts';
import type { Manifest, Part } from './format.ts';
import type { ByteSource, PackageFiles, Span, VerifyHost } from './package-files.ts';
import { partHolds } from './parts/parts.ts';
import { type BytesChecked, type BytesJob, verifyBytes } from './verify-bytes.ts';
import type { RangeJob, RangeResult } from './verify-range.ts';
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

  open(path: string, span?: Span): ByteSource {
    const fd = openSync(join(this.#dir, path), 'r');
    const to = span?.to ?? Number.POSITIVE_INFINITY;
    let at = span?.from ?? 0;
    return {
      read: (into) => {
        const read = readSync(fd, into, 0, Math.min(into.length, to - at), at);
        at += read;
        return read;
      },
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

/** More ranges than this gain little, since what is done once for all of them stays; and each takes memory of its own. */
const MOST_RANGES = 8;

/** How a package is spread over threads. */
export interface Spread {
  /** How many leaves a package must have for that. */
  readonly from: number;
  /** Into how many ranges its leaves are cut; 0: they are read in their order, and the bytes are checked on a thread beside. */
  readonly ranges: number;
}

/** A thread for each core. With a single one, cutting gains nothing. */
function spread(): Spread {
  const cores = availableParallelism();
  return { from: APART_FROM, ranges: cores < 2 ? 0 : Math.min(cores, MOST_RANGES) };
}

/** Verification on the command line, of a package in a folder. A larger one is spread over threads. */
export function folderHost(dir: string, { from, ranges }: Spread = spread()): VerifyHost {
  const files = new FolderFiles(dir);
  const pause = (): Promise<void> => new Promise((done) => setImmediate(done));
  return {
    files,
    bytes: (job, onProgress) =>
      job.manifest.log.size < from
        ? verifyBytes(files, job, onProgress, pause)
        : bytesApart({ dir, job }, onProgress),
    ranges: {
      count: (size) => (size < from ? 0 : Math.min(ranges, Math.ceil(size / TILE_WIDTH))),
      verify: (jobs, onLeaves) => rangesApart(dir, jobs, onLeaves),
    },
    part: (manifest, part) =>
      manifest.log.size < from
        ? partHolds({ files, manifest }, part, pause)
        : (apart({ dir, job: { manifest, part } }, () => undefined).done as Promise<boolean>),
    derive: (facts, framework) => derive(dir, facts, framework),
    pause,
    settled: async (ask) => ask(),
  };
}

/** A part of the package that is to be made again. */
export interface PartJob {
  readonly manifest: Manifest;
  readonly part: Part;
}

/** What a thread is given, and what it says. */
export interface ApartJob {
  readonly dir: string;
  readonly job: BytesJob | RangeJob | PartJob;
}
export type ApartWord = { readonly more: number } | { readonly done: ApartDone };
type ApartDone = BytesChecked | RangeResult | boolean | null;

function bytesApart(given: ApartJob, onProgress: (more: number) => void): Promise<BytesChecked> {
  return apart(given, onProgress).done as Promise<BytesChecked>;
}

/** Ends all threads as soon as one of them finds that its range does not hold. */
async function rangesApart(
  dir: string,
  jobs: readonly RangeJob[],
  onLeaves: (count: number) => void,
): Promise<readonly RangeResult[] | null> {
  const threads = jobs.map((job) => apart({ dir, job }, onLeaves));
  try {
    const held = threads.map(async ({ done }) => {
      const result = (await done) as RangeResult | null;
      if (result === null) throw new RangeBroken();
      return result;
    });
    return await Promise.all(held);
  } catch (error) {
    if (error instanceof RangeBroken) return null;
    throw error;
  } finally {
    await Promise.all(threads.map(({ thread }) => thread.terminate()));
  }
}

class RangeBroken extends Error {}

function apart(
  given: ApartJob,
  onProgress: (more: number) => void,
): { readonly thread: Worker; readonly done: Promise<ApartDone> } {
  const thread = new Worker(new URL('./verify-thread.ts', import.meta.url), { workerData: given });
  const done = new Promise<ApartDone>((resolve, reject) => {
    thread.on('message', (word: ApartWord) => {
      if ('more' in word) onProgress(word.more);
      else resolve(word.done);
    });
    thread.on('error', reject);
    // After its answer this changes nothing any more.
    thread.on('exit', () => reject(new Error('A thread that verifies a part of the package ended.')));
  });
  return { thread, done };
}
