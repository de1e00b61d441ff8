import { Worker } from 'node:worker_threads';
import type { Finding } from '../../core/alert-finding.ts';
import type { IndexData } from '../thread-messages.ts';
import type { FromWatch, ToWatch } from './watch-messages.ts';

const RESTART_MS = 1000;
const RETRY_MS = { first: 250, longest: 10_000 };

export interface WatchOptions {
  readonly dataDir: string;
  /** How many leaves of the log are under a released checkpoint. */
  readonly size: number;
  /** Records what was found; what fails is brought again. Takes no harm where it has it already. */
  readonly take: (findings: readonly Finding[]) => Promise<unknown>;
  /** Told when the log cannot be watched or what was found cannot be recorded, and null when it can again. */
  readonly onFault: (fault: string | null) => void;
}

/** The control process's handle on the thread that watches the log. */
export class WatchService {
  readonly #options: WatchOptions;
  #wanted: number;
  #worker: Worker;
  #closing = false;
  #faulty = false;
  #ended: Promise<void> = Promise.resolve();
  #taking: Promise<void> = Promise.resolve();
  readonly #gone = new AbortController();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#wanted = options.size;
    this.#worker = this.#spawn();
  }

  /** Says how many leaves are under a released checkpoint. */
  follow(size: number): void {
    if (size <= this.#wanted) return;
    this.#wanted = size;
    this.#tell({ kind: 'follow', size });
  }

  /** Ends the thread. What it has found and is not recorded yet is brought at the next start. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#gone.abort();
    this.#tell({ kind: 'close' });
    await this.#ended;
    await this.#taking;
  }

  #tell(message: ToWatch): void {
    this.#worker.postMessage(message);
  }

  #spawn(): Worker {
    const workerData: IndexData = { dataDir: this.#options.dataDir, size: this.#wanted };
    const worker = new Worker(new URL('./watch-thread.ts', import.meta.url), { workerData });
    worker.on('message', (message: FromWatch) => {
      if (message.kind === 'fault') this.#fault(message.message);
      else if (message.kind === 'found') this.#taking = this.#take(worker, message.findings);
    });
    worker.on('error', (error) => this.#fault(error.message));
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        if (!this.#closing) {
          this.#fault('the thread has ended');
          setTimeout(() => this.#restart(), RESTART_MS).unref();
        }
        resolve();
      });
    });
    return worker;
  }

  #restart(): void {
    if (!this.#closing) this.#worker = this.#spawn();
  }

  /** Until it is recorded: a full disk delays an alert, and loses none. */
  async #take(worker: Worker, findings: readonly Finding[]): Promise<void> {
    const leaf = findings.at(-1)?.leaf ?? -1;
    for (let retry = RETRY_MS.first; !this.#closing && worker === this.#worker; ) {
      try {
        await this.#options.take(findings);
        if (this.#faulty) this.#fault(null);
        const taken: ToWatch = { kind: 'taken', leaf };
        worker.postMessage(taken);
        return;
      } catch (error) {
        this.#fault(error instanceof Error ? error.message : String(error));
        await this.#pause(retry);
        retry = Math.min(retry * 2, RETRY_MS.longest);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#gone.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#gone.signal.addEventListener('abort', end, { once: true });
      if (this.#gone.signal.aborted) end();
    });
  }

  #fault(fault: string | null): void {
    if (fault === null && !this.#faulty) return;
    this.#faulty = fault !== null;
    this.#options.onFault(fault);
  }
}
