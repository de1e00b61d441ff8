/**
 * The one interface between ways of proving who somebody is (bindings) and the exchange, which gives a credential for a
 * proof. A way is a `Prover`; which of them takes a token is said by the token's type.
 */
import { createHash } from 'node:crypto';
import type { Confirmation } from '../core/confirmation.ts';
import type { Ref } from '../core/record.ts';
import type { Binding } from '../store/entities.ts';

/**
 * Types of tokens that can be shown.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-3
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-2.2
 */
export const TOKEN_TYPES = {
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  /** Postern's own bearer token: proves who acts, and nobody on whose behalf. */
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  jwtSvid: 'urn:postern:token-type:jwt-svid',
  clientCertificate: 'urn:postern:token-type:client-certificate',
  /** The type of a client assertion: `private_key_jwt`. */
  keyAssertion: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  sshSignature: 'urn:postern:token-type:ssh-signature',
  awsCallerIdentity: 'urn:postern:token-type:aws-caller-identity',
  kubernetesReview: 'urn:postern:token-type:kubernetes-token-review',
} as const;

/** What somebody who asks for a credential shows. */
export interface Shown {
  /** One of {@link TOKEN_TYPES}. */
  readonly type: string;
  /** Empty where the proof is in the connection (a client certificate). Never in a record, log or error. */
  readonly token: string;
  /** Address of the client. */
  readonly source: string;
  /** DER, of the TLS connection: the handshake proved that the client holds its key. Its chain has not been looked at. */
  readonly clientCertificate?: Buffer;
  /** What the client sent beside it, in DER; not looked at either. */
  readonly clientChain?: readonly Buffer[];
  /** Thumbprint of a key whose possession the request proves beside (DPoP). */
  readonly jkt?: string;
}

/** What it proves. */
export interface Proof {
  readonly principal: Ref;
  /** Id of the binding, or of the credential that was shown. */
  readonly binding: string;
  /** `jwt`: a bearer token of Postern's own. */
  readonly kind: Binding['kind'] | 'jwt';
  readonly issuer: string | null;
  readonly subject: string | null;
  /** The token's own id, where it has one. */
  readonly jti: string | null;
  /** SHA-256 of the token, hex: tells it again without holding it. */
  readonly sha256: string;
  /** Claims that were bound, and those worth keeping (a run, a commit); never the token. */
  readonly claims: Readonly<Record<string, string>>;
  /** When the token ends, in milliseconds; null where it has no end of its own. */
  readonly expiresAt: number | null;
  /** The key that the holder proved to hold beside. @see https://www.rfc-editor.org/rfc/rfc7800#section-3 */
  readonly confirmation?: Confirmation;
}

/**
 * Looks at what is shown. An unknown principal and a wrong secret take the same steps.
 *
 * @throws PosternError POSTERN_UNAUTHORIZED, with a reason that helps only once the signature holds
 */
export type Prover = (shown: Shown) => Promise<Proof>;

/** By type of token. */
export type Provers = ReadonlyMap<string, Prover>;

/** Of a token, as a proof and a record have it: hex SHA-256. */
export const tokenSha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
