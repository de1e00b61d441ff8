/** What the sequencer's thread and the control process say to each other. */

export interface LedgerStatus {
  /** Name of the log. */
  readonly origin: string;
  /** Number of leaves under the last signed checkpoint, and the root hash over them in base64. */
  readonly size: number;
  readonly root: string;
  /** The signed checkpoint, a note. */
  readonly checkpoint: string;
  /** Verifier key of the log. */
  readonly vkey: string;
  /** When the last checkpoint was signed or found at start, milliseconds since the epoch. */
  readonly lastCheckpointAt: number;
  /** Why records are not being taken into the log at present; null where all is well. */
  readonly fault: string | null;
}

export interface ThreadData {
  readonly dataDir: string;
  readonly masterKey: Uint8Array;
}

export type ToThread = { readonly kind: 'flush'; readonly id: number } | { readonly kind: 'wake' | 'close' };

export type FromThread =
  | { readonly kind: 'status'; readonly status: LedgerStatus }
  | { readonly kind: 'fault'; readonly message: string }
  | { readonly kind: 'flushed'; readonly id: number; readonly size: number }
  | { readonly kind: 'flush-failed'; readonly id: number; readonly message: string };
