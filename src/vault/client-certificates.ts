import 'reflect-metadata';
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { clientUri } from '../core/client-uri.ts';
import { PosternError } from '../core/errors.ts';
import { ALGORITHM, openCa } from './ca.ts';

/** A request with an RSA key of 4096 bits has about 2,000 characters. */
export const CSR_MAX = 16_384;

/** Clocks of clients and servers differ; a certificate that is not valid yet helps nobody. */
const BACKDATE_MS = 5 * 60_000;

export interface ClientCertificate {
  /** The certificate, PEM. */
  readonly pem: string;
  /** SHA-256 of its DER, hex. */
  readonly sha256: string;
}

export interface ClientCertificateRequest {
  /** Certification request (PKCS #10) in PEM. Only its public key is used; whatever else it asks for is not looked at. */
  readonly csr: string;
  /** Name of the principal that it will prove. */
  readonly principal: string;
  /** Id of the credential: it is the serial number. */
  readonly id: string;
  /** Milliseconds since the epoch; cut to the second. */
  readonly notAfter: number;
}

/**
 * Issues a certificate with which a client can prove to be a principal, and nothing else: it is good for clients only, names no
 * host, and ends with its credential.
 *
 * @throws PosternError POSTERN_INVALID for a request that is malformed, not signed by its own key, or of a weak key
 * @see https://www.rfc-editor.org/rfc/rfc2986
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12
 */
export async function issueClientCertificate(
  dataDir: string,
  request: ClientCertificateRequest,
): Promise<ClientCertificate> {
  const key = await requestedKey(request.csr);
  const ca = await openCa(dataDir);
  const publicKey = new x509.PublicKey(key.export({ type: 'spki', format: 'der' }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: request.id.replaceAll('-', ''),
    // Not a name that could be taken for a host's, even by software that looks for one here.
    subject: new x509.Name([{ CN: [`principal/${request.principal}`] }, { O: ['Postern'] }]),
    issuer: ca.certificate.subject,
    notBefore: new Date(Date.now() - BACKDATE_MS),
    notAfter: new Date(Math.min(request.notAfter, ca.certificate.notAfter.getTime())),
    publicKey,
    signingKey: ca.key,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: clientUri(request.principal) }]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate),
    ],
  });
  const sha256 = createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex');
  return { pem: `${certificate.toString('pem')}\n`, sha256 };
}

async function requestedKey(pem: string): Promise<KeyObject> {
  if (pem.length > CSR_MAX) throw invalid(`is longer than ${CSR_MAX} characters`);
  if (pem.includes('PRIVATE KEY')) throw invalid('holds a private key, which must stay where it was made');
  const [block, second] = x509.PemConverter.isPem(pem) ? x509.PemConverter.decodeWithHeaders(pem) : [];
  if (block === undefined || second !== undefined || !/^(NEW )?CERTIFICATE REQUEST$/.test(block.type))
    throw invalid('is not one CERTIFICATE REQUEST in PEM');
  let key: KeyObject;
  let signed: boolean;
  try {
    const csr = new x509.Pkcs10CertificateRequest(block.rawData);
    key = createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: 'der', type: 'spki' });
    signed = strong(key) && (await csr.verify());
  } catch {
    // Malformed ASN.1, or a curve or signature that is not known.
    throw invalid('cannot be read');
  }
  if (!strong(key)) throw invalid('has a key that is not taken here');
  if (!signed) throw invalid('is not signed by its own key');
  return key;
}

/** ECDSA on P-256 or P-384, Ed25519, RSA with 2048 to 4096 bits. */
function strong(key: KeyObject): boolean {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return namedCurve === 'prime256v1' || namedCurve === 'secp384r1';
    case 'ed25519':
      return true;
    case 'rsa':
      return modulusLength >= 2048 && modulusLength <= 4096 && publicExponent === 65_537n;
    default:
      return false;
  }
}

function invalid(why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The certificate request ${why}.`,
    'Make one with a key of ECDSA P-256: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -subj / -out client.csr',
  );
}
