import { PosternError } from '../core/errors.ts';
import type { TokenKey } from '../core/jws.ts';
import { verifyToken } from '../core/jwt.ts';
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
    const { rule: binding, token: said } = result;
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      issuer: said.issuer,
      subject: said.subject,
      jti: said.jti,
      sha256: tokenSha256(token),
      claims: binding.claims,
      expiresAt: said.expiresAt,
    };
  };
}
