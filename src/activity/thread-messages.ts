/** What the threads of sequencer and index and the control process say to each other. */
import type { DataKeysMessage } from '../core/data-keys.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import type { KeyChange } from '../ledger/log-key.ts';

export interface LedgerStatus {
  /** Name of the log. */
  readonly origin: string;
  /** Number of leaves under the last signed checkpoint, and the root hash over them in base64. */
  readonly size: number;
  readonly root: string;
  /** The signed checkpoint, a note. */
  readonly checkpoint: string;
  /** Verifier key of the log; while one takes over from another, both, newest first, one a line. */
  readonly vkey: string;
  /** When the last checkpoint was signed or found at start, milliseconds since the epoch. */
  readonly lastCheckpointAt: number;
  /** Sentences that say which journals were gone, or shorter, before all of them was in the log. */
  readonly losses: readonly string[];
  /** Why records are not being taken into the log at present; null where all is well. */
  readonly fault: string | null;
}

export interface ThreadData {
  readonly dataDir: string;
  readonly keys: DataKeysMessage;
  /** Text of the log's signing keys where they are not in `log/log.key`. */
  readonly logKey?: string | null;
}

export interface KeyRotation {
  readonly actor: Actor;
  /** How long the old key signs as well, milliseconds. */
  readonly overlapMs: number;
  readonly reason: string | undefined;
}

export type ToThread =
  | { readonly kind: 'flush'; readonly id: number }
  | { readonly kind: 'rotate-key'; readonly id: number; readonly rotation: KeyRotation }
  /** The data keys are others from now on. */
  | { readonly kind: 'keys'; readonly id: number; readonly keys: DataKeysMessage }
  | { readonly kind: 'wake' | 'close' };

export type FromThread =
  | { readonly kind: 'status'; readonly status: LedgerStatus }
  /** So many leaves are safe on disk, in full bundles; a checkpoint may not cover them yet. */
  | { readonly kind: 'grown'; readonly size: number }
  | { readonly kind: 'fault'; readonly message: string }
  | { readonly kind: 'keys-taken'; readonly id: number }
  | { readonly kind: 'flushed'; readonly id: number; readonly size: number }
  | { readonly kind: 'flush-failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'key-rotated'; readonly id: number; readonly change: KeyChange }
  | {
      readonly kind: 'key-not-rotated';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

export interface IndexData {
  readonly dataDir: string;
  /** How many leaves there are to be indexed. */
  readonly size: number;
}

export type ToIndex = { readonly kind: 'follow'; readonly size: number } | { readonly kind: 'close' };

export type FromIndex =
  | { readonly kind: 'reached'; readonly size: number }
  /** Null where it is over. */
  | { readonly kind: 'fault'; readonly message: string | null };
