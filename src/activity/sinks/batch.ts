/** What goes to a sink at once. */
import type { OcsfEvent } from '../ocsf/shapes.ts';

export interface SinkEvent {
  readonly event: OcsfEvent;
  /** The event as JSON. */
  readonly json: string;
  readonly leaf: number;
  /** The same for what has to stay in order: the principal, or the type of the record where it concerns none. */
  readonly key: string;
  /** Type of its record. */
  readonly type: string;
  /** RFC 3339. */
  readonly time: string;
  readonly refused: boolean;
}

export interface Batch {
  /** The first leaf that is read for it. */
  readonly from: number;
  /** The first leaf behind it. */
  readonly next: number;
  readonly events: readonly SinkEvent[];
}

/** Brings events to their receiver. */
export interface Sender {
  /**
   * Resolves when the receiver has them, or, where it cannot say so, when they are on their way.
   *
   * @returns how many of them it said it does not want
   * @throws SinkFault where it does not have all of them, or that is not known
   */
  send(batch: Batch, signal: AbortSignal): Promise<number>;
  /** What broke since the last call; then what is not settled yet may not have come. For those that settle at once there is nothing to say. */
  lost?(): SinkFault | null;
  /** For how long after `send` what was sent may turn out not to have come, in milliseconds. */
  readonly settleMs: number;
  close(): Promise<void>;
}

/** Why events could not be brought to their receiver. In words of Postern's own: what others answer is not repeated. */
export class SinkFault extends Error {
  override readonly name = 'SinkFault';
  /** Not to be tried again before so many milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** What a fault of the network or the disk is called. */
export function faultOf(error: unknown): SinkFault {
  if (error instanceof SinkFault) return error;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (name === 'TimeoutError' || name === 'AbortError') return new SinkFault('it did not answer in time');
  return new SinkFault(typeof code === 'string' ? code : 'it could not be reached');
}
