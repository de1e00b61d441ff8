import { Worker } from 'node:worker_threads';
import { type ErrorCode, PosternError } from '../core/errors.ts';
import type { LongAnswers, LongQuestion } from './long-question.ts';

/** What the thread is asked, and what it answers. */
export interface Asked {
  readonly id: number;
  readonly question: LongQuestion;
}
export type LongReply =
  | { readonly id: number; readonly answer: LongAnswers[LongQuestion['kind']] }
  | {
      readonly id: number;
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly hint: string | undefined;
      };
    };

/** How long one question may take, and how many may wait. */
const MOST_MS = 60_000;
const MOST_WAITING = 32;

interface Waiting {
  readonly question: LongQuestion;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Answers questions over millions of rows on a thread of its own, one at a time, so that the process that asks goes on
 * with everything else. A question that takes too long is given up with its thread; the next one gets a new thread.
 */
export class LongQuestions {
  readonly #dataDir: string;
  readonly #mostMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #closed = false;

  constructor(dataDir: string, mostMs: number = MOST_MS) {
    this.#dataDir = dataDir;
    this.#mostMs = mostMs;
  }

  /**
   * @throws PosternError POSTERN_TIMEOUT, POSTERN_TOO_MANY_REQUESTS, POSTERN_SHUTTING_DOWN, and what the question itself
   * is refused with
   */
  ask<Q extends LongQuestion>(question: Q): Promise<LongAnswers[Q['kind']]> {
    if (this.#closed) return Promise.reject(closing());
    if (this.#waiting.size >= MOST_WAITING) {
      const busy = new PosternError(
        'POSTERN_TOO_MANY_REQUESTS',
        'Too many questions are waiting.',
        'Ask later.',
      );
      return Promise.reject(busy);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(this.#nextId++, { question, resolve, reject });
      if (this.#waiting.size === 1) this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(closing());
    await this.#worker?.terminate();
  }

  /** Gives the thread the question that has waited longest. */
  #next(): void {
    const [first] = this.#waiting;
    // An idle thread does not keep the process alive; one that is asked does.
    if (first === undefined) {
      this.#worker?.unref();
      return;
    }
    const [id, { question }] = first;
    this.#worker ??= this.#spawn();
    this.#worker.ref();
    this.#worker.postMessage({ id, question } satisfies Asked);
    this.#timer = setTimeout(() => this.#giveUp(id), this.#mostMs);
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./long-thread.ts', import.meta.url), { workerData: this.#dataDir });
    worker.on('message', (reply: LongReply) => {
      if (this.#worker === worker) this.#take(reply);
    });
    worker.on('error', (error) => this.#lost(worker, error.message));
    worker.on('exit', () => this.#lost(worker, 'its thread ended'));
    return worker;
  }

  #take(reply: LongReply): void {
    clearTimeout(this.#timer);
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('answer' in reply) waiting?.resolve(reply.answer as never);
    else waiting?.reject(new PosternError(reply.error.code, reply.error.message, reply.error.hint));
    this.#next();
  }

  #giveUp(id: number): void {
    const worker = this.#worker;
    this.#worker = null;
    worker?.terminate().catch((error: unknown) => this.#drop(id, error as Error));
    this.#drop(
      id,
      new PosternError(
        'POSTERN_TIMEOUT',
        `The question took longer than ${this.#mostMs / 1000} s.`,
        'Narrow it: a shorter time, one principal, one resource.',
      ),
    );
  }

  /** The thread ended by itself: the question under way has no answer. */
  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker || this.#closed) return;
    this.#worker = null;
    clearTimeout(this.#timer);
    const [id] = this.#waiting.keys();
    if (id === undefined) return;
    this.#drop(id, new PosternError('POSTERN_INTERNAL', `The question could not be answered: ${why}.`));
  }

  #drop(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
    this.#waiting.delete(id);
    this.#next();
  }
}

function closing(): PosternError {
  return new PosternError('POSTERN_SHUTTING_DOWN', 'Postern is shutting down.');
}
