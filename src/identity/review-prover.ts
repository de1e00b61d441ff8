import { readFile } from 'node:fs/promises';
import { claimText } from '../core/claims.ts';
import { PosternError } from '../core/errors.ts';
import { isObject, readToken } from '../core/jws.ts';
import { audienceIs, outsideItsTime } from '../core/jwt.ts';
import { bindingsOfKind } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { fetchJson } from './fetch-json.ts';
import { type Prover, tokenSha256 } from './proof.ts';

/** A Kubernetes API server that is asked about tokens, as the operator configured it. */
export interface Cluster {
  readonly name: string;
  /** https URL. */
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  /** File with the token by which Postern itself is known there, read at each question: the kubelet replaces it. */
  readonly tokenFile: string;
}

const SA = '/kubernetes.io/serviceaccount';
/** Questions to clusters under way at once. */
const ASKING_MAX = 32;

/**
 * Proof by a service account token that its cluster itself looks at (TokenReview). Unlike the signature alone, that tells whether the
 * pod and the service account still exist.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 */
export function reviewProver(db: StateDb, clusters: readonly Cluster[]): Prover {
  let asking = 0;
  const no = (why: string): PosternError =>
    new PosternError('POSTERN_UNAUTHORIZED', `The token proves nothing: ${why}.`);
  return async ({ token }) => {
    const read = readToken(token);
    if (typeof read === 'string') throw no(read);
    const { claims } = read;
    const late = outsideItsTime(claims, Date.now());
    if (late !== null) throw no(late);
    // What it says of itself decides which cluster is asked, so that no other one gets to see it. What counts is the answer.
    const said = {
      namespace: claimText(claims, '/kubernetes.io/namespace'),
      serviceAccount: claimText(claims, `${SA}/name`),
      uid: claimText(claims, `${SA}/uid`),
    };
    const binding = (await bindingsOfKind(db, 'kubernetes')).find(
      (each) =>
        each.namespace === said.namespace &&
        each.serviceAccount === said.serviceAccount &&
        each.uid === said.uid &&
        audienceIs(claims.aud, each.audience),
    );
    const cluster = clusters.find(({ name }) => name === binding?.cluster);
    if (binding === undefined || cluster === undefined) throw no('nobody is bound to such');
    if (asking >= ASKING_MAX)
      throw new PosternError('POSTERN_TOO_MANY_REQUESTS', 'Clusters are being asked too much at once.');
    asking += 1;
    const answer = await review(cluster, token, binding.audience)
      .catch(() => null)
      .finally(() => {
        asking -= 1;
      });
    if (answer === null) throw no('its cluster does not answer');
    const user = authenticated(answer, binding.audience);
    if (user === null) throw no('its cluster does not take it for this audience');
    const name = `system:serviceaccount:${binding.namespace}:${binding.serviceAccount}`;
    if (user.username !== name || user.uid !== binding.uid) throw no('it is of nobody who is bound');
    const { namespace, serviceAccount, uid } = binding;
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: binding.kind,
      issuer: cluster.server,
      subject: name,
      jti: claimText(claims, 'jti'),
      sha256: tokenSha256(token),
      claims: { namespace, service_account: serviceAccount, uid, ...extra(user.extra) },
      expiresAt: Number(claims.exp) * 1000,
    };
  };
}

async function review(
  { server, ca, tokenFile }: Cluster,
  token: string,
  audience: string,
): Promise<Readonly<Record<string, unknown>>> {
  const own = (await readFile(tokenFile, 'utf8')).trim();
  const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' };
  return fetchJson(new URL('/apis/authentication.k8s.io/v1/tokenreviews', server).href, {
    ca,
    post: {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${own}` },
      body: JSON.stringify({ ...kind, spec: { token, audiences: [audience] } }),
    },
    statuses: [200, 201],
  });
}

/** Whom the cluster says that the token is of; null where it does not take it, or does not say for whom it was made. */
function authenticated(
  answer: Readonly<Record<string, unknown>>,
  audience: string,
): Readonly<Record<string, unknown>> | null {
  const { kind, status } = answer;
  if (kind !== 'TokenReview' || !isObject(status)) return null;
  const { authenticated: taken, error = '', audiences, user } = status;
  // A server that does not know audiences answers without.
  const meant = Array.isArray(audiences) && audiences.includes(audience);
  return taken === true && error === '' && meant && isObject(user) ? user : null;
}

const EXTRA: readonly (readonly [string, string])[] = [
  ['authentication.kubernetes.io/pod-name', 'pod_name'],
  ['authentication.kubernetes.io/pod-uid', 'pod_uid'],
  ['authentication.kubernetes.io/node-name', 'node_name'],
  ['authentication.kubernetes.io/credential-id', 'credential_id'],
];

/** Of the pod, as the cluster names it. */
function extra(said: unknown): Record<string, string> {
  const kept = EXTRA.flatMap(([name, as]) => {
    const value = isObject(said) && Array.isArray(said[name]) ? said[name][0] : undefined;
    return typeof value === 'string' ? [[as, value.slice(0, 200)] as const] : [];
  });
  return Object.fromEntries(kept);
}
