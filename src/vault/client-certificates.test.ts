import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { uuidv7 } from '../core/ids.ts';
import { ensureTls } from './ca.ts';
import { CSR_MAX, issueClientCertificate } from './client-certificates.ts';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = (modulusLength: number, exponent = [1, 0, 1]) => ({
  ...{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength },
  publicExponent: new Uint8Array(exponent),
});

async function request(algorithm: object = P256, over: object = {}): Promise<x509.Pkcs10CertificateRequest> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const signingAlgorithm = algorithm as typeof P256;
  return x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm, ...over });
}

describe('client certificates', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-ca-'));
  after(() => rmSync(dataDir, { recursive: true, force: true }));
  const id = uuidv7();
  const notAfter = Date.now() + 3_600_000;
  const issue = (csr: string) => issueClientCertificate(dataDir, { csr, principal: 'batch', id, notAfter });

  it('are of this authority, for clients alone, name the principal and nobody else, and end in time', async () => {
    const { caPem } = await ensureTls(dataDir);
    const csr = await request(P256, {
      name: 'CN=other, O=Root',
      extensions: [
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: 'postern://principal/other' }]),
        new x509.BasicConstraintsExtension(true, 5, true),
      ],
    });
    const { pem, sha256 } = await issue(csr.toString('pem'));
    const made = new X509Certificate(pem);
    const ca = new X509Certificate(caPem);
    assert.ok(made.checkIssued(ca) && made.verify(ca.publicKey));
    assert.equal(made.subjectAltName, 'URI:postern://principal/batch');
    assert.equal(made.subject, 'CN=principal/batch\nO=Postern');
    assert.deepEqual(made.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(made.ca, false);
    assert.equal(made.serialNumber.toLowerCase().padStart(32, '0'), id.replaceAll('-', ''));
    assert.equal(made.fingerprint256.replaceAll(':', '').toLowerCase(), sha256);
    assert.equal(made.validToDate.getTime(), Math.floor(notAfter / 1000) * 1000);
    assert.ok(made.validFromDate.getTime() <= Date.now());
    assert.ok(
      Buffer.from(csr.publicKey.rawData).equals(made.publicKey.export({ type: 'spki', format: 'der' })),
    );
  });

  it('are issued for keys of ECDSA P-256 and P-384, Ed25519, and RSA with 2048 to 4096 bits', async () => {
    for (const algorithm of [
      P256,
      { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
      { name: 'Ed25519' },
      rsa(2048),
    ]) {
      const csr = await request(algorithm);
      assert.match((await issue(csr.toString('pem'))).pem, /^-----BEGIN CERTIFICATE-----/);
    }
    for (const algorithm of [
      { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
      rsa(1024),
      rsa(2048, [3]),
    ]) {
      const csr = await request(algorithm);
      await assert.rejects(issue(csr.toString('pem')), /has a key that is not taken here/);
    }
  });

  it('are not issued for a request whose signature is not of its own key', async () => {
    const [mine, theirs] = [await request(), await request()];
    const der = Buffer.from(mine.rawData);
    const key = Buffer.from(mine.publicKey.rawData);
    Buffer.from(theirs.publicKey.rawData).copy(der, der.indexOf(key));
    const stolen = x509.PemConverter.encode(der, 'CERTIFICATE REQUEST');
    await assert.rejects(issue(stolen), /is not signed by its own key/);
  });

  it('are not issued for anything that is not one request', async () => {
    const pem = (await request()).toString('pem');
    const other = (await request()).toString('pem');
    const { keyPem, certPem } = await ensureTls(dataDir);
    for (const bad of [
      '',
      'x',
      certPem,
      `${pem}\n${other}`,
      `${pem}\n${keyPem}`,
      pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
      x509.PemConverter.encode(Buffer.alloc(100), 'CERTIFICATE REQUEST'),
      x509.PemConverter.encode(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]), 'CERTIFICATE REQUEST'),
      x509.PemConverter.encode(Buffer.from('3080'.repeat(2000), 'hex'), 'CERTIFICATE REQUEST'),
      pem + ' '.repeat(CSR_MAX),
    ]) {
      await assert.rejects(issue(bad), { name: 'PosternError', code: 'POSTERN_INVALID' }, bad.slice(0, 60));
    }
  });
});
