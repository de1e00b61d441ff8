import { constants, createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { parseStrictJson } from './strict-json.ts';

/**
 * Signed tokens (JWS, compact) and the keys that verify them (JWK). Pure; what a token says is judged in `jwt.ts`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-3.1
 * @see https://www.rfc-editor.org/rfc/rfc8725
 */

export const MAX_TOKEN_BYTES = 16_384;

const MAX_KEYS = 32;
/** How deep claims may be nested: Kubernetes, the deepest of those that are known, needs three. */
const MAX_DEPTH = 8;

/**
 * The algorithms that are taken, and the one kind of key that each needs. They are those with which platforms sign: RS256, which
 * every OIDC issuer must know, PS256, ES256, ES384 (AWS) and EdDSA. Nothing with a shared secret, nothing unsigned, and no further
 * variants, which would be more to attack and nobody's need.
 */
const ALGORITHMS = {
  RS256: { kty: 'RSA', hash: 'sha256', padding: constants.RSA_PKCS1_PADDING },
  PS256: { kty: 'RSA', hash: 'sha256', padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  ES256: { kty: 'EC', crv: 'P-256', hash: 'sha256' },
  ES384: { kty: 'EC', crv: 'P-384', hash: 'sha384' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519', hash: null },
} as const;
export type Algorithm = keyof typeof ALGORITHMS;

export const ALGORITHM_NAMES = Object.keys(ALGORITHMS) as Algorithm[];

/** RFC 9864 calls Ed25519 by its own name. */
const algorithmNamed = (name: unknown): Algorithm | null => {
  if (name === 'Ed25519') return 'EdDSA';
  return typeof name === 'string' && Object.hasOwn(ALGORITHMS, name) ? (name as Algorithm) : null;
};

/** A key of an issuer that can be used, with what a token's header must say for it. */
export interface TokenKey {
  readonly kid: string | null;
  readonly alg: Algorithm;
  readonly key: KeyObject;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A token as it is written. Nothing of it is true yet. */
export interface Unverified {
  /** Whole. Only `kid` and `typ` say something to everybody. */
  readonly header: JsonObject;
  readonly alg: Algorithm;
  readonly kid: unknown;
  /** In lower case, without `application/`; null where there is none. */
  readonly typ: string | null;
  readonly claims: JsonObject;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/**
 * The keys of a JWK Set (RFC 7517) with which tokens can be verified. Others are passed over: an issuer may have keys for other
 * ends. Each key serves one algorithm: the one that it names; an RSA key that names none serves RS256. Two keys that a token cannot
 * tell apart are both passed over.
 *
 * @param jwks of an issuer, not looked at before
 * @param use what `use` may be, where a key has one
 */
export function tokenKeys(jwks: unknown, use = 'sig'): TokenKey[] {
  const list = isObject(jwks) && Array.isArray(jwks.keys) ? jwks.keys.slice(0, MAX_KEYS) : [];
  const found = new Map<string, { readonly print: string; readonly key: TokenKey } | null>();
  for (const jwk of list as unknown[]) {
    const key = isObject(jwk) ? tokenKey(jwk, use) : null;
    if (key === null) continue;
    const print = createHash('sha256')
      .update(key.key.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    const name = JSON.stringify(key.kid === null ? [key.alg, null, print] : [key.alg, key.kid]);
    const before = found.get(name);
    found.set(name, before === undefined || before?.print === print ? { print, key } : null);
  }
  return [...found.values()].flatMap((each) => (each === null ? [] : [each.key]));
}

function tokenKey(jwk: JsonObject, use: string): TokenKey | null {
  const named = jwk.alg === undefined ? null : algorithmNamed(jwk.alg);
  if (jwk.alg !== undefined && named === null) return null;
  const fits = (alg: Algorithm): boolean => {
    const needs: { readonly kty: string; readonly crv?: string } = ALGORITHMS[alg];
    return needs.kty === jwk.kty && (needs.crv === undefined || needs.crv === jwk.crv);
  };
  const alg = named ?? ALGORITHM_NAMES.find(fits);
  if (alg === undefined || !fits(alg)) return null;
  if (jwk.use !== undefined && jwk.use !== use) return null;
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify')))
    return null;
  try {
    // Only what is public: a set that shows a private key is still no reason to hold it.
    const { kty, n, e, crv, x, y } = jwk;
    const key = createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' });
    const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
    const strong =
      kty !== 'RSA' || (modulusLength >= 2048 && modulusLength <= 8192 && publicExponent >= 65_537n);
    return strong ? { kid: typeof jwk.kid === 'string' ? jwk.kid : null, alg, key } : null;
  } catch {
    return null;
  }
}

/**
 * Takes a token apart.
 *
 * @returns the parts, or why they are not looked at, in words that hold nothing of it
 */
export function readToken(token: string): Unverified | string {
  if (token.length > MAX_TOKEN_BYTES) return 'the token is too long';
  const [head, body, mark, ...more] = token.split('.');
  if (head === undefined || body === undefined || mark === undefined || more.length > 0)
    return 'the token is malformed';
  const header = jsonOf(head);
  const claims = jsonOf(body);
  const signature = bytesOf(mark);
  if (header === null || claims === null || signature === null) return 'the token is malformed';
  // Extensions that must be understood are not (RFC 7515, 4.1.11), nor is a token within the token.
  if (header.crit !== undefined || header.cty !== undefined)
    return 'the token has extensions that are not known';
  const alg = algorithmNamed(header.alg);
  if (alg === null) return 'the token is signed in a way that is not taken';
  const { kid, typ } = header;
  if (typ !== undefined && typeof typ !== 'string') return 'the token is malformed';
  return {
    header,
    alg,
    kid,
    typ: typ?.toLowerCase().replace(/^application\//, '') ?? null,
    claims,
    signed: Buffer.from(`${head}.${body}`),
    signature,
  };
}

/**
 * The one key that a token means: the one that its `kid` names, or, where it names none, the only one for its algorithm.
 * A key that the token brings along (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.
 */
export function keyFor({ alg, kid }: Unverified, known: readonly TokenKey[]): TokenKey | undefined {
  const keys = known.filter((each) => each.alg === alg && (kid === undefined || each.kid === kid));
  return keys.length === 1 ? keys[0] : undefined;
}

/** Whether a token was signed with a key. */
export function signatureFits(
  { alg, signed, signature }: Unverified,
  { alg: meant, key }: TokenKey,
): boolean {
  if (alg !== meant) return false;
  const { hash, ...how } = { padding: undefined, saltLength: undefined, ...ALGORITHMS[alg] };
  const { padding, saltLength } = how;
  try {
    return verify(
      hash,
      signed,
      {
        key,
        ...(padding !== undefined && { padding }),
        ...(saltLength !== undefined && { saltLength }),
        ...(how.kty === 'EC' && { dsaEncoding: 'ieee-p1363' as const }),
      },
      signature,
    );
  } catch {
    return false;
  }
}

/** Base64url in its one form, without padding or bits that mean nothing. */
function bytesOf(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return part !== '' && bytes.toString('base64url') === part ? bytes : null;
}

function jsonOf(part: string): JsonObject | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytesOf(part) ?? undefined,
    );
    const value = parseStrictJson(text, MAX_DEPTH);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
