import { PosternError } from '../core/errors.ts';
import type { TokenKey } from '../core/jws.ts';
import { verifyToken } from '../core/jwt.ts';
import { bindingsOfKind } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { loggedBy } from './presets/presets.ts';
import type { Prover } from './proof.ts';
import type { SpentProofs } from './spent-proofs.ts';

interface OidcProverOptions {
  readonly db: StateDb;
  readonly spent: SpentProofs;
  /** The keys of an issuer, as they were last fetched. */
  readonly keysOf: (issuer: string) => readonly TokenKey[];
  /** Has an issuer asked for newer ones, unless it was a moment ago. */
  readonly askKeys: (issuer: string) => Promise<void>;
}

/**
 * Proof by tokens of OIDC issuers: the token says which principal it is, since no two bindings fit one token. It is taken once, unless
 * its binding says that the platform gives the same one again.
 */
export function oidcProver({ db, spent, keysOf, askKeys }: OidcProverOptions): Prover {
  return async ({ token }) => {
    const verified = async () => {
      const rules = (await bindingsOfKind(db, 'oidc')).map((binding) => ({
        ...binding,
        logged: loggedBy(binding.preset),
      }));
      return verifyToken(token, rules, keysOf, Date.now());
    };
    let result = await verified();
    if (!result.ok && result.unknownKeyOf !== undefined) {
      await askKeys(result.unknownKeyOf);
      result = await verified();
    }
    if (!result.ok)
      throw new PosternError('POSTERN_UNAUTHORIZED', `The token proves nothing: ${result.why}.`);
    const { rule: binding, token: said } = result;
    if (!binding.reuse) await spent.take(said.use, said.expiresAt);
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      ...said.proof,
      expiresAt: said.expiresAt,
    };
  };
}
