import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface ClientKey {
  /** PKCS #8, PEM. It is not to leave this machine. */
  readonly keyPem: string;
  /** Certification request for it, PEM. */
  readonly csrPem: string;
}

/** A new key of ECDSA P-256, and the request for its certificate. */
export async function newClientKey(): Promise<ClientKey> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ALGORITHM });
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    keyPem: `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`,
    csrPem: `${csr.toString('pem')}\n`,
  };
}
