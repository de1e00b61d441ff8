import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Ref, SinkRecord } from '../../core/record.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import type { Sink } from '../../store/entities.ts';
import { OcsfContext } from '../ocsf/context.ts';
import { leafEvent } from '../ocsf/leaf-event.ts';
import { faultOf } from './batch.ts';
import type { SinkState } from './delivery.ts';
import type { FromSinks, SinkThreadData, ToSinks } from './messages.ts';
import { type DeliveredSink, senderOf } from './senders.ts';

export interface SinkServiceOptions {
  readonly dataDir: string;
  /** All sinks there are, in the order of making. */
  readonly list: () => Promise<readonly Sink[]>;
  /** One of them with its secret. */
  readonly open: (id: string) => Promise<DeliveredSink>;
  readonly record: (type: SinkRecord['type'], sink: Ref, delivery: SinkRecord['delivery']) => Promise<void>;
  readonly say: (message: string) => void;
  /** Default: {@link TIMES}. */
  readonly times?: Partial<typeof TIMES>;
}

/** How often to look, how long something has to fail to be recorded, and how often it is recorded how far a sink has come. In milliseconds. */
const TIMES = { look: 1000, failing: 60_000, delivered: 3_600_000, restart: 1000 };
const TEST_MS = 15_000;

interface Told {
  /** What was last recorded of it. */
  next: number;
  at: number;
  failing: string | null;
}

/** The control process's handle on the thread that delivers to sinks, and what is recorded of them. */
export class SinkService {
  readonly #options: SinkServiceOptions;
  readonly #times: typeof TIMES;
  readonly #states = new Map<string, SinkState>();
  readonly #told = new Map<string, Told>();
  readonly #waiting = new Map<number, () => void>();
  readonly #stop = new AbortController();
  #sinks: readonly Sink[] = [];
  #worker: Worker | null = null;
  #gone: Promise<void> = Promise.resolve();
  #nextId = 0;
  #watched: Promise<void> = Promise.resolve();

  private constructor(options: SinkServiceOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
  }

  /** Starts to deliver to what is active. */
  static async start(options: SinkServiceOptions): Promise<SinkService> {
    const service = new SinkService(options);
    await service.changed();
    service.#watched = service.#watch();
    return service;
  }

  /** How a sink is doing; null where nothing was delivered to it since Postern was started. */
  state(id: string): SinkState | null {
    return this.#states.get(id) ?? null;
  }

