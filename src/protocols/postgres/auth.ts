import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../core/errors.ts';
import { proofFits, scramSalt, serverSignature } from '../../core/scram.ts';
import { type CredentialView, type PrincipalView, SCRAM_ITERATIONS } from '../../core/views.ts';
import type { Directory } from '../contract.ts';
import { Back, cstringEnd, int32, message, strictUtf8, WireError } from './wire.ts';

/**
 * The server's side of SCRAM-SHA-256 for issued credentials. One name may have several valid credentials:
 * they share the principal's salt, and the proof shows which one the client holds.
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
const MAX_SASL_BYTES = 2048;

export const AUTHENTICATION_OK = message(Back.authentication, int32(0));
export const AUTHENTICATION_SASL = message(Back.authentication, int32(10), Buffer.from(`${MECHANISM}\0\0`));

export class ScramServer {
  readonly #directory: Directory;
  readonly #name: string;
  readonly #salt: Buffer;
  #clientFirstBare = '';
  #gs2 = '';
  #serverFirst = '';
  #nonce = '';

  constructor(directory: Directory, scramSecret: Buffer, name: string) {
    this.#directory = directory;
    this.#name = name;
    this.#salt = scramSalt(scramSecret, name);
  }

  /** Takes SASLInitialResponse (a whole `p` message), gives AuthenticationSASLContinue. */
  first(buffer: Buffer, start: number, end: number): Buffer {
    if (end - start > MAX_SASL_BYTES) throw new WireError('an oversized SASL message');
    const mechanismEnd = cstringEnd(buffer, start + 5, end);
    if (buffer.toString('latin1', start + 5, mechanismEnd) !== MECHANISM) {
      throw new WireError('a SASL mechanism that was not offered');
    }
    const length = mechanismEnd + 5 <= end ? buffer.readInt32BE(mechanismEnd + 1) : -1;
    if (length < 0 || mechanismEnd + 5 + length !== end)
      throw new WireError('a malformed SASLInitialResponse');
    const text = strictUtf8(buffer.subarray(mechanismEnd + 5, end));
    // gs2-header: no channel binding (n), or supported but not offered (y); no authorization identity.
    const match = /^([ny],,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]{8,256}))$/.exec(text);
    if (match === null) throw new WireError('a malformed SCRAM client-first message');
    this.#gs2 = match[1] as string;
    this.#clientFirstBare = match[2] as string;
    this.#nonce = `${match[3]}${randomBytes(18).toString('base64')}`;
    this.#serverFirst = `r=${this.#nonce},s=${this.#salt.toString('base64')},i=${SCRAM_ITERATIONS}`;
    return message(Back.authentication, int32(11), Buffer.from(this.#serverFirst));
  }

  /** Takes SASLResponse (a whole `p` message) and decides. */
  last(buffer: Buffer, start: number, end: number, nowMs: number): AuthResult {
    if (end - start > MAX_SASL_BYTES) throw new WireError('an oversized SASL message');
    const text = strictUtf8(buffer.subarray(start + 5, end));
    const match = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)),p=([A-Za-z0-9+/]{43}=)$/.exec(text);
    if (match === null) throw new WireError('a malformed SCRAM client-final message');
    if (
      Buffer.from(match[2] as string, 'base64').toString('latin1') !== this.#gs2 ||
      match[3] !== this.#nonce
    ) {
      throw new WireError('a SCRAM client-final message of another exchange');
    }
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${match[1]}`;
    const proof = Buffer.from(match[4] as string, 'base64');
    const principal = this.#directory.principalByName(this.#name);
    const known = principal === undefined ? [] : this.#directory.credentialsOf(principal.id);
    let held: { credential: CredentialView; final: Buffer } | undefined;
    for (const credential of known) {
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
    const refused = (code: ErrorCode, message: string): AuthResult => ({
      ok: false,
      code,
      message,
      principal,
    });
    if (credential.status !== 'active') {
      return refused(
        'POSTERN_CREDENTIAL_EXPIRED',
        `credential ${credential.id} of "${principal.name}" was revoked`,
      );
    }
    if (credential.expiresAt <= nowMs) {
      const at = new Date(credential.expiresAt).toISOString();
      return refused(
        'POSTERN_CREDENTIAL_EXPIRED',
        `credential ${credential.id} of "${principal.name}" expired at ${at}`,
      );
    }
    if (principal.status !== 'active') {
      return refused('POSTERN_PRINCIPAL_INACTIVE', `principal "${principal.name}" is ${principal.status}`);
    }
    if (principal.expiresAt !== null && principal.expiresAt <= nowMs) {
      return refused('POSTERN_PRINCIPAL_INACTIVE', `principal "${principal.name}" is past its expiry`);
    }
    const final = message(Back.authentication, int32(12), Buffer.from(`v=${held.final.toString('base64')}`));
    return { ok: true, principal, credential, final };
  }
}
