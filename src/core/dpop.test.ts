import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DpopRequest, verifyDpop } from './dpop.ts';
import { jwkThumbprint, signJws } from './sign-jws.ts';

/** RFC 9449, section 4.2 and 7.1: the proofs of the examples, with the key of which section 6.1 has the thumbprint. */
const HEAD =
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19';
const AT_TOKEN = `${HEAD}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`;
const AT_RESOURCE = `${HEAD}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA`;
const JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
const ACCESS_TOKEN = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NOW = 1_800_000_000;
const request: DpopRequest = {
  method: 'POST',
  url: 'https://postern.example:8443/v1/token',
  nowMs: NOW * 1000,
};
const good = { htm: 'POST', htu: request.url, jti: randomUUID(), iat: NOW };
const jwk = key.publicKey.export({ format: 'jwk' });
const proof = (claims: object = {}, header: object = {}): string =>
  signJws({ typ: 'dpop+jwt', jwk, ...header }, { ...good, ...claims }, key.privateKey);
const why = (text: string, over: Partial<DpopRequest> = {}): string => {
  const result = verifyDpop(text, { ...request, ...over });
  return result.ok ? 'taken' : result.why;
};

describe('a DPoP proof', () => {
  it('is taken as in the examples of RFC 9449, with the thumbprint that it gives', () => {
    const url = 'https://server.example.com/token';
    const taken = verifyDpop(AT_TOKEN, { method: 'POST', url, nowMs: 1_562_262_616_000 });
    assert.deepEqual(taken, { ok: true, jkt: JKT, jti: '-BwC3ESc6acc2lTc', iatMs: 1_562_262_616_000 });
    const resource = { method: 'GET', url: 'https://resource.example.org/protectedresource' };
    const at = { ...resource, accessToken: ACCESS_TOKEN, nowMs: 1_562_262_618_000 };
    assert.equal(verifyDpop(AT_RESOURCE, at).ok, true);
    assert.equal(verifyDpop(AT_RESOURCE, { ...at, accessToken: 'another' }).ok, false);
  });

  it('is of this request alone: method, address, time, token', () => {
    assert.equal(why(proof()), 'taken');
    assert.equal(why(proof({ htu: 'https://POSTERN.example:8443/v1/../v1/token?x#y' })), 'taken');
    assert.match(why(proof({ htm: 'GET' })), /another method/);
    assert.match(why(proof({ htm: 'post' })), /another method/);
    for (const htu of [
      'https://postern.example/v1/token',
      'http://postern.example:8443/v1/token',
      7,
      undefined,
    ])
      assert.match(why(proof({ htu })), /another address/);
    assert.match(why(proof({ htu: 'https://a@postern.example:8443/v1/token' })), /another address/);
    for (const iat of [NOW - 61, NOW + 61, String(NOW), undefined, null])
      assert.match(why(proof({ iat })), /not made now/);
    for (const jti of ['', 'short', 'x'.repeat(257), 7, undefined])
      assert.match(why(proof({ jti })), /no fit jti/);
    assert.match(why(proof(), { accessToken: 'token' }), /another access token/);
    const ath = createHash('sha256').update('token').digest('base64url');
    assert.equal(why(proof({ ath }), { accessToken: 'token' }), 'taken');
  });

  it('is of a public key that it shows and is signed with', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    assert.match(why(proof({}, { jwk: other.publicKey.export({ format: 'jwk' }) })), /not signed with/);
    assert.match(why(proof({}, { jwk: key.privateKey.export({ format: 'jwk' }) })), /shows a private one/);
    assert.match(why(proof({}, { jwk: { kty: 'oct', k: 'c2VjcmV0' } })), /shows a private one/);
    assert.match(why(proof({}, { jwk: undefined })), /no public key/);
    assert.match(why(proof({}, { typ: 'JWT' })), /another type/);
    assert.match(why(proof({}, { crit: ['x'] })), /malformed/);
    assert.match(why(proof({}, { alg: 'none' })), /malformed/);
    assert.match(why(proof({}, { alg: 'EdDSA' })), /not signed with/);
  });

  it('is refused and never breaks, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.nat(proof().length - 1), fc.constantFrom(...'AZaz09-_.='), (at, char) => {
        const text = proof();
        const changed = `${text.slice(0, at)}${char}${text.slice(at + 1)}`;
        assert.ok(changed === text || why(changed) !== 'taken', changed);
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.string(), (text) => assert.notEqual(why(text), 'taken')));
  });
});

describe('the thumbprint of a key', () => {
  it('is that of RFC 7638, section 3.1', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
    const known = { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' };
    assert.equal(jwkThumbprint(known), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
  });

  it('is none for what is no key', () => {
    for (const each of [
      {},
      { kty: 'oct', k: 'x' },
      { kty: 'EC', crv: 'P-256', x: 'a' },
      { kty: 'constructor' },
    ])
      assert.equal(jwkThumbprint(each), null);
  });
});
