import { setTimeout as sleep } from 'node:timers/promises';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import type { PublishedLog } from '../../ledger/published-log.ts';
import { type Batch, faultOf, type Sender, SinkFault } from './batch.ts';
import { EventReader } from './event-reader.ts';
import type { PositionFile } from './position.ts';

/** How one sink is doing. */
export interface SinkState {
  readonly id: string;
  /** Every leaf before this one is delivered. */
  readonly next: number;
  readonly at: string | null;
  readonly rejected: number;
  /** Null where it does not fail. */
  readonly failingSince: string | null;
  readonly fault: string | null;
}

export interface DeliveryOptions {
  readonly id: string;
  /** The first leaf, where nothing was delivered yet. */
  readonly from: number;
  readonly log: PublishedLog;
  readonly position: PositionFile;
  readonly sender: Sender;
  readonly onState: (state: SinkState) => void;
  /** Default: {@link PACE}. */
  readonly pace?: Partial<typeof PACE>;
}

/** In milliseconds. */
const PACE = { look: 500, answer: 30_000, retryFirst: 1000, retryLongest: 60_000, position: 1000 };
/** Batches that are sent and may turn out not to have come. */
const MOST_UNSETTLED = 16;

interface Sent {
  readonly batch: Batch;
  /** When it was sent, by the clock that does not jump; null where it has to be sent (again). */
  at: number | null;
}

/**
 * Brings the log to one sink, in order, from where it stopped. A batch is sent until the receiver has it; meanwhile nothing behind it is
 * read, so a sink that stalls costs a batch of memory and nothing else.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #pace: typeof PACE;
  readonly #stop = new AbortController();
  readonly #sent: Sent[] = [];
  #reader: EventReader | null = null;
  #state: SinkState;
  #written = { next: -1, at: 0 };
  readonly #ended: Promise<void>;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#pace = { ...PACE, ...options.pace };
    const { next, at } = options.position.read() ?? { next: options.from, at: null };
    this.#state = { id: options.id, next, at, rejected: 0, failingSince: null, fault: null };
    options.onState(this.#state);
    this.#ended = this.#run();
  }

  /** Breaks off what is under way. What was delivered is remembered. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    let wait = 0;
    while (!this.#stop.signal.aborted) {
      try {
        const worked = await this.#turn();
        wait = 0;
        if (!worked) await this.#pause(this.#pace.look);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        // What is not settled may be lost with what failed.
        for (const sent of this.#sent) sent.at = null;
        const { message, retryAfterMs } = faultOf(error);
        this.#fail(message);
        wait = Math.min(Math.max(wait * 2, this.#pace.retryFirst), this.#pace.retryLongest);
        await this.#pause(Math.max(wait, retryAfterMs));
      }
    }
    await this.#options.sender.close();
    this.#remember(true);
  }

  /** Sends what comes next; whether there was anything. */
  async #turn(): Promise<boolean> {
    const { sender, log } = this.#options;
    const lost = sender.lost?.() ?? null;
    if (lost !== null) throw lost;
    // Put back from a copy: what comes now has other events under the same numbers.
    if (this.#state.next > log.size) throw new SinkFault('the log is shorter than what was delivered');
    this.#settle();
    this.#remember(false);
    this.#reader ??= await EventReader.open(log, this.#state.next, async () => {
      await this.#pause(0);
      this.#stop.signal.throwIfAborted();
    });
    let due = this.#sent.find(({ at }) => at === null);
    if (due === undefined) {
      const batch = this.#sent.length < MOST_UNSETTLED ? this.#reader.read() : null;
      if (batch === null) return false;
      due = { batch, at: null };
      this.#sent.push(due);
    }
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#pace.answer)]);
    const rejected = await sender.send(due.batch, signal);
    due.at = performance.now();
    this.#tell({ rejected: this.#state.rejected + rejected, failingSince: null, fault: null });
    this.#settle();
    return true;
  }

  /** Takes as delivered what is long enough ago. */
  #settle(): void {
    const until = performance.now() - this.#options.sender.settleMs;
    for (let [first] = this.#sent; first?.at != null && first.at <= until; [first] = this.#sent) {
      this.#sent.shift();
      this.#tell({ next: first.batch.next, at: rfc3339(nowMicros()) });
    }
  }

  #remember(now: boolean): void {
    const { next, at } = this.#state;
    const clock = performance.now();
    if (next === this.#written.next || (!now && clock - this.#written.at < this.#pace.position)) return;
    try {
      this.#options.position.write({ next, at });
      this.#written = { next, at: clock };
    } catch (error) {
      // Nothing is lost by it: more would come twice after a restart.
      this.#fail(`its position cannot be written: ${faultOf(error).message}`);
      this.#written = { ...this.#written, at: clock };
    }
  }

  #fail(fault: string): void {
    this.#tell({ fault, failingSince: this.#state.failingSince ?? rfc3339(nowMicros()) });
  }

  #tell(change: Partial<SinkState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onState(this.#state);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
