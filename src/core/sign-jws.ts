import { createHash, type KeyObject, sign } from 'node:crypto';

/**
 * Signs a token with a key of ECDSA P-256 (ES256).
 *
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-7.1
 */
export function signJws(header: object, claims: object, key: KeyObject): string {
  const signed = `${encode({ alg: 'ES256', ...header })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The members of each kind of key that its thumbprint is over, in their order. */
const THUMBPRINT: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

/**
 * The thumbprint of a public key as JWK, SHA-256, base64url; null where it is no key of a kind that is known.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7638#section-3
 */
export function jwkThumbprint(jwk: Readonly<Record<string, unknown>>): string | null {
  const { kty } = jwk;
  const names = typeof kty === 'string' && Object.hasOwn(THUMBPRINT, kty) ? THUMBPRINT[kty] : undefined;
  if (!names?.every((name) => typeof jwk[name] === 'string')) return null;
  const canonical = JSON.stringify(Object.fromEntries(names.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(canonical).digest('base64url');
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
