import type { X509Certificate } from 'node:crypto';
import { certificateSha256, INTERMEDIATES_MAX } from '../core/certificate-path.ts';
import { clientUri } from '../core/client-uri.ts';
import type { TokenProof } from '../core/record.ts';
import { certificateFits } from '../core/trust.ts';
import type { CredentialView, PrincipalView } from '../core/views.ts';
import type { Gateway } from './contract.ts';
import { Refused, unusable } from './door.ts';

/** id-kp-clientAuth. @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12 */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** What a certificate proved. */
interface Proven {
  readonly principal: PrincipalView;
  readonly credential: CredentialView;
  /** Of one of somebody else: those of this installation are told by their credential. */
  readonly proof?: TokenProof;
}

/**
 * The principal and credential that a client certificate proves, or why it proves nothing. Possession of its key has been proven
 * by the TLS handshake; everything else is checked here. One of this installation's own authority: for clients, within its
 * time, for the principal that the client claims to be, and still in force. One of somebody else: what a binding of that principal
 * asks for.
 *
 * @param name as the client claims it
 * @param hint for a client that shows one without meaning to prove itself so
 * @throws Refused
 * @see https://www.postgresql.org/docs/18/auth-cert.html
 */
export function provenByCertificate(
  gateway: Pick<Gateway, 'directory' | 'clientCa'>,
  shown: X509Certificate,
  name: string,
  nowMs: number,
  hint?: string,
): Proven {
  const { directory, clientCa } = gateway;
  const claimed = directory.principalByName(name);
  const refused = (why: string): Refused =>
    new Refused(
      'POSTERN_AUTH_FAILED',
      `authentication failed for "${name}": ${why}`,
      claimed,
      undefined,
      hint,
    );
  if (!shown.checkIssued(clientCa) || !shown.verify(clientCa.publicKey))
    return provenByTrusted(directory, shown, claimed, refused, nowMs);
  if (shown.ca || !(shown.keyUsage ?? []).includes(CLIENT_AUTH))
    throw refused('the certificate is not one of a client');
  if (shown.validFromDate.getTime() > nowMs) throw refused('the client certificate is not valid yet');
  if (shown.validToDate.getTime() <= nowMs) {
    const at = shown.validToDate.toISOString();
    throw new Refused('POSTERN_CREDENTIAL_EXPIRED', `the client certificate expired at ${at}`, claimed);
  }
  if (claimed === undefined || shown.subjectAltName !== `URI:${clientUri(claimed.name)}`)
    throw refused('the client certificate is of another principal');
  const sha256 = shown.fingerprint256.replaceAll(':', '').toLowerCase();
  const credential = directory
    .credentialsOf(claimed.id)
    .find((each) => each.kind === 'certificate' && each.sha256 === sha256);
  // What was revoked an hour ago is forgotten, as is what another data directory with this authority issued.
  if (credential?.kind !== 'certificate')
    throw refused('the client certificate is not in force here; it may have been revoked');
  const why = unusable(claimed, credential, nowMs);
  if (why !== null) throw new Refused(why.code, why.message, claimed);
  return { principal: claimed, credential };
}

/**
 * By a certificate of an authority, or of a trust domain, that is trusted here, or by one that is bound itself. It is examined
 * before anybody looks who is claimed.
 */
function provenByTrusted(
  directory: Gateway['directory'],
  shown: X509Certificate,
  claimed: PrincipalView | undefined,
  refused: (why: string) => Refused,
  nowMs: number,
): Proven {
  const examined = directory.trust.examine(shown.raw, chainOf(shown), nowMs);
  if (examined.leaf === null) throw refused(`the client certificate is not taken: ${examined.why}`);
  const bindings = claimed === undefined ? [] : directory.credentialsOf(claimed.id);
  const fitting = bindings.filter(
    (each) =>
      (each.kind === 'spiffe' || each.kind === 'bound_certificate') && certificateFits(examined, each),
  );
  const credential = fitting.find(({ status }) => status === 'active') ?? fitting[0];
  if (claimed === undefined || credential === undefined) {
    const why = examined.names.size === 0 ? examined.why : 'it is not one that this principal is bound to';
    throw refused(`the client certificate proves nothing: ${why}`);
  }
  const why = unusable(claimed, credential, nowMs);
  if (why !== null) throw new Refused(why.code, why.message, claimed);
  const { leaf } = examined;
  const { issuer, subject, uris } = leaf.facts;
  const named = credential.kind === 'spiffe' ? uris[0] : subject;
  const proof = {
    ...{ issuer: issuer ?? '', subject: named?.slice(0, 500) ?? null, jti: null },
    ...{ sha256: certificateSha256(leaf), claims: {} },
  };
  return { principal: claimed, credential, proof };
}

/** What the client sent beside its own certificate, in the order in which it came. */
function chainOf(shown: X509Certificate): Buffer[] {
  const chain: Buffer[] = [];
  let next = shown.issuerCertificate;
  while (next !== undefined && chain.length < INTERMEDIATES_MAX) {
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}
