/** What the thread of the sinks and the control process say to each other. */
import type { SinkState } from './delivery.ts';
import type { DeliveredSink } from './senders.ts';

export interface SinkThreadData {
  readonly dataDir: string;
}

export type ToSinks =
  | { readonly kind: 'configure'; readonly id: number; readonly sinks: readonly DeliveredSink[] }
  | { readonly kind: 'close' };

export type FromSinks =
  | { readonly kind: 'configured'; readonly id: number }
  | { readonly kind: 'state'; readonly state: SinkState }
  | { readonly kind: 'fault'; readonly message: string };
