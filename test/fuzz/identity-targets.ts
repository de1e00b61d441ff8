/** Readers of what proves who somebody is, and of the conditions under which a grant holds. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { checkConditions, DAYS, type GrantConditions } from '../../src/core/conditions.ts';
import { PosternError } from '../../src/core/errors.ts';
import { isObject, tokenKeys } from '../../src/core/jws.ts';
import { type TokenRule, verifyToken } from '../../src/core/jwt.ts';
import { parseStrictJson } from '../../src/core/strict-json.ts';
import { TrustStore } from '../../src/core/trust.ts';
import { readCallerIdentity, readSignedRequest } from '../../src/identity/aws-request.ts';
import { provenByCertificate } from '../../src/protocols/client-certificate.ts';
import type { Directory } from '../../src/protocols/contract.ts';
import { Refused } from '../../src/protocols/door.ts';
import { addressOf } from '../../src/protocols/grant-conditions.ts';
import { ScramServer } from '../../src/protocols/postgres/auth.ts';
import { compileConditions } from '../../src/protocols/postgres/conditions.ts';
import {
  cancelKeyOf,
  MAX_CANCEL_KEY_BYTES,
  negotiate,
  offeredVersion,
  PROTOCOL_3_2,
} from '../../src/protocols/postgres/negotiation.ts';
import {
  Back,
  cstring,
  Front,
  int32,
  message,
  PROTOCOL_3_0,
  readStartup,
  startup,
  WireError,
} from '../../src/protocols/postgres/wire.ts';
import { saslInitial } from '../support/wire-client.ts';
import { answers, type FuzzTarget } from './target.ts';

const NOW = 1_800_000_000_000;

/** Made once, with keys that nobody has: an input that was kept must mean the same in every run. */
const CLIENT_CA =
  'MIIBLjCB1aADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMTClBvc3Rlcm4gQ0EwHhcNMjYwMTAxMDAwMDAwWhcNMzYwMTAxMDAwMDAwWjAVMRMwEQYDVQQDEwpQb3N0ZXJuIENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmUSqZomrXwt6FwypFN1/RYmsOyX3X6CF5f+tHBXy2XNuYrz+8dxemoX9X5fy+bsxnDFxYHGOCN1nAqrcVTOFR6MWMBQwEgYDVR0TAQH/BAgwBgEB/wIBADAKBggqhkjOPQQDAgNIADBFAiBtfxPjMQJR8W53A9ysq1G++7tX21Ab6etlElK/HypSdwIhAI2Ji9+cvwUAn+nEcO4UqtkraLliSdcEKbiBWN/Xt9Am';
const OF_BATCH =
  'MIIBTzCB96ADAgECAgECMAoGCCqGSM49BAMCMBUxEzARBgNVBAMTClBvc3Rlcm4gQ0EwHhcNMjYwMTAxMDAwMDAwWhcNMzUwMTAxMDAwMDAwWjAQMQ4wDAYDVQQDEwViYXRjaDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCGHhr+yRxOqjFWtHux1o5d10uxSMg8H5nwRY7ZfzGEyoqE26oZFa2qf+4C8aNT8v420cWbHmjQVrfL/NyM+qF2jPTA7MBMGA1UdJQQMMAoGCCsGAQUFBwMCMCQGA1UdEQQdMBuGGXBvc3Rlcm46Ly9wcmluY2lwYWwvYmF0Y2gwCgYIKoZIzj0EAwIDRwAwRAIgNyQ2Hl9oeINhz0Vzp6Vv5re+Nqvw3f9W7oFsCEEeVWICIGjIglbr6mumO170PiK2/e6aaQFJqOQ96xLOz4JrIUqY';
/** A host called `x, URI:postern://principal/batch`, and the URI of another principal. */
const OF_TWO =
  'MIIBczCCARmgAwIBAgIBAjAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpQb3N0ZXJuIENBMB4XDTI2MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFowEDEOMAwGA1UEAxMFYmF0Y2gwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARp42WToyHuI9HGCBebsPhXyvhIfUJCAzl0ASnzlHSkjXoL7kjItWfDvRQaKHlyk3jb5u1xawq1jmU3gdHHfIVdo18wXTATBgNVHSUEDDAKBggrBgEFBQcDAjBGBgNVHREEPzA9giB4LCBVUkk6cG9zdGVybjovL3ByaW5jaXBhbC9iYXRjaIYZcG9zdGVybjovL3ByaW5jaXBhbC9vdGhlcjAKBggqhkjOPQQDAgNIADBFAiAL2qw6INPE+J/rS3fyDiXa1kkneDskK406a3fJxu7j+QIhAPnwJejfmdTrWu4BuVI1OXYLaIYxBxDSY5LL8jV4Zv5R';
