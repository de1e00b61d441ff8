/** Every way in which somebody who asks for a credential proves who they are, by the type of what they show. */
import { awsProver } from '../identity/aws-prover.ts';
import type { Challenges } from '../identity/challenges.ts';
import type { KeyPairs } from '../identity/key-pairs.ts';
import { oidcProver } from '../identity/oidc-prover.ts';
import { type Provers, TOKEN_TYPES } from '../identity/proof.ts';
import { reviewProver } from '../identity/review-prover.ts';
import type { SpentProofs } from '../identity/spent-proofs.ts';
import { sshProver } from '../identity/ssh-prover.ts';
import { certificateProver, jwtSvidProver } from '../identity/svid-provers.ts';
import type { StateDb } from '../store/store.ts';
import type { ControlOptions } from './control-options.ts';
import type { Issuers } from './issuers.ts';
import type { OwnTokens } from './own-tokens.ts';
import type { TrustKeys } from './trust-keys.ts';

interface ProverParts {
  readonly db: StateDb;
  readonly spent: SpentProofs;
  readonly challenges: Challenges;
  readonly own: OwnTokens;
  readonly keyPairs: KeyPairs;
  readonly issuers: Issuers;
  readonly trust: TrustKeys;
  readonly platforms: ControlOptions['platforms'];
}

export function proversOf(parts: ProverParts): Provers {
  const { db, spent, challenges, own, keyPairs, issuers, trust, platforms } = parts;
  const { sts = {}, clusters = [] } = platforms ?? {};
  const oidc = oidcProver({
    ...{ db, spent },
    keysOf: (issuer) => issuers.keysOf(issuer),
    askKeys: (issuer) => issuers.ask(issuer),
  });
  return new Map([
    [TOKEN_TYPES.jwt, oidc],
    [TOKEN_TYPES.idToken, oidc],
    [TOKEN_TYPES.keyAssertion, keyPairs.prover],
    [TOKEN_TYPES.sshSignature, sshProver({ db, challenges, audience: () => own.issuer() })],
    [TOKEN_TYPES.jwtSvid, jwtSvidProver(db, trust.store, spent)],
    [TOKEN_TYPES.clientCertificate, certificateProver(db, trust.store)],
    [TOKEN_TYPES.awsCallerIdentity, awsProver({ db, spent, sts })],
    [TOKEN_TYPES.kubernetesReview, reviewProver(db, clusters)],
    [TOKEN_TYPES.accessToken, own.access.prover],
  ]);
}
