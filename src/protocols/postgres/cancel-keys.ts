import { randomBytes, timingSafeEqual } from 'node:crypto';
import { MAX_CANCEL_KEY_BYTES } from './negotiation.ts';
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

  /** The key for BackendKeyData: a process id of 4 bytes and a secret of `secretBytes`. */
  add(session: PgSession, secretBytes: number): Buffer {
    let id: number;
    do {
      id = (this.#worker << 24) | this.#next;
      this.#next = (this.#next % 0xffffff) + 1;
    } while (this.#sessions.has(id));
    const secret = randomBytes(secretBytes);
    this.#sessions.set(id, { session, secret });
    this.#ids.set(session, id);
    const key = Buffer.alloc(4 + secretBytes);
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
    if (key.length < 8 || key.length > MAX_CANCEL_KEY_BYTES) return;
    const id = key.readInt32BE(0);
    const worker = id >> 24;
    if (worker !== this.#worker) {
      this.#route(worker, key);
      return;
    }
    const held = this.#sessions.get(id);
    const secret = key.subarray(4);
    // A prefix of the right key is not the right key: lengths are compared too.
    if (held === undefined || held.secret.length !== secret.length) return;
    if (timingSafeEqual(held.secret, secret)) held.session.cancel();
  }
}