const clientCa = new X509Certificate(Buffer.from(CLIENT_CA, 'base64'));
const GENUINE = new X509Certificate(Buffer.from(OF_BATCH, 'base64'));
const URI = Buffer.from('postern://principal/batch');
/** GeneralNames with that URI and nothing else, in DER. */
const ONLY_NAME = Buffer.concat([Buffer.from([0x30, URI.length + 2, 0x86, URI.length]), URI]);

/** That URI with the tag of one and its length, in any form that OpenSSL reads: not a name of another kind that looks alike. */
const AS_URI = new RegExp(`(?:86|a6|c6|e6)(?:81|8200|830000)?19${URI.toString('hex')}`);

/** A certificate whose issuer is not looked at, so that what it says is read although nobody signed it. */
function believed(certificate: X509Certificate): X509Certificate {
  return new Proxy(certificate, {
    get: (target, name) =>
      name === 'checkIssued' || name === 'verify' ? () => true : Reflect.get(target, name, target),
  });
}

function prove(shown: X509Certificate): boolean {
  const principal = { id: 'p', name: 'batch', ownerId: 'o', status: 'active', expiresAt: null };
  const sha256 = shown.fingerprint256.replaceAll(':', '').toLowerCase();
  const credential = { id: 'c', principalId: 'p', grantId: null, kind: 'certificate', status: 'active' };
  const directory = {
    principalByName: (name: string) => (name === 'batch' ? principal : undefined),
    credentialsOf: () => [{ ...credential, expiresAt: NOW + 1000, sha256 }],
    trust: new TrustStore(),
  } as unknown as Directory;
  return answers(() => provenByCertificate({ directory, clientCa }, shown, 'batch', NOW), Refused) !== null;
}

const ISSUER = 'https://issuer.example';
const JWKS = {
  keys: [
    {
      ...{ kty: 'EC', crv: 'P-256', kid: 'ES256' },
      ...{
        x: '0faNRRJ1QtQkZvKIEsrPOibx9kjSlRYOTi8WMhN3lCo',
        y: 'jSehf3SFaY_rUy5V_LlDEWnVMFNZ8ucFGLIoCZrbZ3c',
      },
    },
    { kty: 'OKP', crv: 'Ed25519', kid: 'EdDSA', x: 'ezRtkrrx7AWFrGTPHcRdPG7c22pJPptwEPNKGqrbzVA' },
  ],
};
const KEYS = tokenKeys(JWKS);
const SIGNED = [
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IkVTMjU2In0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoicG9zdGVybiIsInN1YiI6ImpvYi0xIiwiaWF0IjoxODAwMDAwMDAwLCJleHAiOjE4MDAwMDA2MDB9',
  'eyJhbGciOiJFZERTQSIsImtpZCI6IkVkRFNBIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoicG9zdGVybiIsInN1YiI6ImpvYi0xIiwiaWF0IjoxODAwMDAwMDAwLCJleHAiOjE4MDAwMDA2MDB9',
] as const;
const TOKENS = [
  `${SIGNED[0]}.eQv9aRTWeVAT02K2fJ0v75AEzOEyynNKc4e6nPyW47k-E3rsbuAgpmTg1N-BmzuydM_1U3fzcveb2h-N_RToAA`,
  `${SIGNED[1]}.Ot99jRp6_R-xRHMUhjlUStMxDslcxj_eQUjaW0N6-b5uXu6ER_gf6pmGV38PU9V6GBMa9yprk_8Ox1baHsJUBQ`,
];
const RULE: TokenRule = { issuer: ISSUER, audience: 'postern', claims: { sub: 'job-1' } };
const part = (value: string): string => Buffer.from(value).toString('base64url');

const conditions = (lines: readonly string[]): GrantConditions => {
  const hours = lines.flatMap((line) => {
    const [, days, from, to, timeZone] = /^(\S+) (\S+)-(\S+) (\S*)$/.exec(line) ?? [];
    if (days === undefined || from === undefined || to === undefined || timeZone === undefined) return [];
    return [{ days: days.split(',') as (typeof DAYS)[number][], from, to, timeZone }];
  });
  const sources = lines.filter((line) => /[.:]/.test(line) && !line.includes(' '));
  const fingerprints = lines.filter((line) => line.length === 16);
  return { hours, sources, fingerprints };
};

