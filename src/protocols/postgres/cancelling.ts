/** Cancel requests of one session to its resource: one connection at a time, however many the client sends. */
import type { SessionIdentity } from '../session-records.ts';
import { cancelUpstream } from './upstream.ts';

export class Cancelling {
  readonly #who: SessionIdentity;
  readonly #key: Buffer;
  readonly #timeoutMs: number;
  #running = false;
  /** Another one came meanwhile: it may be about a later statement. */
  #again = false;

  constructor(who: SessionIdentity, key: Buffer, timeoutMs: number) {
    this.#who = who;
    this.#key = key;
    this.#timeoutMs = timeoutMs;
  }

  ask(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    const { resource, session } = this.#who;
    cancelUpstream(resource, this.#key, this.#timeoutMs)
      .catch((error: unknown) => {
        console.error(
          `postern: session ${session}: the resource did not take the cancel request: ${String(error)}`,
        );
      })
      .finally(() => {
        this.#running = false;
        if (!this.#again) return;
        this.#again = false;
        this.ask();
      });
  }
}
