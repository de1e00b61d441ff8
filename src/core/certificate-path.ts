import { createHash, X509Certificate } from 'node:crypto';
import { type CertificateFacts, KEY_USAGE, readCertificate } from './certificate.ts';
import { DerError } from './der.ts';

/**
 * From a certificate that somebody showed to an authority that is trusted: signatures, times, and that each may do what it does.
 * Revocation lists are not looked at: what ends a certificate here is the end of its binding.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6
 */

/** A certificate that was read. */
export interface ReadCertificate {
  readonly x509: X509Certificate;
  readonly facts: CertificateFacts;
}

export interface PathResult {
  /** The anchors that it leads to; none where it does not hold. */
  readonly reached: ReadonlySet<ReadCertificate>;
  /** Why there are none. */
  readonly why: string;
}

/** What a client may show beside its own. */
export const INTERMEDIATES_MAX = 4;

/** How many signatures are looked at for one certificate, whatever is shown. */
const SIGNATURES_MAX = 12;

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USE = '2.5.29.37.0';

/** ECDSA and RSA with SHA-2, and Ed25519. */
const SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.3.101.112',
]);

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** @throws DerError when it is no certificate that can be read whole */
export function parseCertificate(der: Buffer): ReadCertificate {
  const facts = readCertificate(der);
  try {
    const x509 = new X509Certificate(der);
    // The key is read when it is asked for, and may be none.
    if (x509.publicKey.type === 'public') return { x509, facts };
  } catch {
    // As below.
  }
  throw new DerError('it cannot be read');
}

/** SHA-256 of the certificate, hex. */
export const certificateSha256 = ({ x509 }: ReadCertificate): string =>
  createHash('sha256').update(x509.raw).digest('hex');

/** SHA-256 of its public key (SubjectPublicKeyInfo), hex. */
export const publicKeySha256 = ({ facts }: ReadCertificate): string =>
  createHash('sha256').update(facts.publicKey).digest('hex');

/**
 * What speaks against a certificate whoever signed it, as one of a client; null where nothing does.
 *
 * @param nowMs at which it must hold
 */
export function unfitLeaf({ x509, facts }: ReadCertificate, nowMs: number): string | null {
  if (facts.ca) return 'it is one of an authority';
  if (facts.keyUsage !== null && !facts.keyUsage.has(KEY_USAGE.digitalSignature))
    return 'its key is not for signing';
  if (facts.keyUsage?.has(KEY_USAGE.keyCertSign)) return 'its key may sign certificates';
  return unfit({ x509, facts }, nowMs);
}

/** Whether it says that it is for clients. */
export const forClients = ({ facts }: ReadCertificate): boolean =>
  facts.extendedKeyUsage?.has(CLIENT_AUTH) === true;

/**
 * The anchors that a certificate leads to. They are trusted as they are; their own times and constraints hold too.
 *
 * @param shown what the client sent beside, in any order; no more than {@link INTERMEDIATES_MAX} are looked at
 * @returns with why not in words that hold nothing of the certificate's own but its time
 */
export function validatePath(
  leaf: ReadCertificate,
  shown: readonly ReadCertificate[],
  anchors: readonly ReadCertificate[],
  nowMs: number,
): PathResult {
  const pool = shown.slice(0, INTERMEDIATES_MAX);
  const reached = new Set<ReadCertificate>();
  let left = SIGNATURES_MAX;
  let why = 'it was not issued by an authority that is trusted here';
  /** @param below certificates of authorities between `of` and the leaf, that one included */
  const climb = (of: ReadCertificate, below: number, used: ReadonlySet<ReadCertificate>): void => {
    for (const candidates of [anchors, pool]) {
      for (const issuer of candidates) {
        if (used.has(issuer) || left <= 0 || !of.x509.checkIssued(issuer.x509)) continue;
        left -= 1;
        if (!of.x509.verify(issuer.x509.publicKey)) continue;
        const fault = unfitIssuer(issuer, below, nowMs);
        if (fault !== null) why = fault;
        else if (candidates === anchors) reached.add(issuer);
        else climb(issuer, below + 1, new Set([...used, issuer]));
      }
    }
  };
  const fault = unfitLeaf(leaf, nowMs);
  if (fault !== null) return { reached, why: fault };
  climb(leaf, 0, new Set([leaf]));
  return { reached, why };
}

/** What speaks against a certificate as an issuer of others. */
function unfitIssuer({ x509, facts }: ReadCertificate, below: number, nowMs: number): string | null {
  if (!facts.ca || facts.keyUsage?.has(KEY_USAGE.keyCertSign) === false)
    return 'one of its issuers may not issue certificates';
  if (facts.pathLength !== null && below > facts.pathLength)
    return 'its path is longer than an issuer allows';
  if (facts.nameConstraints) return 'one of its issuers has name constraints, which are not understood here';
  const uses = facts.extendedKeyUsage;
  if (uses !== null && !uses.has(CLIENT_AUTH) && !uses.has(ANY_USE))
    return 'one of its issuers is not for clients';
  const fault = unfit({ x509, facts }, nowMs);
  return fault === null ? null : `of one of its issuers: ${fault}`;
}

function unfit({ x509, facts }: ReadCertificate, nowMs: number): string | null {
  if (x509.validFromDate.getTime() > nowMs) return 'it is not valid yet';
  if (x509.validToDate.getTime() <= nowMs) return `it expired at ${x509.validToDate.toISOString()}`;
  if (facts.notUnderstood.length > 0) return 'it has critical extensions that are not understood here';
  if (!SIGNATURES.has(facts.signatureAlgorithm)) return 'it is signed in a way that is not taken';
  return strong(x509) ? null : 'its key is too weak, or of a kind that is not taken';
}

function strong({ publicKey }: X509Certificate): boolean {
  const { modulusLength = 0, namedCurve = '' } = publicKey.asymmetricKeyDetails ?? {};
  switch (publicKey.asymmetricKeyType) {
    case 'rsa':
      return modulusLength >= 2048 && modulusLength <= 8192;
    case 'ec':
      return CURVES.has(namedCurve);
    default:
      return publicKey.asymmetricKeyType === 'ed25519';
  }
}
