import { createHash, hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { PackageFiles, VerifyHost } from './package-files.ts';
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

/** Verification on the command line, of a package in a folder. */
export function folderHost(dir: string): VerifyHost {
  return {
    files: new FolderFiles(dir),
    pause: () => new Promise((done) => setImmediate(done)),
    settled: async (ask) => ask(),
  };
}
