import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { PgSession } from './session.ts';

/**
 * Postern's own cancel keys, mapped to sessions. The "process id" says which worker holds the session, so that a request that
 * the kernel hands to another worker finds its way.
 *
 * @see https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export class CancelKeys {
  readonly #worker: number;
  readonly #route: (worker: number, key: Buffer) => void;
  readonly #sessions = new Map<number, { readonly session: PgSession; readonly secret: Buffer }>();
  readonly #ids = new Map<PgSession, number>();
  #next = 1;

  /** @param worker 0 to 126 */
  constructor(worker: number, route: (worker: number, key: Buffer) => void) {
    this.#worker = worker;
    this.#route = route;
  }

  /** The key for BackendKeyData: process id and secret, 4 bytes each. */
  add(session: PgSession): Buffer {
    let id: number;
    do {
      id = (this.#worker << 24) | this.#next;
      this.#next = (this.#next % 0xffffff) + 1;
    } while (this.#sessions.has(id));
    const secret = randomBytes(4);
    this.#sessions.set(id, { session, secret });
    this.#ids.set(session, id);
    const key = Buffer.alloc(8);
    key.writeInt32BE(id, 0);
    secret.copy(key, 4);
    return key;
  }

  remove(session: PgSession): void {
    const id = this.#ids.get(session);
    if (id === undefined) return;
    this.#ids.delete(session);
    this.#sessions.delete(id);
  }

  /** Cancels what the session of `key` is running. A wrong key does nothing and gets no answer, as in PostgreSQL. */
  cancel(key: Buffer): void {
    if (key.length !== 8) return;
    const id = key.readInt32BE(0);
    const worker = id >> 24;
    if (worker !== this.#worker) {
      this.#route(worker, key);
      return;
    }
    const held = this.#sessions.get(id);
    if (held !== undefined && timingSafeEqual(held.secret, key.subarray(4))) held.session.cancel();
  }
}
