/** What the thread that watches the log and the control process say to each other. */
import type { Finding } from '../../core/alert-finding.ts';

export type ToWatch =
  | { readonly kind: 'follow'; readonly size: number }
  /** What was found up to this leaf is recorded. */
  | { readonly kind: 'taken'; readonly leaf: number }
  | { readonly kind: 'close' };

export type FromWatch =
  /** In the order of the leaves, with all that there are of each; more comes when these are taken. */
  | { readonly kind: 'found'; readonly findings: readonly Finding[] }
  /** Null where it is over. */
  | { readonly kind: 'fault'; readonly message: string | null };
