import { createHash, type Hash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { ManifestFile } from './format.ts';

const CHUNK = 1 << 18;

/** A file of the package that is being written piece by piece. */
export class PackageFile {
  readonly #fd: number;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;
  #held: string[] = [];
  #heldLength = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600);
  }

  write(...pieces: readonly string[]): void {
    for (const text of pieces) {
      this.#held.push(text);
      this.#heldLength += text.length;
    }
    if (this.#heldLength >= CHUNK) this.#flush();
  }

  writeBytes(bytes: Uint8Array): void {
    this.#flush();
    this.#put(bytes);
  }

  /** Closes the file and answers what the manifest says of it. */
  close(): Omit<ManifestFile, 'path'> {
    this.#flush();
    closeSync(this.#fd);
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  #flush(): void {
    if (this.#held.length === 0) return;
    const text = this.#held.join('');
    this.#held = [];
    this.#heldLength = 0;
    this.#put(Buffer.from(text, 'utf8'));
  }

  #put(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.#bytes += bytes.length;
  }
}

/** Writes the files of a package into an empty folder and remembers their hashes for the manifest. */
export class PackageWriter {
  readonly #dir: string;
  readonly #files: ManifestFile[] = [];
  readonly #made = new Set<string>();

  /** @throws PosternError POSTERN_CONFLICT where the folder has something in it already */
  constructor(dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (readdirSync(dir).length > 0) {
      throw new PosternError(
        'POSTERN_CONFLICT',
        'The folder for the evidence package is not empty.',
        'Name a new or an empty one.',
      );
    }
    this.#dir = dir;
  }

  /** The files closed so far, by path. */
  files(): readonly ManifestFile[] {
    return this.#files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  open(path: string): { file: PackageFile; close: () => void } {
    const full = join(this.#dir, path);
    const dir = dirname(full);
    if (!this.#made.has(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#made.add(dir);
    const file = new PackageFile(full);
    return { file, close: () => void this.#files.push({ path, ...file.close() }) };
  }

  put(path: string, content: string | Uint8Array): void {
    const { file, close } = this.open(path);
    if (typeof content === 'string') file.write(content);
    else file.writeBytes(content);
    close();
  }
}
