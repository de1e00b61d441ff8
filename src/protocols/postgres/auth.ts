import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../core/errors.ts';
import { proofFits, scramSalt, serverSignature } from '../../core/scram.ts';
import {
  type CredentialView,
  type PasswordCredentialView,
  type PrincipalView,
  SCRAM_ITERATIONS,
} from '../../core/views.ts';
import type { Directory } from '../contract.ts';
import { Refused, unusable } from '../door.ts';
import { Back, cstring, cstringEnd, int32, message, strictUtf8, WireError } from './wire.ts';

/**
 * The server's side of SCRAM-SHA-256 and, within TLS, SCRAM-SHA-256-PLUS for issued passwords. One name may have several valid
 * credentials: they share the principal's salt, and the proof shows which one the client holds.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-5
 * @see https://www.postgresql.org/docs/18/sasl-authentication.html
 */

export type AuthResult =
  | {
      readonly ok: true;
      readonly principal: PrincipalView;
      readonly credential: CredentialView;
      readonly final: Buffer;
    }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      /** What the client may read. */
      readonly message: string;
      /** What the record says, where the name is a principal's. */
      readonly principal?: PrincipalView;
    };

const MECHANISM = 'SCRAM-SHA-256';
const MECHANISM_PLUS = 'SCRAM-SHA-256-PLUS';
const MAX_SASL_BYTES = 2048;

export class ScramServer {
  readonly #directory: Directory;
  readonly #name: string;
  readonly #salt: Buffer;
  readonly #endPoint: Buffer | null;
  #clientFirstBare = '';
  /** What `c=` must hold, base64. */
  #binding = '';
  #plus = false;
  #serverFirst = '';
  #nonce = '';

  /** @param endPoint channel binding of this connection; null where it has none, and then PLUS is not offered */
  constructor(directory: Directory, scramSecret: Buffer, name: string, endPoint: Buffer | null) {
    this.#directory = directory;
    this.#name = name;
    this.#salt = scramSalt(scramSecret, name);
    this.#endPoint = endPoint;
  }

  /** AuthenticationSASL: what may be used, the best first. */
  offer(): Buffer {
    const names = this.#endPoint === null ? [MECHANISM] : [MECHANISM_PLUS, MECHANISM];
    return message(Back.authentication, int32(10), ...names.map(cstring), Buffer.alloc(1));
  }

  /**
   * Takes SASLInitialResponse (a whole `p` message), gives AuthenticationSASLContinue.
   *
   * @throws Refused when the client was led to believe that channel binding is not offered here
   */
  first(buffer: Buffer, start: number, end: number): Buffer {
    if (end - start > MAX_SASL_BYTES) throw new WireError('an oversized SASL message');
    const mechanismEnd = cstringEnd(buffer, start + 5, end);
    const mechanism = buffer.toString('latin1', start + 5, mechanismEnd);
    const plus = mechanism === MECHANISM_PLUS && this.#endPoint !== null;
    if (!plus && mechanism !== MECHANISM) throw new WireError('a SASL mechanism that was not offered');
    const length = mechanismEnd + 5 <= end ? buffer.readInt32BE(mechanismEnd + 1) : -1;
    if (length < 0 || mechanismEnd + 5 + length !== end)
      throw new WireError('a malformed SASLInitialResponse');
    const text = strictUtf8(buffer.subarray(mechanismEnd + 5, end));
    // gs2-header: channel binding (p), none (n), or "I could, you cannot" (y); no authorization identity.
    const match = /^((?:n|y|p=tls-server-end-point),,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]{8,256}))$/.exec(text);
    const [, gs2 = '', bare = '', nonce = ''] = match ?? [];
    if (match === null || gs2.startsWith('p') !== plus)
      throw new WireError('a malformed SCRAM client-first message');
    // We did offer it: somebody in between took it out of the offer.
    if (gs2.startsWith('y') && this.#endPoint !== null)
      throw this.#refused('channel binding was offered and did not reach the client');
    const bound = plus ? (this.#endPoint ?? Buffer.alloc(0)) : Buffer.alloc(0);
    this.#binding = Buffer.concat([Buffer.from(gs2), bound]).toString('base64');
    this.#plus = plus;
    this.#clientFirstBare = bare;
    this.#nonce = `${nonce}${randomBytes(18).toString('base64')}`;
    this.#serverFirst = `r=${this.#nonce},s=${this.#salt.toString('base64')},i=${SCRAM_ITERATIONS}`;
    return message(Back.authentication, int32(11), Buffer.from(this.#serverFirst));
  }

  /**
   * Takes SASLResponse (a whole `p` message) and decides.
   *
   * @throws Refused when the client is bound to another channel: it sees another server's certificate than ours
   */
  last(buffer: Buffer, start: number, end: number, nowMs: number): AuthResult {
    if (end - start > MAX_SASL_BYTES) throw new WireError('an oversized SASL message');
    const text = strictUtf8(buffer.subarray(start + 5, end));
    const match = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)),p=([A-Za-z0-9+/]{43}=)$/.exec(text);
    if (match === null) throw new WireError('a malformed SCRAM client-final message');
    if (this.#nonce === '' || match[3] !== this.#nonce)
      throw new WireError('a SCRAM client-final message of another exchange');
    if (match[2] !== this.#binding) {
      if (this.#plus) throw this.#refused('the channel binding does not fit this connection');
      throw new WireError('a SCRAM client-final message of another exchange');
    }
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${match[1]}`;
    const proof = Buffer.from(match[4] as string, 'base64');
    const principal = this.#directory.principalByName(this.#name);
    const known = principal === undefined ? [] : this.#directory.credentialsOf(principal.id);
    let held: { credential: PasswordCredentialView; final: Buffer } | undefined;
    for (const credential of known) {
      if (credential.kind !== 'password') continue;
      const verifier = {
        storedKey: Buffer.from(credential.storedKey, 'base64'),
        serverKey: Buffer.from(credential.serverKey, 'base64'),
      };
      if (proofFits(verifier, authMessage, proof)) {
        held = { credential, final: serverSignature(verifier, authMessage) };
      }
    }
    if (principal === undefined || held === undefined) {
      const message = `authentication failed for "${this.#name}"`;
      return {
        ok: false,
        code: 'POSTERN_AUTH_FAILED',
        message,
        ...(principal === undefined ? {} : { principal }),
      };
    }
    // From here on the client has shown that it holds a credential of this principal: it may learn why not.
    const { credential } = held;
    const why = unusable(principal, credential, nowMs);
    if (why !== null) return { ok: false, ...why, principal };
    const final = message(Back.authentication, int32(12), Buffer.from(`v=${held.final.toString('base64')}`));
    return { ok: true, principal, credential, final };
  }

  #refused(why: string): Refused {
    const text = `authentication failed for "${this.#name}": ${why}`;
    return new Refused('POSTERN_AUTH_FAILED', text, this.#directory.principalByName(this.#name));
  }
}
