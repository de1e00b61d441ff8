import { PosternError } from '../core/errors.ts';
import type { BindingOf } from '../store/entities.ts';
import { bindingsOfKind } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { readCallerIdentity, readSignedRequest } from './aws-request.ts';
import { type FetchOptions, fetchJson } from './fetch-json.ts';
import { type Prover, tokenSha256 } from './proof.ts';
import type { SpentProofs } from './spent-proofs.ts';

/** Questions to AWS under way at once. */
const ASKING_MAX = 32;

/** How AWS is reached, where not by its own name and an authority of the system. */
export type StsAccess = Pick<FetchOptions, 'ca' | 'address'>;

interface AwsProverOptions {
  readonly db: StateDb;
  readonly spent: SpentProofs;
  readonly sts: StsAccess;
}

/**
 * Proof by a request for GetCallerIdentity that was signed for this Postern: AWS says whose it is. It is sent to the STS of a region that
 * a binding names, by its pinned name, as it was signed.
 */
export function awsProver({ db, spent, sts }: AwsProverOptions): Prover {
  let asking = 0;
  const no = (why: string): PosternError =>
    new PosternError('POSTERN_UNAUTHORIZED', `The request proves nothing: ${why}.`);
  return async ({ token }) => {
    const request = readSignedRequest(token, Date.now());
    if (typeof request === 'string') throw no(request);
    const { region, serverId } = request;
    const meant = (await bindingsOfKind(db, 'aws')).filter(
      (binding) => binding.region === region && binding.audience === serverId,
    );
    if (meant.length === 0) throw no('nobody is bound to such');
    if (asking >= ASKING_MAX)
      throw new PosternError('POSTERN_TOO_MANY_REQUESTS', 'AWS is being asked too much at once.');
    asking += 1;
    const answer = await fetchJson(request.url, { ...sts, post: request })
      .catch(() => null)
      .finally(() => {
        asking -= 1;
      });
    if (answer === null) throw no('AWS does not answer, or refuses it');
    const caller = readCallerIdentity(answer);
    if (caller === null) throw no('AWS does not say whose it is');
    const binding = meant.find((each) => fits(each, caller));
    if (binding === undefined) throw no('it is of nobody who is bound');
    await spent.take(request.mark, request.endsMs);
    const { account, arn, uniqueId, session } = caller;
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      issuer: request.url,
      subject: arn,
      jti: null,
      sha256: tokenSha256(token),
      claims: { account, arn, unique_id: uniqueId, ...(session !== null && { session }) },
      expiresAt: null,
    };
  };
}

function fits(
  binding: BindingOf<'aws'>,
  caller: Pick<BindingOf<'aws'>, 'account' | 'uniqueId' | 'session'>,
): boolean {
  return (
    binding.account === caller.account &&
    binding.uniqueId === caller.uniqueId &&
    (binding.session === null || binding.session === caller.session)
  );
}
