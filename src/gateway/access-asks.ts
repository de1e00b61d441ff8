import { setTimeout as sleep } from 'node:timers/promises';
import type { AccessAnswer, AccessAsk, Directory } from '../protocols/contract.ts';

/** The control process is asked at most so often about one principal on one resource, in milliseconds. */
export const AGAIN_MS = 3000;
/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 5000;
/** Connections of one principal that are held at a time: the rest of the room is for others. */
const HELD_MAX = 32;
const REMEMBERED_MAX = 1024;

const NONE: AccessAnswer = { outcome: 'none' };

/** What a worker has under way with the control process for clients that connect without a grant. */
export class AccessAsks {
  readonly #directory: Pick<Directory, 'grantsOf'>;
  readonly #holdMs: number;
  readonly #tell: (ask: number, access: AccessAsk) => void;
  /** By principal and resource. */
  readonly #asked = new Map<string, { readonly at: number; readonly answer: Promise<AccessAnswer> }>();
  readonly #open = new Map<number, (answer: AccessAnswer) => void>();
  /** By principal. */
  readonly #held = new Map<string, number>();
  #change = Promise.withResolvers<void>();
  #last = 0;

  constructor(
    directory: Pick<Directory, 'grantsOf'>,
    holdMs: number,
    tell: (ask: number, access: AccessAsk) => void,
  ) {
    this.#directory = directory;
    this.#holdMs = holdMs;
    this.#tell = tell;
  }

  /** As `Gateway.askAccess` says. */
  async ask(access: AccessAsk, signal: AbortSignal): Promise<AccessAnswer> {
    const until = Date.now() + this.#holdMs;
    let answer = await this.#answer(access);
    const held = this.#held.get(access.principal) ?? 0;
    if (held >= HELD_MAX) return answer;
    this.#held.set(access.principal, held + 1);
    try {
      while (answer.outcome === 'pending' && Date.now() < until && !signal.aborted) {
        await this.#pause(Math.min(AGAIN_MS, until - Date.now()), signal);
        if (this.#granted(access)) return { outcome: 'granted' };
        answer = await this.#answer(access);
      }
      return answer;
    } finally {
      const left = (this.#held.get(access.principal) ?? 1) - 1;
      if (left === 0) this.#held.delete(access.principal);
      else this.#held.set(access.principal, left);
    }
  }

  /** The control process has answered. */
  answered(ask: number, answer: AccessAnswer): void {
    this.#open.get(ask)?.(answer);
  }

  /** The directory has changed: what is waited for may be there. */
  changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  #answer(access: AccessAsk): Promise<AccessAnswer> {
    const key = `${access.principal} ${access.resource}`;
    const now = Date.now();
    const known = this.#asked.get(key);
    if (known !== undefined && now - known.at < AGAIN_MS && now >= known.at) return known.answer;
    if (this.#asked.size >= REMEMBERED_MAX) {
      for (const [old, { at }] of this.#asked) if (now - at >= AGAIN_MS) this.#asked.delete(old);
      if (this.#asked.size >= REMEMBERED_MAX) return Promise.resolve(NONE);
    }
    const answer = this.#fromControl(access);
    this.#asked.set(key, { at: now, answer });
    return answer;
  }

  #fromControl(access: AccessAsk): Promise<AccessAnswer> {
    const ask = ++this.#last;
    return new Promise((resolve) => {
      const done = (answer: AccessAnswer): void => {
        clearTimeout(timer);
        this.#open.delete(ask);
        resolve(answer);
      };
      const timer = setTimeout(() => done(NONE), ANSWER_MS);
      this.#open.set(ask, done);
      this.#tell(ask, access);
    });
  }

  /** Until the directory changes, the time is over or nobody waits any more. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const slept = sleep(ms, undefined, { signal: stop }).catch(() => undefined);
    await Promise.race([this.#change.promise, slept]);
    over.abort();
  }

  #granted({ principal, resource }: AccessAsk): boolean {
    const now = Date.now();
    const grants = this.#directory.grantsOf(principal, resource);
    return grants.some(({ status, start, end }) => status === 'active' && start <= now && now < end);
  }
}