/** A request for GetCallerIdentity as a client shows it, signed at that moment with nobody's key. */
const SIGNED_REQUEST = JSON.stringify({
  url: 'https://sts.eu-central-1.amazonaws.com/',
  headers: {
    authorization: `AWS4-HMAC-SHA256 Credential=ASIAEXAMPLENIGHTLY00/20270115/eu-central-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-postern-server-id, Signature=${'0'.repeat(64)}`,
    'x-amz-date': '20270115T080000Z',
    'x-postern-server-id': 'https://postern.example',
  },
});
const CALLER = JSON.stringify({
  GetCallerIdentityResponse: {
    GetCallerIdentityResult: {
      ...{ Account: '123456789012', Arn: 'arn:aws:sts::123456789012:assumed-role/Nightly/i-0abc' },
      UserId: 'AROAEXAMPLEEXAMPLE12:i-0abc',
    },
  },
});

export const IDENTITY_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'aws-request',
    covers: ['src/identity/aws-request.ts'],
    seeds: [SIGNED_REQUEST, CALLER],
    words: [
      '"url":"',
      'https://sts.',
      '.amazonaws.com/',
      'x-amz-',
      'SignedHeaders=',
      ';host',
      '\\r\\n',
      '"host":"',
    ],
    run(input) {
      for (const token of [input.toString('base64url'), input.toString('latin1')]) {
        const read = readSignedRequest(token, NOW);
        if (typeof read === 'string') continue;
        assert.match(read.url, /^https:\/\/sts\.[a-z0-9-]+\.amazonaws\.com\/$/);
        assert.equal(read.body, 'Action=GetCallerIdentity&Version=2011-06-15');
        for (const [name, value] of Object.entries(read.headers)) {
          assert.match(
            name,
            /^(authorization|content-type|x-amz-date|x-amz-security-token|x-postern-server-id)$/,
          );
          assert.match(value, /^[\x20-\x7e]+$/);
        }
      }
      const answer = answers(() => parseStrictJson(input.toString('utf8'), 8), SyntaxError);
      if (isObject(answer)) {
        const caller = readCallerIdentity(answer);
        if (caller !== null) assert.match(caller.account, /^\d{12}$/);
      }
    },
  },
  {
    name: 'token',
    covers: ['src/core/jwt.ts', 'src/core/jws.ts', 'src/core/strict-json.ts', 'src/core/claims.ts'],
    seeds: [
      ...TOKENS,
      `${part('{"alg":"none"}')}.${part('{"iss":"https://issuer.example"}')}.x`,
      JSON.stringify(JWKS),
    ],
    words: [
      ...[
        '.',
        'eyJ',
        '=',
        '-',
        '_',
        '{"alg":"',
        'HS256',
        'none',
        '"crit":[],',
        '"kty":"oct"',
        '"use":"enc",',
      ],
      ...[part('{"alg":"ES256"}'), part('{"alg":"none"}'), part('{"exp":9e99}')],
    ],
    run(input) {
      const token = input.toString('utf8');
      const result = verifyToken(token, [RULE], () => KEYS, NOW);
      if (result.ok) assert.ok(SIGNED.some((signed) => token.startsWith(`${signed}.`)));
      else assert.ok(result.why.length > 0 && result.why.length < 100);
      const jwks = answers(() => JSON.parse(token) as unknown, SyntaxError);
      for (const { key } of tokenKeys(jwks)) assert.equal(key.type, 'public');
      // Claims that nobody signed are never looked at further than to find out whose they would be.
      const forged = `${part('{"alg":"ES256"}')}.${input.toString('base64url')}.${part('x')}`;
      assert.equal(verifyToken(forged, [RULE], () => KEYS, NOW).ok, false);
    },
  },
  {
    name: 'client-certificate',
    covers: ['postgres/client-certificate.ts', 'postgres/door.ts'],
    seeds: [OF_BATCH, OF_TWO].map((text) => Buffer.from(text, 'base64')),
    words: [
      ...[ONLY_NAME, URI, 'postern://principal/other', ', URI:', 'URI:', '\0', '"', ',', '%00', 'batch'],
      ...[Buffer.from([0x82]), Buffer.from([0x86]), Buffer.from([0x30]), Buffer.from('551d11', 'hex')],
    ],
    run(input) {
      let shown: X509Certificate;
      try {
        shown = new X509Certificate(input);
      } catch {
        // TLS takes no such certificate.
        return;
      }
      if (prove(shown)) assert.ok(shown.raw.equals(GENUINE.raw), 'a certificate that was not issued');
      if (prove(believed(shown))) assert.match(shown.raw.toString('hex'), AS_URI, shown.subjectAltName);
    },
  },
  {
    name: 'sasl',
    covers: ['postgres/auth.ts', 'postgres/wire.ts'],
    seeds: [
      saslInitial('n,,n=,r=abcdefghijkl'),
      saslInitial('p=tls-server-end-point,,n=,r=abcdefghijkl', 'SCRAM-SHA-256-PLUS'),
      saslInitial('y,,n=,r=abcdefghijkl'),
      message(Front.password, Buffer.from(`c=biws,r=abcdefghijkl,p=${'A'.repeat(43)}=`)),
    ],
    words: ['n,,', 'y,,', 'p=', ',', 'r=', 'c=biws', 'p=tls-unique,,', 'SCRAM-SHA-256-PLUS\0', int32(-1)],
    run(input) {
      const directory = { principalByName: () => undefined } as unknown as Directory;
      for (const endPoint of [null, Buffer.alloc(32, 1)]) {
        const scram = new ScramServer(directory, Buffer.alloc(32, 2), 'batch', endPoint);
        const answer = answers(() => scram.first(input, 0, input.length), WireError, Refused);
        if (answer !== null) assert.equal(answer.readUInt32BE(1) + 1, answer.length);
        const result = answers(() => scram.last(input, 0, input.length, NOW), WireError, Refused);
        assert.notEqual(result?.ok, true);
      }
    },
  },
  {
    name: 'negotiation',
    covers: ['postgres/negotiation.ts', 'postgres/wire.ts'],
    seeds: [
      startup([
        ['user', 'job'],
        ['_pq_.x', '1'],
      ]),
      message(Back.negotiateProtocolVersion, int32(PROTOCOL_3_0), int32(0)),
      message(Back.backendKeyData, int32(1), Buffer.alloc(32, 3)),
    ],
    words: [
      ...[int32(PROTOCOL_3_2), int32(0x3_0001), int32(0x3_270f), int32(2), int32(-1)],
      ...[cstring('_pq_.'), '_pq_.y\0\0'],
    ],
    run(input) {
      const read = answers(() => readStartup(input), WireError);
      if (read !== null && read.packet.code >>> 16 === 3) {
        const { version, answer } = negotiate(read.packet);
        assert.ok(version >= PROTOCOL_3_0 && version <= PROTOCOL_3_2 && version <= read.packet.code);
        if (answer !== null) assert.equal(answer.readUInt32BE(1) + 1, answer.length);
        if (answer === null) assert.equal(version, read.packet.code);
      }
      for (const asked of [PROTOCOL_3_0, PROTOCOL_3_2]) {
        const offered = answers(() => offeredVersion(input, 0, input.length, asked), WireError);
        assert.ok(offered === null || (offered >= PROTOCOL_3_0 && offered < asked));
        const key = answers(() => cancelKeyOf(input, 0, input.length, asked), WireError);
        assert.ok(key === null || key.length <= (asked === PROTOCOL_3_0 ? 8 : MAX_CANCEL_KEY_BYTES));
      }
    },
  },
  {
    name: 'conditions',
    covers: ['src/core/conditions.ts', 'postgres/conditions.ts'],
    seeds: [
      'mon,tue,fri 08:00-18:00 Europe/Berlin\nsun 22:00-06:00 UTC\n10.1.0.0/16\n2001:db8::/32\n0123456789abcdef',
      'mon 00:00-24:00 America/St_Johns\n::ffff:10.0.0.1/120\n127.0.0.1',
    ],
    words: [
      ...[
        ...DAYS,
        '24:00',
        '00:00',
        '-',
        ',',
        ' ',
        '\n',
        '/',
        '0',
        '129',
        '::',
        '10.0.0.1',
        'UTC',
        'Etc/GMT+1',
      ],
      ...['Asia/Kathmandu', '+01:00', '\u0660', 'fe80::1%eth0'],
    ],
    run(input) {
      const wanted = conditions(input.toString('utf8').split('\n'));
      const checked = answers(() => checkConditions(wanted), PosternError);
      if (checked === null) return;
      assert.deepEqual(checkConditions(checked), checked);
      const compiled = compileConditions(checked);
      for (const at of [NOW, NOW + 12 * 3_600_000, 0]) compiled.open(at);
      for (const source of ['10.1.2.3:55', '::ffff:10.1.2.3:55', '2001:db8::1:55', 'local:1', '']) {
        const address = addressOf(source);
        if (checked.sources === undefined) assert.equal(compiled.reaches(address), true);
        assert.equal(
          compiled.unmet([], address, NOW) === null,
          compiled.reaches(address) && compiled.open(NOW),
        );
      }
      if (checked.sources !== undefined) assert.equal(compiled.reaches(addressOf('local:1')), false);
    },
  },
];
