import { randomBytes, timingSafeEqual } from 'node:crypto';
import { clientProof, type ScramClientKeys, scramKeys, serverSignature } from '../../core/scram.ts';
import type { ResourceView } from '../../core/views.ts';
import { cstring, Front, int32, message, WireError } from './wire.ts';

/** Derived keys of upstream passwords: PBKDF2 costs milliseconds, and RFC 5802 lets a client keep its result. */
const derived = new Map<string, Promise<ScramClientKeys>>();
const MAX_DERIVED = 256;
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;

/**
 * The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, towards a resource.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-6
 * @see https://www.postgresql.org/docs/18/sasl-authentication.html
 */
export class ScramClient {
  readonly #resource: ResourceView;
  readonly #password: string;
  readonly #endPoint: Buffer | null;
  readonly #nonce = randomBytes(18).toString('base64');
  #gs2 = '';
  #bound: Buffer = Buffer.alloc(0);
  #expected: Buffer = Buffer.alloc(0);

  /** @param endPoint channel binding of the server's certificate; null without TLS, or where it has none */
  constructor(resource: ResourceView, password: string, endPoint: Buffer | null) {
    this.#resource = resource;
    this.#password = password;
    this.#endPoint = endPoint;
  }

  /**
   * SASLInitialResponse to what the server offers: with channel binding where both can. Where only this side can, it says so,
   * and a server whose offer was cut short on the way notices.
   */
  first(mechanisms: readonly string[]): Buffer {
    const endPoint = this.#endPoint;
    const plus = endPoint !== null && mechanisms.includes('SCRAM-SHA-256-PLUS');
    if (!plus && !mechanisms.includes('SCRAM-SHA-256'))
      throw new WireError('the server does not offer SCRAM-SHA-256');
    if (plus) this.#bound = endPoint;
    this.#gs2 = plus ? 'p=tls-server-end-point,,' : endPoint === null ? 'n,,' : 'y,,';
    const initial = Buffer.from(`${this.#gs2}n=,r=${this.#nonce}`);
    const mechanism = plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
    return message(Front.password, cstring(mechanism), int32(initial.length), initial);
  }

  async final(serverFirst: string): Promise<Buffer> {
    const match = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]*)$/.exec(serverFirst);
    const [, nonce = '', salt = '', count = ''] = match ?? [];
    const iterations = Number(count);
    if (this.#gs2 === '' || !nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new WireError('a malformed SCRAM challenge');
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS)
      throw new WireError(`an unacceptable SCRAM iteration count of ${count}`);
    const keys = await this.#keys(salt, iterations);
    const binding = Buffer.concat([Buffer.from(this.#gs2), this.#bound]).toString('base64');
    const withoutProof = `c=${binding},r=${nonce}`;
    const authMessage = `n=,r=${this.#nonce},${serverFirst},${withoutProof}`;
    this.#expected = serverSignature(keys, authMessage);
    const proof = clientProof(keys, authMessage).toString('base64');
    return message(Front.password, Buffer.from(`${withoutProof},p=${proof}`));
  }

  verify(serverFinal: string): void {
    const signature = Buffer.from(/^v=([A-Za-z0-9+/=]+)/.exec(serverFinal)?.[1] ?? '', 'base64');
    if (
      signature.length !== 32 ||
      this.#expected.length !== 32 ||
      !timingSafeEqual(signature, this.#expected)
    ) {
      throw new WireError('the server did not prove that it knows the credential');
    }
  }

  #keys(salt: string, iterations: number): Promise<ScramClientKeys> {
    const id = `${this.#resource.id}\n${salt}\n${iterations}\n${this.#password}`;
    let keys = derived.get(id);
    if (keys === undefined) {
      if (derived.size >= MAX_DERIVED) derived.clear();
      keys = scramKeys(this.#password, Buffer.from(salt, 'base64'), iterations);
      derived.set(id, keys);
    }
    return keys;
  }
}
