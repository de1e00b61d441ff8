/** The main thread's side of the worker for large texts: one at a time, each within a deadline. */
import { Worker } from 'node:worker_threads';
import type { Refusal } from './classified.ts';
import { type Examined, notExamined, TOO_DEEP } from './examine-text.ts';

/** A text that takes longer is refused and its thread ended. Milliseconds. */
export const LARGE_TEXT_DEADLINE_MS = 5_000;
/** More than that many texts waiting means that someone is flooding the gateway. */
const MAX_WAITING = 256;

const BUSY: Refusal = {
  code: 'POSTERN_STATEMENT_TOO_LARGE',
  reason: 'too many large statements are waiting to be examined',
  hint: 'Send smaller statements, or try again.',
};

const TOO_SLOW: Refusal = {
  code: 'POSTERN_STATEMENT_TOO_LARGE',
  reason: `the statement could not be examined within ${LARGE_TEXT_DEADLINE_MS / 1000} seconds`,
  hint: 'Split it, or pass values as parameters.',
};

interface Job {
  readonly sql: string;
  readonly done: (examined: Examined) => void;
}

export class LargeTexts {
  readonly #deadlineMs: number;
  readonly #waiting: Job[] = [];
  #worker: Worker | null = null;
  #job: Job | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(deadlineMs: number = LARGE_TEXT_DEADLINE_MS) {
    this.#deadlineMs = deadlineMs;
  }

  examine(sql: string): Promise<Examined> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve(notExamined(BUSY));
    return new Promise((done) => {
      this.#waiting.push({ sql, done });
      this.#next();
    });
  }

  #next(): void {
    if (this.#job !== null) return;
    const job = this.#waiting.shift();
    if (job === undefined) {
      // An idle thread keeps no process alive.
      this.#worker?.unref();
      return;
    }
    this.#job = job;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#timer = setTimeout(() => this.#abandon(TOO_SLOW), this.#deadlineMs);
    this.#worker.postMessage(job.sql);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./parser-worker.ts', import.meta.url), {
      // Nothing of the command line or the environment is needed there.
      argv: [],
      env: {},
      resourceLimits: { stackSizeMb: 64, maxOldGenerationSizeMb: 512 },
    });
    worker.on('message', (examined: Examined) => {
      if (worker === this.#worker) this.#finish(examined);
    });
    worker.on('error', () => {
      if (worker === this.#worker) this.#abandon(TOO_DEEP);
    });
    worker.on('exit', () => {
      if (worker !== this.#worker) return;
      this.#worker = null;
      if (this.#job !== null) this.#abandon(TOO_DEEP);
    });
    return worker;
  }

  /** Gives up on the text and on the thread that holds it. */
  #abandon(refusal: Refusal): void {
    const worker = this.#worker;
    this.#worker = null;
    void worker?.terminate();
    this.#finish(notExamined(refusal));
  }

  #finish(examined: Examined): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const job = this.#job;
    this.#job = null;
    job?.done(examined);
    this.#next();
  }
}
