import { Worker } from 'node:worker_threads';
import type { FromIndex, IndexData, ToIndex } from './thread-messages.ts';
import { unavailable } from './unavailable.ts';

const RESTART_MS = 1000;

interface Waiting {
  readonly size: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The control process's handle on the index's thread. */
export class IndexService {
  readonly #dataDir: string;
  readonly #onFault: (fault: string | null) => void;
  #wanted: number;
  #reached = 0;
  #waiting: Waiting[] = [];
  #worker: Worker;
  #closing = false;
  #ended: Promise<void> = Promise.resolve();

  /**
   * @param size how many leaves of the log are under a released checkpoint
   * @param onFault told when the index cannot be written, and null when it can again
   */
  constructor(dataDir: string, size: number, onFault: (fault: string | null) => void) {
    this.#dataDir = dataDir;
    this.#wanted = size;
    this.#onFault = onFault;
    this.#worker = this.#spawn();
  }

  /** Says how many leaves there are to be indexed: those under a released checkpoint, or full bundles. */
  follow(size: number): void {
    if (size <= this.#wanted) return;
    this.#wanted = size;
    this.#tell({ kind: 'follow', size });
  }

  /**
   * Resolves when so many leaves are in the index.
   *
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE where it cannot be written at present
   */
  reach(size: number): Promise<void> {
    this.follow(size);
    if (this.#reached >= size) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ size, resolve, reject }));
  }

  /** Takes in what there is and ends the thread. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#tell({ kind: 'close' });
    await this.#ended;
  }

  #tell(message: ToIndex): void {
    this.#worker.postMessage(message);
  }

  #spawn(): Worker {
    const workerData: IndexData = { dataDir: this.#dataDir, size: this.#wanted };
    const worker = new Worker(new URL('./index-thread.ts', import.meta.url), { workerData });
    worker.on('message', (message: FromIndex) => {
      if (message.kind === 'reached') this.#take(message.size);
      else this.#fault(message.message);
    });
    worker.on('error', (error) => this.#fault(error.message));
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#fail('The thread of the index has ended.');
        if (!this.#closing) setTimeout(() => this.#restart(), RESTART_MS).unref();
        resolve();
      });
    });
    return worker;
  }

  #restart(): void {
    if (!this.#closing) this.#worker = this.#spawn();
  }

  #take(size: number): void {
    this.#reached = size;
    const due = this.#waiting.filter((waiting) => waiting.size <= size);
    this.#waiting = this.#waiting.filter((waiting) => waiting.size > size);
    for (const waiting of due) waiting.resolve();
  }

  #fault(fault: string | null): void {
    if (fault !== null) this.#fail(fault);
    this.#onFault(fault === null ? null : `the index: ${fault}`);
  }

  #fail(reason: string): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const waiting of due) waiting.reject(unavailable(reason));
  }
}
