import { createHash } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { verifyJwtSvid } from '../core/jwt-svid.ts';
import { certificateFits, type TrustStore } from '../core/trust.ts';
import { bindingsOfKind } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { Proof, Prover } from './proof.ts';
import type { SpentProofs } from './spent-proofs.ts';

/** Proof by a client certificate: of an authority or a trust domain that is trusted here, or bound itself. */
export function certificateProver(db: StateDb, trust: TrustStore): Prover {
  return async ({ clientCertificate, clientChain = [] }) => {
    if (clientCertificate === undefined) throw unproven('the connection showed none');
    const examined = trust.examine(clientCertificate, clientChain, Date.now());
    if (examined.leaf === null) throw unproven(examined.why);
    const bindings = [
      ...(await bindingsOfKind(db, 'spiffe')),
      ...(await bindingsOfKind(db, 'certificate')),
    ].filter((each) =>
      certificateFits(
        examined,
        each.kind === 'spiffe'
          ? each
          : { ...each, kind: 'bound_certificate', trustId: each.trust?.id ?? null },
      ),
    );
    const [binding, ...more] = bindings;
    if (binding === undefined)
      throw unproven(examined.names.size === 0 ? examined.why : 'nobody is bound to it');
    if (more.some(({ principal }) => principal.id !== binding.principal.id))
      throw unproven('it fits bindings of several principals');
    const hash = createHash('sha256').update(clientCertificate);
    const { subject, uris } = examined.leaf.facts;
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      issuer: binding.kind === 'spiffe' ? null : (binding.trust?.name ?? null),
      subject: binding.kind === 'spiffe' ? (uris[0] ?? null) : subject,
      jti: null,
      sha256: hash.copy().digest('hex'),
      claims: {},
      expiresAt: examined.leaf.x509.validToDate.getTime(),
      confirmation: { x5tS256: hash.digest('base64url') },
    };
  };
}

/** Proof by a JWT-SVID. It is taken once. */
export function jwtSvidProver(db: StateDb, trust: TrustStore, spent: SpentProofs): Prover {
  return async ({ token }): Promise<Proof> => {
    const rules = await bindingsOfKind(db, 'spiffe');
    const result = verifyJwtSvid(token, rules, (domain) => trust.tokenKeys(domain), Date.now());
    if (!result.ok)
      throw new PosternError('POSTERN_UNAUTHORIZED', `The token proves nothing: ${result.why}.`);
    const { rule: binding, proof, use, expiresAt } = result;
    await spent.take(use, expiresAt);
    return { principal: binding.principal, binding: binding.id, kind: binding.kind, ...proof, expiresAt };
  };
}

const unproven = (why: string): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', `The client certificate proves nothing: ${why}.`);
