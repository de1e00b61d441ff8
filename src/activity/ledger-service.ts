import { Worker } from 'node:worker_threads';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import type { KeyChange } from '../ledger/log-key.ts';
import { IndexService } from './index-service.ts';
import type { FromThread, KeyRotation, LedgerStatus, ThreadData, ToThread } from './thread-messages.ts';
import { unavailable } from './unavailable.ts';

const RESTART_MS = 1000;
/** The records of a step live until it is on disk: with a nursery that holds them, collecting garbage costs little. */
const NURSERY_MB = 64;

interface Waiting<T> {
  readonly resolve: (done: T) => void;
  readonly reject: (error: Error) => void;
}

type LedgerData = Omit<ThreadData, 'keys'> & { readonly keys: DataKeys };

/** The control process's handle on the threads of sequencer and index. */
export class LedgerService {
  readonly #data: LedgerData;
  readonly #waiting = new Map<number, Waiting<{ size: number }>>();
  readonly #rotations = new Map<number, Waiting<KeyChange>>();
  readonly #keyed = new Map<number, () => void>();
  #onLoss: (loss: string) => void = () => undefined;
  #onSize: (size: number) => void = () => undefined;
  readonly #listeners = new Set<(fault: string | null) => void>();
  #worker: Worker;
  /** Null until the log is open. */
  #index: IndexService | null = null;
  #indexFault: string | null = null;
  #status: LedgerStatus | null = null;
  #nextId = 1;
  #closing = false;
  #ended: Promise<void> = Promise.resolve();

  /**
   * Starts the threads and waits until they have brought log and index up to what the journals hold in order.
   *
   * @throws PosternError POSTERN_INTERNAL where the log cannot be opened
   */
  static async start(options: {
    readonly dataDir: string;
    readonly keys: DataKeys;
    /** Text of the log's signing keys where they are not in `log/log.key`. */
    readonly logKey?: string | null;
  }): Promise<LedgerService> {
    const { dataDir, keys, logKey = null } = options;
    const service = new LedgerService({ dataDir, keys, logKey });
    const failed = new Promise<never>((_, reject) => {
      service.#listeners.add((fault) => {
        if (fault !== null)
          reject(new PosternError('POSTERN_INTERNAL', `The log cannot be opened: ${fault}`));
      });
    });
    try {
      await Promise.race([service.flush(), failed]);
    } catch (error) {
      await service.close();
      throw error;
    }
    service.#listeners.clear();
    return service;
  }

  private constructor(data: LedgerData) {
    this.#data = data;
    this.#worker = this.#spawn();
  }

  /**
   * Resolves when everything journalled before the call is in the log, in the index and under a signed checkpoint.
   *
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE where the thread cannot do it at present
   */
  flush(): Promise<{ size: number }> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#tell({ kind: 'flush', id });
    });
  }

  /**
   * Makes a new signing key of the log; resolves when the change is a leaf under a checkpoint of both.
   *
   * @throws PosternError POSTERN_CONFLICT where the keys are provided from outside
   */
  rotateKey(rotation: KeyRotation): Promise<KeyChange> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#rotations.set(id, { resolve, reject });
      this.#tell({ kind: 'rotate-key', id, rotation });
    });
  }

  /** Tells the thread that the data keys have changed; resolves when nothing uses those of before any more. */
  useKeys(): Promise<void> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#keyed.set(id, resolve);
      this.#tell({ kind: 'keys', id, keys: this.#data.keys.export() });
    });
  }

  /** Says that records were journalled, so that they need not wait for the next look. */
  wake(): void {
    this.#tell({ kind: 'wake' });
  }

  /** As of the last signed checkpoint. */
  status(): LedgerStatus {
    if (this.#status === null) throw new PosternError('POSTERN_INTERNAL', 'The log is not open.');
    return { ...this.#status, fault: this.#status.fault ?? this.#indexFault };
  }

  /** Calls `listener` with a fault when one begins, and with null when it is over. Answers how to stop that. */
  onFault(listener: (fault: string | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` with each sentence of `losses`, once. */
  onLoss(listener: (loss: string) => void): void {
    this.#onLoss = listener;
    for (const loss of this.status().losses) listener(loss);
  }

  /** Calls `listener` with the number of leaves whenever another checkpoint was released. */
  onSize(listener: (size: number) => void): void {
    this.#onSize = listener;
  }

  /** Takes in what is journalled, signs a last checkpoint and ends the threads. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#tell({ kind: 'close' });
    await this.#ended;
    await this.#index?.close();
  }

  #tell(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./sequencer-thread.ts', import.meta.url), {
      workerData: { ...this.#data, keys: this.#data.keys.export() } satisfies ThreadData,
      resourceLimits: { maxYoungGenerationSizeMb: NURSERY_MB },
    });
    worker.on('message', (message: FromThread) => this.#take(message));
    worker.on('error', (error) => this.#fault(error.message));
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#fail('The thread of the log has ended.');
        if (!this.#closing && this.#status !== null) setTimeout(() => this.#restart(), RESTART_MS).unref();
        resolve();
      });
    });
    return worker;
  }

  #restart(): void {
    if (!this.#closing) this.#worker = this.#spawn();
  }

  #take(message: FromThread): void {
    switch (message.kind) {
      case 'status':
        this.#takeStatus(message.status);
        break;
      case 'grown':
        this.#index?.follow(message.size);
        break;
      case 'fault':
        this.#fault(message.message);
        break;
      case 'flushed':
        this.#settle(message.id, (waiting) => waiting.resolve({ size: message.size }));
        break;
      case 'flush-failed':
        this.#settle(message.id, (waiting) => waiting.reject(unavailable(message.message)));
        break;
      case 'keys-taken':
        this.#keyed.get(message.id)?.();
        this.#keyed.delete(message.id);
        break;
      case 'key-rotated':
        this.#rotations.get(message.id)?.resolve(message.change);
        this.#rotations.delete(message.id);
        break;
      case 'key-not-rotated':
        this.#rotations
          .get(message.id)
          ?.reject(new PosternError(message.code, message.message, message.hint));
        this.#rotations.delete(message.id);
        break;
    }
  }

  #takeStatus(status: LedgerStatus): void {
    const before = this.#status?.fault ?? null;
    for (const loss of status.losses.slice(this.#status?.losses.length)) this.#onLoss(loss);
    this.#status = status;
    this.#index ??= new IndexService(this.#data.dataDir, status.size, (fault) => {
      this.#indexFault = fault;
      for (const listener of this.#listeners) listener(fault);
    });
    this.#index.follow(status.size);
    this.#onSize(status.size);
    if (before !== null && status.fault === null) for (const listener of this.#listeners) listener(null);
  }

  /** Answers one who waits when the index has what the log has, or cannot have it. */
  #settle(id: number, answer: (waiting: Waiting<{ size: number }>) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const reached = this.#index?.reach(this.#status?.size ?? 0) ?? Promise.resolve();
    reached
      .then(() => answer(waiting))
      .catch((error: Error) => waiting.reject(error))
      .finally(() => this.#waiting.delete(id));
  }

  #fault(fault: string): void {
    if (this.#status !== null) this.#status = { ...this.#status, fault };
    for (const listener of this.#listeners) listener(fault);
  }

  #fail(reason: string): void {
    for (const waiting of [...this.#waiting.values(), ...this.#rotations.values()])
      waiting.reject(unavailable(reason));
    this.#waiting.clear();
    this.#rotations.clear();
    // The next thread is given the keys as they are by then.
    for (const resolve of this.#keyed.values()) resolve();
    this.#keyed.clear();
  }
}
