import { createHash, type X509Certificate } from 'node:crypto';

/** Hash of the signature by its object identifier. MD5 and SHA-1 are replaced by SHA-256, as RFC 5929 says. */
const HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'sha256', // md5WithRSAEncryption
  '1.2.840.113549.1.1.5': 'sha256', // sha1WithRSAEncryption
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.10045.4.1': 'sha256', // ecdsa-with-SHA1
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

const RSASSA_PSS = '1.2.840.113549.1.1.10';

/** AlgorithmIdentifier of RSASSA-PSS up to the object identifier in its hashAlgorithm, in DER (RFC 4055). */
const PSS_IDENTIFIER = Buffer.from('06092a864886f70d01010a', 'hex');
const PSS_HASHES: readonly (readonly [string, Buffer])[] = [
  ['sha256', Buffer.from('0609608648016503040201', 'hex')],
  ['sha384', Buffer.from('0609608648016503040202', 'hex')],
  ['sha512', Buffer.from('0609608648016503040203', 'hex')],
];
/** SEQUENCE of the parameters, [0], SEQUENCE of the hash: headers in between, with lengths of one byte. */
const PSS_HEADERS = 6;

/**
 * The channel binding `tls-server-end-point` of a server's certificate; null where its signature has no hash of its own
 * (Ed25519), for which the binding is not defined.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5929#section-4.1
 */
export function serverEndPoint(certificate: X509Certificate): Buffer | null {
  const oid = certificate.signatureAlgorithmOid ?? '';
  const hash = oid === RSASSA_PSS ? pssHash(certificate.raw) : HASHES[oid];
  return hash === undefined ? null : createHash(hash).update(certificate.raw).digest();
}

function pssHash(der: Buffer): string | undefined {
  const at = der.indexOf(PSS_IDENTIFIER) + PSS_IDENTIFIER.length + PSS_HEADERS;
  return PSS_HASHES.find(([, oid]) => der.subarray(at, at + oid.length).equals(oid))?.[0];
}