  /** Sentences that name nobody, for whoever watches over this service. */
  warnings(): readonly string[] {
    const failing = this.#sinks.filter(
      ({ id, status }) => status === 'active' && this.#states.get(id)?.fault != null,
    );
    return failing.length === 0 ? [] : [`${failing.length} sinks do not take events: postern sink list`];
  }

  /** Takes over what sinks there are now. Resolves when nothing is delivered to one that is not active any more. */
  async changed(): Promise<void> {
    this.#sinks = await this.#options.list();
    const active: DeliveredSink[] = [];
    for (const sink of this.#sinks.filter(({ status }) => status === 'active')) {
      try {
        active.push(await this.#options.open(sink.id));
      } catch (error) {
        const state = this.#states.get(sink.id) ?? { id: sink.id, next: sink.from, at: null, rejected: 0 };
        const fault = faultOf(error).message;
        this.#states.set(sink.id, {
          ...state,
          failingSince: rfc3339(nowMicros()),
          fault: `its secret cannot be opened (${fault})`,
        });
      }
    }
    if (active.length > 0) this.#worker ??= this.#spawn();
    await this.#tell(active);
    // What the thread said of a sink that it then left alone is no fault of now.
    for (const { id, status } of this.#sinks) {
      const state = this.#states.get(id);
      if (status !== 'active' && state) this.#states.set(id, { ...state, failingSince: null, fault: null });
      if (status !== 'active' && state) await this.#record('sink.delivered', id);
    }
  }

  /**
   * Sends one event of its own kind, which is no record, so that somebody can see it arrive.
   *
   * @returns what keeps it from arriving; null where the receiver took it
   */
  async test(given: DeliveredSink): Promise<string | null> {
    // Beside the delivery to the same file there must be no other hand.
    if (given.sink.target.kind === 'file') return this.#states.get(given.sink.id)?.fault ?? null;
    const sender = senderOf(this.#options.dataDir, given);
    try {
      const time = rfc3339(nowMicros());
      const { id, name } = given.sink;
      const actor = { kind: 'system', id: 'system', name: 'Postern' };
      const record = {
        v: 1,
        leaf: 0,
        id,
        time,
        type: 'sink.test',
        actor,
        sink: { id, name },
      } as unknown as LeafRecord;
      const event = leafEvent(record, new OcsfContext({ forgets: true }));
      const json = JSON.stringify(event);
      const events = [{ event, json, leaf: 0, key: 'sink.test', type: 'sink.test', time, refused: false }];
      const rejected = await sender.send({ from: 0, next: 0, events }, AbortSignal.timeout(TEST_MS));
      // Where nobody acknowledges, a connection that is closed at once says that it was not wanted.
      await sleep(Math.min(sender.settleMs, 1000));
      const lost = sender.lost?.() ?? null;
      if (lost !== null) return lost.message;
      return rejected > 0 ? 'it does not want the event' : null;
    } catch (error) {
      return faultOf(error).message;
    } finally {
      await sender.close();
    }
  }

  /** Ends all deliveries; where they stopped is remembered, and recorded. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watched;
    const worker = this.#worker;
    this.#worker = null;
    worker?.postMessage({ kind: 'close' } satisfies ToSinks);
    await this.#gone;
    for (const { id, status } of this.#sinks)
      if (status === 'active') await this.#record('sink.delivered', id);
  }

  #tell(sinks: readonly DeliveredSink[]): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return Promise.resolve();
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      worker.postMessage({ kind: 'configure', id, sinks } satisfies ToSinks);
    });
  }

  #spawn(): Worker {
    const workerData: SinkThreadData = { dataDir: this.#options.dataDir };
    const worker = new Worker(new URL('./sink-thread.ts', import.meta.url), {
      workerData,
      // The library of Kafka sets timers in the past, where it means at once.
      execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    });
    worker.on('message', (message: FromSinks) => {
      if (message.kind === 'state') this.#take(message.state);
      else if (message.kind === 'fault') this.#options.say(`sinks: ${message.message}`);
      else this.#settle(message.id);
    });
    worker.on('error', (error) => this.#options.say(`the thread of the sinks: ${error.message}`));
    this.#gone = new Promise((resolve) => {
      worker.on('exit', () => {
        for (const id of [...this.#waiting.keys()]) this.#settle(id);
        if (this.#worker === worker) {
          this.#worker = null;
          setTimeout(() => void this.#again(), this.#times.restart).unref();
        }
        resolve();
      });
    });
    return worker;
  }

  async #again(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await this.changed().catch((error: unknown) => this.#options.say(`sinks: ${faultOf(error).message}`));
  }

  #settle(id: number): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await sleep(this.#times.look, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      for (const { id, status } of this.#sinks) if (status === 'active') await this.#look(id);
    }
  }

  /** Records what has to be said of a sink, if there is anything. */
  async #look(id: string): Promise<void> {
    const state = this.#states.get(id);
    if (state === undefined) return;
    const told = this.#toldOf(id, state);
    const { failingSince } = state;
    if (failingSince !== null && told.failing === null) {
      if (Date.now() - Date.parse(failingSince) >= this.#times.failing) await this.#record('sink.failed', id);
    } else if (failingSince === null && told.failing !== null) await this.#record('sink.recovered', id);
    else if (Date.now() - told.at >= this.#times.delivered) await this.#record('sink.delivered', id);
  }

  #take(state: SinkState): void {
    this.#states.set(state.id, state);
    // Where it began is known, and need not be recorded again.
    this.#toldOf(state.id, state);
  }

  #toldOf(id: string, { next }: SinkState): Told {
    const told = this.#told.get(id) ?? { next, at: Date.now(), failing: null };
    this.#told.set(id, told);
    return told;
  }

  async #record(type: SinkRecord['type'], id: string): Promise<void> {
    const state = this.#states.get(id);
    const sink = this.#sinks.find((each) => each.id === id);
    if (state === undefined || sink === undefined) return;
    const told = this.#toldOf(id, state);
    // Its own record is one more leaf; one that says nothing else than the one before is none.
    if (type === 'sink.delivered' && state.next <= told.next + 1) {
      told.at = Date.now();
      return;
    }
    const { next, at, rejected, fault } = state;
    const failingSince = type === 'sink.recovered' ? told.failing : state.failingSince;
    try {
      await this.#options.record(
        type,
        { id, name: sink.name },
        {
          next,
          at,
          rejected,
          ...(failingSince !== null && { failingSince }),
          ...(type === 'sink.failed' && fault !== null && { fault }),
        },
      );
      this.#told.set(id, {
        next,
        at: Date.now(),
        failing: type === 'sink.failed' ? failingSince : type === 'sink.recovered' ? null : told.failing,
      });
    } catch (error) {
      // It is tried again at the next look; the log says itself that it cannot be written.
      this.#options.say(
        `what became of the sink ${sink.name} could not be recorded: ${(error as Error).message}`,
      );
    }
  }
}
