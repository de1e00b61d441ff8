import type { PackageFiles, Span } from '../../package-files.ts';
import { hash, webSha256 } from '../crypto.ts';

/** Files up to so many bytes are handed to WebCrypto whole; it cannot take a file piece by piece. */
const IN_ONE_PIECE = 2 ** 30;

/** Reads blobs synchronously; workers alone have it. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** A package that was dropped on the page, or unpacked from a zip. */
export class BlobFiles implements PackageFiles {
  readonly #files: ReadonlyMap<string, Blob>;
  readonly #reader = new FileReaderSync();

  constructor(files: ReadonlyMap<string, Blob>) {
    this.#files = files;
  }

  list(): ReturnType<PackageFiles['list']> {
    return { files: [...this.#files.keys()].sort(), odd: [] };
  }

  size(path: string): number | null {
    return this.#files.get(path)?.size ?? null;
  }

  read(path: string): Buffer {
    return this.#bytes(path, this.#blob(path));
  }

  open(path: string, span?: Span): ReturnType<PackageFiles['open']> {
    const whole = this.#blob(path);
    const blob = span === undefined ? whole : whole.slice(span.from, span.to);
    let at = 0;
    return {
      read: (into) => {
        const bytes = this.#bytes(path, blob.slice(at, at + into.length));
        into.set(bytes);
        at += bytes.length;
        return bytes.length;
      },
      close: () => {
        at = blob.size;
      },
    };
  }

  async sha256(path: string): Promise<string> {
    const blob = this.#blob(path);
    if (blob.size > IN_ONE_PIECE)
      throw new Error(`${path} is too large for a browser. Use the command line.`);
    const bytes = this.#bytes(path, blob);
    // A promise for each of very many small files would take longer than hashing them.
    return blob.size < 16_384 ? (hash('sha256', bytes) as string) : webSha256(bytes.buffer as ArrayBuffer);
  }

  #blob(path: string): Blob {
    const blob = this.#files.get(path);
    if (blob === undefined) throw new Error(`${path} is not in the package.`);
    return blob;
  }

  #bytes(path: string, blob: Blob): Buffer {
    try {
      return Buffer.from(this.#reader.readAsArrayBuffer(blob));
    } catch (error) {
      throw new Error(
        `${path} could not be read (${(error as Error).message}). Was it changed or removed meanwhile?`,
      );
    }
  }
}
