import type { Report } from '../../findings.ts';

/** What the page asks of the worker that verifies. */
export interface Job {
  /** A zip, or the files of a folder by their paths in it. */
  readonly given: Blob | ReadonlyMap<string, Blob>;
  readonly vkey: string | undefined;
  readonly checkpoint: string | undefined;
  readonly policy: string | undefined;
}

/** What the worker answers. */
export type Answer =
  | {
      readonly kind: 'progress';
      readonly doing: 'unpacking' | 'verifying';
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: 'report'; readonly report: Report; readonly text: string; readonly seconds: number }
  | { readonly kind: 'error'; readonly message: string };
