import { TrustStore } from '../core/trust.ts';
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import type { CertificateCredentialView, PrincipalView } from '../core/views.ts';
import { provenByCertificate } from './client-certificate.ts';
import type { Directory } from './contract.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

interface Authority {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

async function authority(): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=Postern CA', keys, signingAlgorithm: ALGORITHM, serialNumber: '01' },
    ...{ notBefore: new Date(NOW - HOUR), notAfter: new Date(NOW + 100 * HOUR) },
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return { keys, certificate };
}

interface Wishes {
  readonly sans?: readonly string[];
  readonly usages?: readonly string[];
  readonly ca?: boolean;
  readonly from?: number;
  readonly to?: number;
}

async function certificate(by: Authority, wishes: Wishes = {}): Promise<X509Certificate> {
  const { publicKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const { sans = ['postern://principal/batch'], usages = [x509.ExtendedKeyUsage.clientAuth] } = wishes;
  const made = await x509.X509CertificateGenerator.create({
    ...{ serialNumber: '02', subject: 'CN=x', issuer: by.certificate.subject, publicKey },
    ...{ signingKey: by.keys.privateKey, signingAlgorithm: ALGORITHM },
    notBefore: new Date(NOW + (wishes.from ?? -HOUR)),
    notAfter: new Date(NOW + (wishes.to ?? HOUR)),
    extensions: [
      ...(wishes.ca === true ? [new x509.BasicConstraintsExtension(true)] : []),
      ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...usages])]),
      ...(sans.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension(sans.map((value) => ({ type: 'url' as const, value })))]),
    ],
  });
  return new X509Certificate(made.toString('pem'));
}

const principal = (name: string, over: Partial<PrincipalView> = {}): PrincipalView => ({
  ...{ id: `id-${name}`, name, ownerId: 'o', status: 'active', expiresAt: null },
  ...over,
});

describe('a client certificate', () => {
  let ours: Authority;
  let clientCa: X509Certificate;
  before(async () => {
    ours = await authority();
    clientCa = new X509Certificate(ours.certificate.toString('pem'));
  });

  const credential = (
    of: X509Certificate,
    over: Partial<CertificateCredentialView> = {},
  ): CertificateCredentialView => ({
    ...{ id: 'c', principalId: 'id-batch', grantId: null, kind: 'certificate', status: 'active' },
    expiresAt: NOW + HOUR,
    sha256: of.fingerprint256.replaceAll(':', '').toLowerCase(),
    ...over,
  });

  const prove = (
    shown: X509Certificate,
    name: string,
    known: readonly CertificateCredentialView[],
    who: readonly PrincipalView[] = [principal('batch'), principal('other')],
  ) => {
    const directory = {
      trust: new TrustStore(),
      principalByName: (wanted: string) => who.find((each) => each.name === wanted),
      credentialsOf: (id: string) => known.filter((each) => each.principalId === id),
    } as unknown as Directory;
    return provenByCertificate({ directory, clientCa }, shown, name, NOW);
  };

  const refused = (
    shown: X509Certificate,
    why: RegExp,
    over: Partial<CertificateCredentialView> = {},
    name = 'batch',
  ): void => assert.throws(() => prove(shown, name, [credential(shown, over)]), why);

  it('proves its principal while its credential is in force', async () => {
    const shown = await certificate(ours);
    const proven = prove(shown, 'batch', [credential(shown)]);
    assert.equal(proven.principal.name, 'batch');
    assert.equal(proven.credential.id, 'c');
  });

  it('proves nobody else, and nobody who is not known', async () => {
    const shown = await certificate(ours);
    refused(shown, /of another principal/, {}, 'other');
    refused(shown, /of another principal/, {}, 'nobody');
    refused(shown, /of another principal/, {}, '');
    const others = credential(shown, { principalId: 'id-other' });
    assert.throws(() => prove(shown, 'batch', [others]), /not in force/);
    for (const sans of [
      [],
      ['postern://principal/batch', 'postern://principal/other'],
      ['postern://principal/batch/'],
      ['postern://principal/batc'],
      ['postern://principal/BATCH'],
      ['postern://principal/other", URI:postern://principal/batch'],
      ['spiffe://principal/batch'],
    ]) {
      refused(await certificate(ours, { sans }), /of another principal/);
    }
  });

  it('of another authority proves nothing, even if that has the same name', async () => {
    const theirs = await authority();
    refused(
      await certificate(theirs),
      /proves nothing: it was not issued by an authority that is trusted here/,
    );
    const selfSigned = new X509Certificate(theirs.certificate.toString('pem'));
    refused(selfSigned, /not taken: it is one of an authority/);
  });

  it('is one of a client: those of servers and authorities prove nothing', async () => {
    refused(await certificate(ours, { usages: [x509.ExtendedKeyUsage.serverAuth] }), /not one of a client/);
    refused(await certificate(ours, { usages: [] }), /not one of a client/);
    refused(await certificate(ours, { ca: true }), /not one of a client/);
    const usages = [x509.ExtendedKeyUsage.serverAuth];
    refused(await certificate(ours, { usages, sans: ['dns.example'] }), /not one of a client/);
  });

  it('proves nothing before and after its time, as its credential does not', async () => {
    refused(await certificate(ours, { from: 1000 }), /not valid yet/);
    refused(await certificate(ours, { to: 0 }), /expired at/);
    refused(await certificate(ours), /credential c of "batch" expired at/, { expiresAt: NOW });
  });

  it('proves nothing once it is revoked, or its principal is not active', async () => {
    const shown = await certificate(ours);
    refused(shown, /credential c of "batch" was revoked/, { status: 'revoked' });
    for (const over of [{ status: 'suspended' }, { status: 'disabled' }, { expiresAt: NOW }] as const) {
      assert.throws(() => prove(shown, 'batch', [credential(shown)], [principal('batch', over)]), {
        code: 'POSTERN_PRINCIPAL_INACTIVE',
      });
    }
  });

  it('is the very one that was issued, to the last bit', async () => {
    const [shown, twin] = [await certificate(ours), await certificate(ours)];
    assert.throws(() => prove(shown, 'batch', [credential(twin)]), /not in force here/);
    assert.throws(() => prove(shown, 'batch', []), /not in force here/);
  });
});
