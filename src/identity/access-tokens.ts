/** Postern's own bearer tokens, shown again: at the API, and as the proof of who acts at the exchange. */
import { createHash } from 'node:crypto';
import type { Confirmation } from '../core/confirmation.ts';
import { PosternError } from '../core/errors.ts';
import { keyFor, readToken, signatureFits } from '../core/jws.ts';
import type { Credential, Principal } from '../store/entities.ts';
import { findCredential, findPrincipal } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { TokenKeys } from '../vault/token-keys.ts';
import { type Proof, type Prover, tokenSha256 } from './proof.ts';

/** A principal that calls the API. */
export interface PrincipalCaller {
  readonly principal: Principal;
  readonly credential: Credential;
}

export class AccessTokens {
  readonly #db: StateDb;
  readonly #keys: TokenKeys;
  readonly #issuer: () => string;

  constructor(db: StateDb, keys: TokenKeys, issuer: () => string) {
    this.#db = db;
    this.#keys = keys;
    this.#issuer = issuer;
  }

  /**
   * Whose token it is, if it is in force and for this Postern itself.
   *
   * @param held keys whose possession came with the request
   * @throws PosternError POSTERN_UNAUTHORIZED
   */
  async authenticate(token: string, held: Confirmation): Promise<PrincipalCaller> {
    const read = readToken(token);
    if (typeof read === 'string') throw refused(read);
    const key = keyFor(read, this.#keys.verifiers(Date.now()));
    if (read.typ !== 'at+jwt' || key === undefined || !signatureFits(read, key))
      throw refused('it is no access token of this Postern');
    const { iss, aud, jti } = read.claims;
    const issuer = this.#issuer();
    if (iss !== issuer || aud !== issuer) throw refused('it is for another audience');
    const credential = await findCredential(this.#db, String(jti));
    if (credential?.kind !== 'jwt') throw refused('it is not known');
    if (credential.status !== 'active') throw refused('it was revoked');
    if (Date.parse(credential.expiresAt) <= Date.now())
      throw refused(`it expired at ${credential.expiresAt}`);
    const { confirmation } = credential;
    // A token that is bound to a key is no bearer's.
    if (confirmation?.jkt !== undefined && confirmation.jkt !== held.jkt)
      throw refused('possession of its key was not proven (DPoP)');
    if (confirmation?.x5tS256 !== undefined && confirmation.x5tS256 !== held.x5tS256)
      throw refused('the client certificate to which it is bound was not shown');
    const principal = await findPrincipal(this.#db, credential.principal.id);
    if (principal?.status !== 'active' || isOver(principal)) throw refused('its principal is not active');
    return { principal, credential };
  }

  /** The token as a proof, for an actor at the exchange. */
  readonly prover: Prover = async ({ token, clientCertificate, jkt }): Promise<Proof> => {
    const { principal, credential } = await this.authenticate(token, {
      ...(jkt !== undefined && { jkt }),
      ...(clientCertificate && { x5tS256: x5tS256(clientCertificate) }),
    });
    return {
      principal: { id: principal.id, name: principal.name },
      binding: credential.id,
      kind: 'jwt',
      issuer: this.#issuer(),
      subject: null,
      jti: credential.id,
      sha256: tokenSha256(token),
      claims: {},
      expiresAt: Date.parse(credential.expiresAt),
    };
  };
}

/** Of a certificate in DER. @see https://www.rfc-editor.org/rfc/rfc8705#section-3.1 */
export const x5tS256 = (der: Buffer): string => createHash('sha256').update(der).digest('base64url');

const isOver = ({ expiresAt }: Principal): boolean =>
  expiresAt !== null && Date.parse(expiresAt) <= Date.now();

const refused = (why: string): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', `The access token is not taken: ${why}.`);
