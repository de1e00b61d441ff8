/** Key pairs of clients: which are taken, and what is signed with them. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { readToken, signatureFits, type TokenKey, tokenKeys, type Unverified } from '../core/jws.ts';

/** An assertion is for one use, now. */
export const ASSERTION_SECONDS = 300;
const AHEAD_SECONDS = 60;

/** What a client signs, told apart by `typ` so that one cannot be shown as another (RFC 8725, 3.11). */
export const ASSERTION_TYPES = {
  /** That it holds a new key. */
  join: 'postern-join+jwt',
  /** With the old key: that a new one takes its place. */
  rotate: 'postern-rotate+jwt',
} as const;

/** A public key as it is kept: what RFC 7638 hashes, and no more. */
export interface OwnKey {
  readonly jwk: Readonly<Record<string, string>>;
  readonly thumbprint: string;
  readonly key: TokenKey;
}

/**
 * A public key that a client may enrol: ECDSA P-256 or Ed25519.
 *
 * @throws PosternError POSTERN_INVALID
 * @see https://www.rfc-editor.org/rfc/rfc7638
 */
export function ownKey(given: Readonly<Record<string, unknown>>): OwnKey {
  if ('d' in given)
    throw new PosternError('POSTERN_INVALID', 'That is a private key, which must stay where it was made.');
  const { kty, crv, x, y } = given;
  const names = kty === 'EC' ? (['crv', 'kty', 'x', 'y'] as const) : (['crv', 'kty', 'x'] as const);
  const jwk: Record<string, string> = {};
  for (const name of names) {
    const value = { crv, kty, x, y }[name];
    if (typeof value === 'string' && value.length <= 64) jwk[name] = value;
  }
  const [key] = tokenKeys({ keys: [jwk] });
  const kind = `${kty} ${crv}`;
  if (key === undefined || (kind !== 'EC P-256' && kind !== 'OKP Ed25519'))
    throw new PosternError('POSTERN_INVALID', 'A key is taken as JWK: EC P-256 or OKP Ed25519.');
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  return { jwk, thumbprint, key };
}

/** What an assertion says, its signature and times being right. */
export interface Assertion {
  readonly claims: Unverified['claims'];
  readonly jti: string;
  /** Milliseconds. */
  readonly expiresAt: number;
}

/**
 * Whether an assertion was signed with a key, for this Postern, as this type, now.
 *
 * @param typ null: none, or the plain `jwt`
 * @returns why not, in words that hold nothing of it
 */
export function verifyAssertion(
  token: Unverified,
  key: TokenKey,
  typ: string | null,
  audience: string,
  nowMs: number,
): Assertion | string {
  const plain = token.typ === null || token.typ === 'jwt';
  if (typ === null ? !plain : token.typ !== typ) return 'it is of another type';
  if (!signatureFits(token, key)) return 'its signature does not fit the key';
  const { aud, iat, exp, nbf = iat, jti } = token.claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audiences.length !== 1 || audiences[0] !== audience) return `it is not for ${audience} alone`;
  if (typeof iat !== 'number' || typeof exp !== 'number' || typeof nbf !== 'number')
    return 'it does not say from when and until when it is valid';
  const now = nowMs / 1000;
  if (!(exp > now)) return 'it is over';
  if (!(iat <= now + AHEAD_SECONDS) || !(nbf <= now + AHEAD_SECONDS)) return 'it is not valid yet';
  if (!(exp - iat <= ASSERTION_SECONDS)) return `it is valid for more than ${ASSERTION_SECONDS} seconds`;
  if (typeof jti !== 'string' || jti.length < 8 || jti.length > 128) return 'it has no name of its own (jti)';
  return { claims: token.claims, jti, expiresAt: exp * 1000 };
}

/**
 * A proof that whoever sends something also holds a new key: signed with it, and bound to what is sent beside.
 *
 * @param beside what it must name: the join token, or the assertion of the old key
 * @throws PosternError POSTERN_UNAUTHORIZED
 */
export function requirePossession(
  proof: string,
  { key, thumbprint }: OwnKey,
  beside: string,
  audience: string,
  nowMs: number,
): void {
  const token = readToken(proof);
  const result =
    typeof token === 'string' ? token : verifyAssertion(token, key, ASSERTION_TYPES.join, audience, nowMs);
  if (typeof result === 'string')
    throw new PosternError('POSTERN_UNAUTHORIZED', `That the new key is held is not proven: ${result}.`);
  const { sub, beside_sha256: named } = result.claims;
  const wanted = createHash('sha256').update(beside).digest();
  const given = createHash('sha256').update(String(named)).digest();
  const same = timingSafeEqual(given, createHash('sha256').update(wanted.toString('hex')).digest());
  if (!same || sub !== thumbprint)
    throw new PosternError('POSTERN_UNAUTHORIZED', 'That the new key is held is proven for something else.');
}
