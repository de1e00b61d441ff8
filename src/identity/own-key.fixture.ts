/** For tests: a client with a key pair of its own, that can do everything wrong. */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export interface KeyClient {
  readonly jwk: Readonly<Record<string, string>>;
  readonly thumbprint: string;
  readonly key: KeyObject;
  /** Any token, signed with the key. */
  readonly signed: (claims: object, header?: object) => string;
  /** That the key is held by who sends this beside. */
  readonly joining: (beside: string, over?: object, header?: object) => string;
  readonly assertion: (name: string, seq: number, over?: object, header?: object) => string;
}

export function makeKeyClient(audience: string, type: 'ec' | 'ed25519' = 'ed25519'): KeyClient {
  const pair =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const { crv = '', kty = '', x = '', y } = pair.publicKey.export({ format: 'jwk' });
  const jwk: Record<string, string> = { crv, kty, x, ...(y !== undefined && { y }) };
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  const signed: KeyClient['signed'] = (claims, header = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const all = { aud: audience, iat: now, exp: now + 60, jti: randomUUID(), ...claims };
    const text = `${part({ alg: type === 'ec' ? 'ES256' : 'EdDSA', ...header })}.${part(all)}`;
    const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const };
    const signature = sign(
      type === 'ec' ? 'sha256' : null,
      Buffer.from(text),
      type === 'ec' ? key : pair.privateKey,
    );
    return `${text}.${signature.toString('base64url')}`;
  };
  return {
    ...{ jwk, thumbprint, key: pair.privateKey, signed },
    joining: (beside, over = {}, header = {}) => {
      const besideSha256 = createHash('sha256').update(beside).digest('hex');
      const claims = { sub: thumbprint, beside_sha256: besideSha256, ...over };
      return signed(claims, { typ: 'postern-join+jwt', ...header });
    },
    assertion: (name, seq, over = {}, header = {}) =>
      signed({ iss: name, sub: name, seq, ...over }, { kid: thumbprint, ...header }),
  };
}
