import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { serverEndPoint } from './channel-binding.ts';

const RSA = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };

async function certificate(algorithm: object, usages: ('sign' | 'verify')[] = ['sign', 'verify']) {
  const keys = (await webcrypto.subtle.generateKey(
    algorithm as webcrypto.EcKeyGenParams,
    true,
    usages,
  )) as webcrypto.CryptoKeyPair;
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test',
    keys,
    signingAlgorithm: algorithm as x509.X509CertificateCreateSelfSignedParams['signingAlgorithm'] & object,
  });
  return new X509Certificate(made.toString('pem'));
}

describe('the channel binding of a server certificate', () => {
  for (const [title, algorithm, hash] of [
    ['ECDSA with SHA-256', { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }, 'sha256'],
    ['ECDSA with SHA-384', { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }, 'sha384'],
    ['ECDSA with SHA-512', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }, 'sha512'],
    ['RSA with SHA-256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...RSA }, 'sha256'],
    ['RSA with SHA-512', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512', ...RSA }, 'sha512'],
    ['RSA with SHA-1, which is not used', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1', ...RSA }, 'sha256'],
    ['RSA-PSS with SHA-256', { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32, ...RSA }, 'sha256'],
    ['RSA-PSS with SHA-384', { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48, ...RSA }, 'sha384'],
  ] as const) {
    it(`is the hash of the certificate that its signature uses: ${title}`, async () => {
      const made = await certificate(algorithm);
      assert.deepEqual(serverEndPoint(made), createHash(hash).update(made.raw).digest());
    });
  }

  it('is not defined where the signature has no hash of its own', async () => {
    assert.equal(serverEndPoint(await certificate({ name: 'Ed25519' })), null);
  });
});
