import { createHash } from 'node:crypto';
import { createWriteStream, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Writable } from 'node:stream';
import { ensureDirectory, writePrivate } from '../../store/files.ts';
import type { EvidenceJob } from './job.ts';

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A package that was written whole. */
export interface WrittenPackage {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** The folder of the jobs: of each what it is (`ID.json`) and, when it is done, its package (`ID.zip`). */
export class JobFiles {
  readonly #dir: string;

  constructor(dir: string) {
    ensureDirectory(dir);
    this.#dir = dir;
  }

  /** The jobs there are, the oldest first. What was being written when the last process ended is removed. */
  load(): EvidenceJob[] {
    const names = readdirSync(this.#dir);
    for (const name of names) {
      if (name.endsWith('.partial') || name.endsWith('.new')) rmSync(join(this.#dir, name));
    }
    const ids = names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : []));
    return ids
      .filter((id) => ID.test(id))
      .sort()
      .map((id) => JSON.parse(readFileSync(join(this.#dir, `${id}.json`), 'utf8')) as EvidenceJob);
  }

  save(job: EvidenceJob): void {
    writePrivate(join(this.#dir, `${job.id}.json`), `${JSON.stringify(job)}\n`);
  }

  forget(id: string): void {
    this.removePackage(id);
    rmSync(join(this.#dir, `${id}.json`), { force: true });
  }

  removePackage(id: string): void {
    for (const ending of ['zip', 'zip.partial']) rmSync(join(this.#dir, `${id}.${ending}`), { force: true });
  }

  package(id: string): string {
    return join(this.#dir, `${id}.zip`);
  }

  /** Bytes that may still be written where the packages are. */
  free(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  /** Takes a package as a stream. It is there under its name only when it is whole and on the disk. */
  async write(
    id: string,
    fill: (out: Writable) => Promise<unknown>,
    onBytes: (bytes: number) => void,
  ): Promise<WrittenPackage> {
    const partial = `${this.package(id)}.partial`;
    const hash = createHash('sha256');
    let bytes = 0;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        bytes += chunk.length;
        try {
          onBytes(bytes);
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
    try {
      const file = createWriteStream(partial, { flags: 'w', mode: 0o600 });
      const written = new Promise<void>((resolve, reject) => {
        file.on('close', resolve);
        file.on('error', reject);
        counter.on('error', (error) => {
          file.destroy();
          reject(error);
        });
      });
      counter.pipe(file);
      await Promise.all([fill(counter), written]);
      const handle = await open(partial, 'r');
      await handle.sync().finally(() => handle.close());
      renameSync(partial, this.package(id));
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
    return { bytes, sha256: hash.digest('hex') };
  }
}
