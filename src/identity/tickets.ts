import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';

/** What a ticket is for: one for one purpose is none for another. */
export type TicketPurpose = 'oidc' | 'device' | 'passkey' | 'enrol' | 'cli';

const LONGEST = 6000;
const NONCE = 12;
const TAG = 16;
/** How many spent tickets are remembered at most. Each has cost its holder a login that succeeded. */
const MOST_SPENT = 100_000;

interface Sealed<T> {
  readonly id: string;
  /** ms */
  readonly ends: number;
  readonly value: T;
}

/**
 * What must be kept between two requests of somebody who has not signed in yet. It is given out sealed instead of being
 * kept, so that nobody can fill the memory by beginning logins. Tickets end with the process.
 */
export class Tickets {
  readonly #key = randomBytes(32);
  readonly #spent = new Map<string, number>();

  issue(purpose: TicketPurpose, value: object, ttlSeconds: number): string {
    const sealed: Sealed<object> = { id: uuidv7(), ends: Date.now() + ttlSeconds * 1000, value };
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(purpose));
    const parts = [nonce, cipher.update(JSON.stringify(sealed)), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(parts).toString('base64url');
  }

  /** What is in a ticket, which can be read again. @throws PosternError POSTERN_UNAUTHORIZED */
  read<T>(purpose: TicketPurpose, ticket: string): T {
    return this.#open<T>(purpose, ticket).value;
  }

  /** What is in a ticket, once. @throws PosternError POSTERN_UNAUTHORIZED, also when it was spent before */
  spend<T>(purpose: TicketPurpose, ticket: string): T {
    const { id, ends, value } = this.#open<T>(purpose, ticket);
    this.#forget();
    if (this.#spent.has(id) || this.#spent.size >= MOST_SPENT) throw over();
    this.#spent.set(id, ends);
    return value;
  }

  #open<T>(purpose: TicketPurpose, ticket: string): Sealed<T> {
    if (ticket.length > LONGEST) throw over();
    let sealed: Sealed<T>;
    try {
      const bytes = Buffer.from(ticket, 'base64url');
      const options = { authTagLength: TAG };
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE), options)
        .setAAD(Buffer.from(purpose))
        .setAuthTag(bytes.subarray(-TAG));
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]);
      sealed = JSON.parse(plain.toString('utf8')) as Sealed<T>;
    } catch {
      throw over();
    }
    if (sealed.ends <= Date.now()) throw over();
    return sealed;
  }

  /** Lets go of what could not be used any more anyway. */
  #forget(): void {
    const now = Date.now();
    for (const [id, ends] of this.#spent) if (ends <= now) this.#spent.delete(id);
  }
}

const over = (): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', 'This took too long, or was used already.', 'Begin anew.');
