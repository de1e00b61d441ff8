import { PosternError } from '../core/errors.ts';
import { type TokenKey, verifyToken } from '../core/jwt.ts';
import { bindingsOfKind } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { type Prover, tokenSha256 } from './proof.ts';

/**
 * Proof by tokens of OIDC issuers: the token says which principal it is, since no two bindings fit one token.
 *
 * @param keysOf the keys of an issuer, as they were last fetched
 */
export function oidcProver(db: StateDb, keysOf: (issuer: string) => readonly TokenKey[]): Prover {
  return async ({ token }) => {
    const bindings = await bindingsOfKind(db, 'oidc');
    const result = verifyToken(token, bindings, keysOf, Date.now());
    if (!result.ok)
      throw new PosternError('POSTERN_UNAUTHORIZED', `The token proves nothing: ${result.why}.`);
    const { rule: binding } = result;
    const said = claimsOf(token);
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      issuer: binding.issuer,
      subject: textOf(said.sub),
      jti: textOf(said.jti),
      sha256: tokenSha256(token),
      claims: binding.claims,
      expiresAt: Number(said.exp) * 1000,
    };
  };
}

/** Of a token that was verified. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
  return JSON.parse(payload) as Record<string, unknown>;
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value.slice(0, 500) : null);
