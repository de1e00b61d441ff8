import { dueDeliveries, listChannels } from '../store/notify.ts';
import type { Channel, Delivery } from '../store/notify-entities.ts';
import { findPerson } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { Channels } from './channels.ts';
import { failed, messageOf, type Tried } from './message.ts';
import { LONGEST_PAUSE_MS, pauseAfter, TRIES } from './pauses.ts';
import { send } from './transports.ts';

const EVERY_MS = 1000;
/** Under way at a time, so that one endpoint that stalls keeps no other waiting. */
const AT_ONCE = 8;
const AT_ONCE_OF_CHANNEL = 2;
/** How long it is kept what became of a message. */
const KEPT_MS = 30 * 86_400_000;
const SWEEP_MS = 3_600_000;
const ERROR_MAX = 300;

export interface SenderOptions {
  readonly db: StateDb;
  readonly channels: Channels;
  /** Under which browsers reach the API. */
  readonly publicUrl: () => string;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  /** Told of what was given up after its last try. */
  readonly gaveUp: (delivery: Delivery, error: string) => Promise<void>;
  /** Told once per series of failures of Postern itself, and with null when it works again. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Sends what is on its way, at least once: a try is counted before it begins, and what it came to is written after. Nothing waits
 * for it, and it keeps nothing but what is in `deliveries`, so it goes on after a restart where it was.
 */
export class Sender {
  readonly #options: SenderOptions;
  /** By the id of the delivery. */
  readonly #underWay = new Map<string, { readonly channel: string; readonly end: Promise<void> }>();
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #failing = false;
  #sweptMs = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.wake(), EVERY_MS);
    this.wake();
  }

  /** Has it look whether there is something to send. */
  wake(): void {
    if (this.#timer === null || this.#abort.signal.aborted) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
  }

  /** Breaks off what is under way; it is tried again at the next start. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#abort.abort();
    await this.#looking;
    await Promise.all([...this.#underWay.values()].map(({ end }) => end));
  }

  async #look(): Promise<void> {
    const { db, nowMs } = this.#options;
    try {
      await this.#sweep();
      for (const channel of await listChannels(db, { status: 'active' })) {
        const busy = [...this.#underWay.values()].filter((each) => each.channel === channel.id).length;
        const free = Math.min(AT_ONCE_OF_CHANNEL - busy, AT_ONCE - this.#underWay.size);
        if (free <= 0) continue;
        const due = await dueDeliveries(db, channel.id, nowMs(), LONGEST_PAUSE_MS, AT_ONCE_OF_CHANNEL + free);
        for (const delivery of due.filter(({ id }) => !this.#underWay.has(id)).slice(0, free)) {
          const end = this.#deliver(channel, delivery).finally(() => {
            this.#underWay.delete(delivery.id);
            this.wake();
          });
          this.#underWay.set(delivery.id, { channel: channel.id, end });
        }
      }
      if (this.#failing) this.#options.onFault(null);
      this.#failing = false;
    } catch (error) {
      this.#fault(error);
    }
  }

  async #deliver(channel: Channel, delivery: Delivery): Promise<void> {
    const { nowMs, gaveUp } = this.#options;
    try {
      const recipient = await this.#recipientOf(delivery);
      if (recipient === null) {
        await this.#put(delivery, { status: 'dropped', error: 'whom it was for is not active any more' });
        return;
      }
      const attempts = delivery.attempts + 1;
      const planned = pauseAfter(attempts, null, Math.random()) ?? 0;
      // Before it is sent: what cannot be counted is not sent again and again.
      await this.#put(delivery, { attempts, next_ms: nowMs() + planned });
      const tried = await this.#try(channel, { ...delivery, recipient });
      if (this.#abort.signal.aborted && !tried.done) return;
      if (tried.done) return await this.#put(delivery, { status: 'delivered', error: null });
      const error = tried.error.slice(0, ERROR_MAX);
      const pause = tried.again ? pauseAfter(attempts, tried.askedMs, Math.random()) : null;
      if (pause !== null && attempts < TRIES) {
        return await this.#put(delivery, { error, next_ms: nowMs() + pause });
      }
      await this.#put(delivery, { status: 'dead', error });
      await gaveUp({ ...delivery, attempts }, error);
    } catch (error) {
      this.#fault(error);
    }
  }

  async #try(channel: Channel, delivery: Delivery): Promise<Tried> {
    const { channels, publicUrl } = this.#options;
    const secrets = await channels.secretsOf(channel);
    try {
      return await send(channel, secrets, messageOf(delivery, publicUrl()), this.#abort.signal);
    } catch (error) {
      // A fault of ours in making the message must not try it for ever either.
      this.#fault(error);
      return failed('the message cannot be made', true);
    }
  }

  /** Where it goes: to a person at the address that they have now. Null where they are not active any more. */
  async #recipientOf({ person, recipient }: Delivery): Promise<string | null> {
    if (person === null) return recipient;
    const found = await findPerson(this.#options.db, person);
    return found?.status === 'active' ? found.email : null;
  }

  async #put(
    { id }: Delivery,
    change: {
      readonly status?: Exclude<Delivery['status'], 'waiting'>;
      readonly error?: string | null;
      readonly attempts?: number;
      readonly next_ms?: number;
    },
  ): Promise<void> {
    const { db, nowMs } = this.#options;
    const row = { ...change, ...(change.status !== undefined && { ended_ms: nowMs() }) };
    // What was dropped meanwhile stays dropped.
    await db
      .updateTable('deliveries')
      .set(row)
      .where('id', '=', id)
      .where('status', '=', 'waiting')
      .execute();
  }

  async #sweep(): Promise<void> {
    const now = this.#options.nowMs();
    if (Math.abs(now - this.#sweptMs) < SWEEP_MS) return;
    await this.#options.db
      .deleteFrom('deliveries')
      .where('status', '<>', 'waiting')
      // A loss is in the log for good, and found again at every start.
      .where('kind', '<>', 'ledger.lost')
      .where('ended_ms', '<', now - KEPT_MS)
      .execute();
    this.#sweptMs = now;
  }

  #fault(error: unknown): void {
    if (!this.#failing) this.#options.onFault(error);
    this.#failing = true;
  }
}
