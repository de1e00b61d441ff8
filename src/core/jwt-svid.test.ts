import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { tokenKeys } from './jws.ts';
import { verifyJwtSvid } from './jwt-svid.ts';

const ID = 'spiffe://bank.example/job';
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwkOf = (key: KeyObject, more: object = {}) => ({
  ...key.export({ format: 'jwk' }),
  ...{ kid: 'k1', use: 'jwt-svid', ...more },
});
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const NOW = 1_800_000_000;

function svid(claims: object = {}, header: object = {}, key = pair.privateKey): string {
  const all = { sub: ID, aud: ['postern'], exp: NOW + 300, ...claims };
  const signed = `${part({ alg: 'ES256', kid: 'k1', typ: 'JWT', ...header })}.${part(all)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

describe('a JWT-SVID', () => {
  const trusted = { 'bank.example': tokenKeys({ keys: [jwkOf(pair.publicKey)] }, 'jwt-svid') };
  const judge = (
    text: string,
    rules = [{ spiffeId: ID, audience: 'postern' as string | null }],
    from: object = trusted,
  ) =>
    verifyJwtSvid(
      text,
      rules,
      (domain) => (from as typeof trusted)[domain as 'bank.example'] ?? [],
      NOW * 1000,
    );
  const refused = (result: ReturnType<typeof judge>, why: RegExp): void =>
    assert.ok(!result.ok && why.test(result.why), JSON.stringify(result));

  it('proves the SPIFFE ID that its own trust domain signed, for one audience, within its time', () => {
    const result = judge(svid({ jti: 'a' }));
    assert.ok(result.ok);
    assert.equal(result.proof.subject, ID);
    assert.equal(result.proof.issuer, 'spiffe://bank.example');
    assert.equal(result.expiresAt, (NOW + 300) * 1000);
    assert.ok(judge(svid({ aud: 'postern' }, { typ: 'JOSE' })).ok);
  });

  it('proves nothing where one thing is wrong', () => {
    refused(judge(svid({ sub: 'spiffe://else.example/job' })), /signature/);
    refused(judge(svid({}, {}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)), /signature/);
    refused(judge(svid({}, { kid: 'k2' })), /signature/);
    refused(judge(svid({}, { alg: 'none' })), /signed in a way/);
    refused(judge(svid({}, { alg: 'HS256' })), /signed in a way/);
    refused(judge(svid({}, { alg: 'RS256' })), /signature/);
    refused(judge(svid({}, { typ: 'at+jwt' })), /of a type/);
    for (const sub of [
      'job',
      'spiffe://bank.example',
      'spiffe://bank.example/',
      'spiffe://Bank.example/job',
      7,
    ])
      refused(judge(svid({ sub })), /no SVID of a workload/);
    refused(judge(svid({ sub: `${ID}2` })), /not bound to/);
    refused(judge(svid({ aud: ['other'] })), /another audience/);
    refused(judge(svid({ aud: ['postern', 'other'] })), /or for several/);
    refused(judge(svid(), [{ spiffeId: ID, audience: null }]), /another audience/);
    refused(judge(svid({ exp: NOW })), /expired/);
    refused(judge(svid({ exp: undefined })), /until when/);
    refused(judge(svid({ exp: NOW + 100_000 })), /more than a day/);
    refused(judge(svid({ nbf: NOW + 100 })), /not valid yet/);
    refused(judge('a.b.c'), /malformed/);
  });

  it('is verified with keys that a bundle has for it, not with others', () => {
    const x509 = {
      'bank.example': tokenKeys({ keys: [jwkOf(pair.publicKey, { use: 'x509-svid' })] }, 'jwt-svid'),
    };
    refused(judge(svid(), undefined, x509), /signature/);
    const sig = { 'bank.example': tokenKeys({ keys: [jwkOf(pair.publicKey, { use: 'sig' })] }, 'jwt-svid') };
    refused(judge(svid(), undefined, sig), /signature/);
  });
});
