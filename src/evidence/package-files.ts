/**
 * What verification needs of the place it runs in. The command line reads a folder (`folder-files.ts`), the page in a browser
 * what was dropped on it (`verify-page/blob-files.ts`); everything else is the same code.
 */

import type { Derived, DerivedFacts } from './derived.ts';
import type { Manifest, Part } from './format.ts';
import type { BytesChecked, BytesJob } from './verify-bytes.ts';
import type { RangeJob, RangeResult } from './verify-range.ts';

/** The files of a package, by paths with `/` between the parts. */
export interface PackageFiles {
  /** Paths of plain files, sorted, and paths of anything else but folders. */
  list(): { readonly files: readonly string[]; readonly odd: readonly string[] };
  /** Length in bytes; null where there is no plain file of that path. */
  size(path: string): number | null;
  /** The whole content of a file that {@link size} knows. */
  read(path: string): Buffer;
  /** A file that {@link size} knows, to be read from its beginning on, or a part of it. */
  open(path: string, span?: Span): ByteSource;
  /** In hex. */
  sha256(path: string): Promise<string>;
}

/** Bytes of a file, the last one not included. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface ByteSource {
  /** Fills the buffer as far as there is more; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  close(): void;
}

export interface VerifyHost {
  readonly files: PackageFiles;
  /** Checks the bytes of the package: beside everything else, where this place has more than one thread for it. */
  bytes(job: BytesJob, onProgress: (more: number) => void): Promise<BytesChecked>;
  /** Where this place has threads for it. */
  readonly ranges?: RangeThreads;
  /**
   * Makes a part of the package again, where this place can, and says whether its file is that. It throws where the files that the
   * part is made from are not what they should be.
   */
  part?(manifest: Manifest, part: Part): Promise<boolean>;
  /** Makes the files again that follow from an assessment, where this place can. @throws PosternError POSTERN_INVALID where they cannot be made */
  readonly derive?: (facts: DerivedFacts, framework: string) => Promise<Derived>;
  /** Lets run what else is waiting. */
  pause(): Promise<void>;
  /**
   * Asks something that depends on signatures. Where these can be verified only asynchronously (WebCrypto), a signature that
   * is not known yet counts as wrong, is verified, and `ask` is called again.
   */
  settled<T>(ask: () => T): Promise<T>;
}

/** Threads that verify ranges of leaves beside each other. */
export interface RangeThreads {
  /** How many ranges a log of this size is best cut into; 0 where it is not worth it. */
  count(size: number): number;
  /** The results in the order of the jobs, or null as soon as one range does not hold. */
  verify(
    jobs: readonly RangeJob[],
    onLeaves: (count: number) => void,
  ): Promise<readonly RangeResult[] | null>;
}

/** Reads a small text file of the package, or null where it is not there or larger than `most` bytes. */
export function readText(files: PackageFiles, path: string, most: number = 2 ** 30): string | null {
  const size = files.size(path);
  return size === null || size > most ? null : files.read(path).toString('utf8');
}
