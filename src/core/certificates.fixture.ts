/** For tests: authorities and certificates of any shape, made for real. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { parseCertificate, type ReadCertificate } from './certificate-path.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR = 3_600_000;
const { KeyUsageFlags } = x509;

export interface Made {
  readonly pem: string;
  readonly der: Buffer;
  readonly keyPem: string;
  readonly read: () => ReadCertificate;
  readonly issuer: { readonly certificate: x509.X509Certificate; readonly keys: webcrypto.CryptoKeyPair };
}

export interface Shape {
  readonly name?: string;
  /** Who signs; itself where nobody is given. */
  readonly by?: Made;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly usage?: number;
  readonly clientAuth?: boolean;
  readonly names?: readonly { readonly type: 'url' | 'dns' | 'email'; readonly value: string }[];
  readonly from?: number;
  readonly until?: number;
  readonly extensions?: readonly x509.Extension[];
  readonly hash?: 'SHA-1' | 'SHA-256';
}

/** A certificate; an authority where it says so. Times are milliseconds from now. */
export async function makeCertificate(shape: Shape): Promise<Made> {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const { ca = false, clientAuth = !ca, names = [], by, hash = 'SHA-256' } = shape;
  const subject = shape.name ?? (ca ? 'CN=Test CA, O=Bank' : 'CN=job, O=Bank');
  const usage =
    shape.usage ?? (ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature);
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: by?.issuer.certificate.subject ?? subject,
    notBefore: new Date(Date.now() + (shape.from ?? -HOUR)),
    notAfter: new Date(Date.now() + (shape.until ?? HOUR)),
    publicKey: keys.publicKey,
    signingKey: (by?.issuer.keys ?? keys).privateKey,
    signingAlgorithm: { ...ALGORITHM, hash },
    extensions: [
      new x509.BasicConstraintsExtension(ca, shape.pathLength, true),
      ...(usage === 0 ? [] : [new x509.KeyUsagesExtension(usage, true)]),
      ...(clientAuth ? [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])] : []),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
      ...(shape.extensions ?? []),
    ],
  });
  const der = Buffer.from(certificate.rawData);
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    pem: `${certificate.toString('pem')}\n`,
    der,
    keyPem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
    read: () => parseCertificate(der),
    issuer: { certificate, keys },
  };
}

export const makeAuthority = (shape: Shape = {}): Promise<Made> => makeCertificate({ ...shape, ca: true });

/** The keys of a SPIFFE bundle with these roots. */
export const bundleOf = (roots: readonly Made[], more: object = {}): object => ({
  keys: roots.map(({ der }) => ({ kty: 'EC', use: 'x509-svid', x5c: [der.toString('base64')] })),
  ...more,
});
