import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';

/**
 * OIDC tokens as a proof of who somebody is: JSON Web Tokens with an asymmetric signature of a known issuer. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519
 * @see https://www.rfc-editor.org/rfc/rfc8725
 */

/** What a token must say to prove something. */
export interface TokenRule {
  /** Exactly as in `iss`. */
  readonly issuer: string;
  /** One of `aud`. */
  readonly audience: string;
  /** Further claims and their exact values; at least one. */
  readonly claims: Readonly<Record<string, string>>;
}

export type TokenResult<T> =
  | { readonly ok: true; readonly rule: T }
  | { readonly ok: false; readonly why: string };

export const MAX_TOKEN_BYTES = 16_384;

/** How far an issuer's clock may be ahead, in seconds. `exp` is taken as it is. */
const AHEAD_SECONDS = 60;
/** A token that lives longer is a standing secret. */
const MAX_LIFE_SECONDS = 86_400;
const MAX_KEYS = 32;

/** The algorithms that are taken, and the keys they need. Whatever else a header says is refused (RFC 8725, 3.1). */
const ALGORITHMS = {
  RS256: { kty: 'RSA', hash: 'sha256' },
  ES256: { kty: 'EC', hash: 'sha256' },
  EdDSA: { kty: 'OKP', hash: null },
} as const;
type Algorithm = keyof typeof ALGORITHMS;

/** A key of an issuer that can be used, with what a token's header must say for it. */
export interface TokenKey {
  readonly kid: string | null;
  readonly alg: Algorithm;
  readonly key: KeyObject;
}

/**
 * The keys of a JWK Set (RFC 7517) with which tokens can be verified. Others are passed over: an issuer may have keys for other ends.
 *
 * @param jwks of an issuer, not looked at before
 */
export function tokenKeys(jwks: unknown): TokenKey[] {
  const list = isObject(jwks) && Array.isArray(jwks.keys) ? jwks.keys.slice(0, MAX_KEYS) : [];
  return list.flatMap((jwk: unknown) => {
    const key = isObject(jwk) ? tokenKey(jwk) : null;
    return key === null ? [] : [key];
  });
}

function tokenKey(jwk: Readonly<Record<string, unknown>>): TokenKey | null {
  const alg = (Object.keys(ALGORITHMS) as Algorithm[]).find((each) => ALGORITHMS[each].kty === jwk.kty);
  if (alg === undefined || (jwk.alg !== undefined && jwk.alg !== alg)) return null;
  if (jwk.use !== undefined && jwk.use !== 'sig') return null;
  try {
    // Only what is public: a set that shows a private key is still no reason to hold it.
    const { kty, n, e, crv, x, y } = jwk;
    const key = createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' });
    const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
    const strong =
      alg === 'RS256'
        ? modulusLength >= 2048 && modulusLength <= 8192
        : alg === 'ES256'
          ? namedCurve === 'prime256v1'
          : key.asymmetricKeyType === 'ed25519';
    return strong ? { kid: typeof jwk.kid === 'string' ? jwk.kid : null, alg, key } : null;
  } catch {
    return null;
  }
}

/**
 * Whether a token, now, says what one of the rules asks for.
 *
 * @param keysOf the keys of an issuer, as they were last fetched
 * @returns the rule; or why not, in words that hold nothing of a token whose signature was not right
 */
export function verifyToken<T extends TokenRule>(
  token: string,
  rules: readonly T[],
  keysOf: (issuer: string) => readonly TokenKey[],
  nowMs: number,
): TokenResult<T> {
  const no = (why: string): TokenResult<T> => ({ ok: false, why });
  if (token.length > MAX_TOKEN_BYTES) return no('the token is too long');
  const match = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token);
  const header = decode(match?.[1]);
  const claims = decode(match?.[2]);
  if (match === null || header === null || claims === null) return no('the token is malformed');
  const { alg, kid } = header;
  // Extensions that must be understood are not.
  if (header.crit !== undefined) return no('the token has extensions that are not known');
  if (typeof alg !== 'string' || !Object.hasOwn(ALGORITHMS, alg))
    return no('the token is signed in a way that is not taken');
  const ofIssuer = rules.filter(({ issuer }) => issuer === claims.iss);
  if (ofIssuer.length === 0) return no('the token is of an issuer that this principal is not bound to');
  const issuer = (ofIssuer[0] as T).issuer;
  const known = keysOf(issuer);
  if (known.length === 0) return no('the keys of the issuer are not known yet');
  const keys = known.filter((each) => each.alg === alg && (kid === undefined || each.kid === kid));
  const signed = Buffer.from(`${match[1]}.${match[2]}`);
  const signature = Buffer.from(match[3] as string, 'base64url');
  if (!keys.some(({ key }) => fits(alg as Algorithm, key, signed, signature)))
    return no('the signature of the token does not fit a key of the issuer');
  // From here on the issuer itself speaks, and the reasons may be exact.
  const now = nowMs / 1000;
  const { exp, iat, nbf = 0 } = claims;
  if (typeof exp !== 'number' || typeof iat !== 'number' || typeof nbf !== 'number')
    return no('the token does not say from when and until when it is valid');
  if (!(exp > now)) return no('the token has expired');
  if (!(iat <= now + AHEAD_SECONDS) || !(nbf <= now + AHEAD_SECONDS)) return no('the token is not valid yet');
  if (!(exp <= now + AHEAD_SECONDS + MAX_LIFE_SECONDS)) return no('the token is valid for more than a day');
  const audiences: unknown[] = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  const ofAudience = ofIssuer.filter(({ audience }) => audiences.includes(audience));
  if (ofAudience.length === 0) return no('the token is for another audience');
  const rule = ofAudience.find((each) => saysAll(claims, each.claims));
  return rule === undefined ? no('the token does not say what the binding asks for') : { ok: true, rule };
}

function saysAll(
  claims: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  const entries = Object.entries(wanted);
  return (
    entries.length > 0 &&
    entries.every(([name, value]) => Object.hasOwn(claims, name) && claims[name] === value)
  );
}

function fits(alg: Algorithm, key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  try {
    return verify(
      ALGORITHMS[alg].hash,
      signed,
      alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key,
      signature,
    );
  } catch {
    // A signature of a length that the algorithm does not have.
    return false;
  }
}

function decode(part: string | undefined): Readonly<Record<string, unknown>> | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part ?? '', 'base64url'));
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
