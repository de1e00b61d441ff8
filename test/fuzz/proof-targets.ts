/** Readers of proofs that do not come from an OpenID issuer: certificates, SVIDs, SSH signatures, DPoP. */
import assert from 'node:assert/strict';
import { type CertificateFacts, readCertificate } from '../../src/core/certificate.ts';
import { parseCertificate, type ReadCertificate, validatePath } from '../../src/core/certificate-path.ts';
import { DerError, DerReader } from '../../src/core/der.ts';
import { verifyDpop } from '../../src/core/dpop.ts';
import { PosternError } from '../../src/core/errors.ts';
import { parseSpiffeId, readBundle, svidId } from '../../src/core/spiffe.ts';
import { readSshKeys } from '../../src/identity/ssh-prover.ts';
import { SshError, verifySshSignature } from '../../src/identity/ssh-signature.ts';
import { answers, type FuzzTarget } from './target.ts';

const NOW = 1_800_000_000_000;
const der = (base64: string): Buffer => Buffer.from(base64, 'base64');

/** Made once, with keys that nobody has, valid until 2046: the root, one below it, and the SVID of a job below that. */
const ROOT = der(
  'MIIBXzCCAQSgAwIBAgIRAN6IM2IsxdDQgA8rIvytzMowCgYIKoZIzj0EAwIwHjENMAsGA1UEAxMEUm9vdDENMAsGA1UEChMEQmFuazAeFw0yNTExMjIwMzM0MzJaFw00NjExMTcwMzM0MzJaMB4xDTALBgNVBAMTBFJvb3QxDTALBgNVBAoTBEJhbmswWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARhVcwU0x0NMsbfx8abCqkzVZVi1gb26+5L1dY3gsNqL28GDxeGirMEpBeyhdBBI81C5KbLXgPn38AGUQfy2cO9oyMwITAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNJADBGAiEA4LTLt4GQxkxsxROQ7oYZEbxoxN290ejUOAjO1Rlg/XECIQD7vg0ve1ox7vrFAZ+f2JSmjPIITcsWoLZ0rlZ0R2SfCg==',
);
const MIDDLE = der(
  'MIIBYzCCAQigAwIBAgIQPk5d3lYNf6EdEs8BnHupsjAKBggqhkjOPQQDAjAeMQ0wCwYDVQQDEwRSb290MQ0wCwYDVQQKEwRCYW5rMB4XDTI1MTEyMjAzMzQzMloXDTQ2MTExNzAzMzQzMlowIDEPMA0GA1UEAxMGTWlkZGxlMQ0wCwYDVQQKEwRCYW5rMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECVD7CiNk5NZv11iTyjwwUSyIUVk0u8wSCBMOVRHTTTfsrIFyOOYyaSsnYyBs3Fcg/WC+0ctUKf8FqZ+XMWmfuaMmMCQwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSQAwRgIhAN/IcyX7RuFSJcVuG2MsqaRBTvaCD/cF39sIyu+BOzhoAiEA7txNH/wocbpM/FJQQsAci38qg01TGQOYM/Qpy1RxKVc=',
);
const LEAF = der(
  'MIIBrDCCAVKgAwIBAgIRAOKezUQbi/1DoPT4XsnSK84wCgYIKoZIzj0EAwIwIDEPMA0GA1UEAxMGTWlkZGxlMQ0wCwYDVQQKEwRCYW5rMB4XDTI1MTEyMjAzMzQzMloXDTQ2MTExNzAzMzQzMlowMjEVMBMGA1UEAxMMam9iLCBuaWdodGx5MQowCAYDVQQLEwFCMQ0wCwYDVQQKEwRCYW5rMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqH3kOjVx2NG1CXbWQjJHICIilTqEDIqpTD4VzsG3NeNRWKWm7mKtghhU8ogI35N8D22ZQ5H1+ZFdYKiTMl5Q+qNbMFkwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwIwJAYDVR0RBB0wG4YZc3BpZmZlOi8vYmFuay5leGFtcGxlL2pvYjAKBggqhkjOPQQDAgNIADBFAiBNwzPjctBatLQtgalQCdPgyxEBlMklNOKc4OhexrYPlAIhAK2yBj4viaYDIz+J35Zjm4jJ7t6fPfbMQgwd87GTOI/2',
);
const genuine = [ROOT, MIDDLE, LEAF];
const root = parseCertificate(ROOT);
const middle = parseCertificate(MIDDLE);
const leaf = parseCertificate(LEAF);
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const DER_WORDS = [
  ...['30', '31', '02', '03', '04', '06', '0101ff', '80', '81', '8180', '83ffffff', 'a0', 'a3', '86', '82'],
  ...['0603551d0f', '0603551d11', '0603551d13', '0603551d1e', '0603551d25', '0603550403', '0c', '1e', '13'],
].map(hex);

/** Signed over `message`, in the namespace of Postern: with a certified key, and with one of P-256. */
const CERTIFIED = der(
  'U1NIU0lHAAAAAQAAAdYAAAAgc3NoLWVkMjU1MTktY2VydC12MDFAb3BlbnNzaC5jb20AAAAgsQEzBcNzZQCXK1L8+zoI4SS2rWSokg9SVGMTybzazxoAAAAgRzUD51WpdA/zDobAbRIh64azS/05jp8gyJR+QHb+BLQAAAAAAAAAAAAAAAEAAAAHbmlnaHRseQAAAAkAAAAFYmF0Y2gAAAAAZ3SFgAAAAAD0hQWAAAAAGgAAAA1mb3JjZS1jb21tYW5kAAAABQAAAAF4AAAAggAAABVwZXJtaXQtWDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJkaW5nAAAAAAAAABZwZXJtaXQtcG9ydC1mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAAAA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACC0uLm5OffEIzLyavHD3aq8VX2JRMHaE7YapPU3eruS3QAAAFMAAAALc3NoLWVkMjU1MTkAAABAghjZN0RMbKnciONvvnst93weYpXZ5vMV3p1uJERxBpPNRgWvKCAH45vAvR0t417zSElu/Vkl3d9eE6oyBc+xAwAAABBwb3N0ZXJuLXRva2VuQHYxAAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5AAAAQGxicQZ7baAq73tmcGoJ0cDlI4HbkWBXUDzJWCaXkPEQ8JBs1uP4gXwIBQjhQU5tfo/KNs6MUOP1PqXB5FLF0wQ=',
);
const PLAIN = der(
  'U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAEEELgMByTi76Ruclecud1ytfU5FdSK13/KYWoWHHPf301oDWGEwgztBL1NS9VJCogFT3+/jISQcaIHHh6PROTwKsAAAABBwb3N0ZXJuLXRva2VuQHYxAAAAAAAAAAZzaGE1MTIAAABjAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAABIAAAAIC7bZnniTd2gimC6mDeNh/qCm8kXvwPr6Q/dCFHssRF4AAAAIFuQf1P/GLNGw/hdxGToAvI0n7gkGOi/c6suNm3JLSgV',
);
const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILS4ubk598QjMvJq8cPdqrxVfYlEwdoTthqk9Td6u5Ld ca';
const sshString = (text: string): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(text.length);
  return Buffer.concat([size, Buffer.from(text)]);
};

/** The proof of RFC 9449, section 4.2. */
const DPOP_SIGNED =
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ';
const DPOP = `${DPOP_SIGNED}.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`;
const DPOP_REQUEST = { method: 'POST', url: 'https://server.example.com/token', nowMs: 1_562_262_616_000 };
const part = (value: string): string => Buffer.from(value).toString('base64url');

/** What is promised of a certificate whatever it says of itself. */
function checkFacts(facts: CertificateFacts): void {
  for (const name of [...facts.uris, ...facts.dnsNames, ...facts.emails])
    assert.match(name, /^[\x20-\x7e]*$/);
  // A line of a record, and of a table.
  for (const name of [facts.subject, facts.issuer])
    assert.doesNotMatch(name ?? '', /[^ -~\u0080-\u{10ffff}]/u);
  assert.ok(facts.pathLength === null || facts.pathLength >= 0);
}

/** The same certificate with another signature would be another certificate that says the same. */
const signedPartOf = (bytes: Buffer): Buffer =>
  new DerReader(new DerReader(bytes).next().content).next().whole;
const SIGNED_PARTS = genuine.map(signedPartOf);
const isGenuine = ({ x509 }: ReadCertificate): boolean =>
  SIGNED_PARTS.some((each) => each.equals(signedPartOf(x509.raw)));

export const PROOF_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'certificate',
    covers: [
      'src/core/der.ts',
      'src/core/certificate',
      'src/core/distinguished-name.ts',
      'src/core/spiffe.ts',
    ],
    seeds: genuine,
    words: [...DER_WORDS, 'spiffe://bank.example/job', 'CN=', ','],
    run(input) {
      const facts = answers(() => readCertificate(input), DerError);
      if (facts !== null) checkFacts(facts);
      const read = answers(() => parseCertificate(input), DerError);
      if (read === null) return;
      const svid = svidId(read);
      if (svid.ok) assert.equal(parseSpiffeId(svid.id)?.trustDomain, svid.trustDomain);
      // As a leaf, and as what is shown beside one: only what the root signed leads to it.
      if (validatePath(read, [middle], [root], NOW).reached.size > 0)
        assert.ok(isGenuine(read), 'a forged leaf');
      const beside = validatePath(leaf, [read], [root], NOW).reached.size > 0;
      if (beside) assert.ok(isGenuine(read), 'a forged certificate of an authority');
      // Whoever is trusted by mistake is still no more than it says.
      if (validatePath(middle, [], [read], NOW).reached.size > 0)
        assert.fail('an authority was taken for a client');
    },
  },
  {
    name: 'spiffe-bundle',
    covers: ['src/core/spiffe.ts'],
    seeds: [
      JSON.stringify({
        keys: [
          { kty: 'EC', use: 'x509-svid', x5c: [ROOT.toString('base64')] },
          { kty: 'EC', use: 'jwt-svid', kid: 'one', crv: 'P-256', x: 'x', y: 'y' },
        ],
        spiffe_refresh_hint: 300,
      }),
      'spiffe://bank.example/ns/a/sa/b',
    ],
    words: [
      '"use":',
      '"x509-svid"',
      '"jwt-svid"',
      '"x5c":[',
      '"kid":',
      'null',
      '1e999',
      '..',
      '/',
      '%2e',
      'spiffe://',
    ],
    run(input) {
      const text = input.toString('utf8');
      const id = parseSpiffeId(text);
      if (id !== null) {
        assert.equal(`spiffe://${id.trustDomain}${id.path}`, text);
        assert.doesNotMatch(id.path, /%|\/\/|\/\.{1,2}(\/|$)|\/$/);
      }
      const bundle = readBundle(answers(() => JSON.parse(text) as unknown, SyntaxError));
      if (bundle === null) return;
      assert.ok(bundle.x509.length + bundle.jwks.length > 0);
      assert.ok(bundle.refreshHint === null || bundle.refreshHint > 0);
      for (const key of bundle.jwks) assert.ok(typeof key.kid === 'string' && key.kid !== '');
    },
  },
  {
    name: 'ssh-signature',
    covers: ['src/identity/ssh-signature.ts', 'src/vault/ssh-certificate.ts', 'src/identity/ssh-prover.ts'],
    seeds: [CERTIFIED, PLAIN, SSH_KEY],
    words: [
      ...['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256', 'ssh-ed25519-cert-v01@openssh.com', 'sha256'].map(
        sshString,
      ),
      ...['rsa-sha2-512', 'nistp256', 'postern-token@v1', 'file', '', 'force-command'].map(sshString),
      ...['ffffffff', '00000000', '00000001', '7fffffff'].map(hex),
    ],
    run(input) {
      const message = Buffer.from('message');
      const read = answers(() => verifySshSignature(input, 'postern-token@v1', message), SshError);
      if (read !== null) {
        const whose = [CERTIFIED, PLAIN].find((each) => each.includes(read.key.subarray(-32)));
        assert.ok(whose !== undefined, 'a signature of a key that never signed');
        if (read.certificate !== null) {
          assert.deepEqual(read.certificate.principals, ['batch'], 'a certificate that was never issued');
          assert.equal(read.certificate.criticalOptions.get('force-command'), 'x');
        }
      }
      assert.equal(
        answers(() => verifySshSignature(input, 'file', message), SshError),
        null,
      );
      assert.equal(
        answers(() => verifySshSignature(input, 'postern-token@v1', Buffer.from('another')), SshError),
        null,
      );
      const keys = answers(() => readSshKeys(input.toString('latin1')), PosternError);
      assert.ok(keys === null || (keys.length >= 1 && keys.length <= 16));
    },
  },
  {
    name: 'dpop',
    covers: ['src/core/dpop.ts', 'src/core/jws.ts', 'src/core/sign-jws.ts'],
    seeds: [DPOP],
    words: [
      ...[
        '.',
        part('{"typ":"dpop+jwt","alg":"ES256"'),
        part('{"alg":"none"}'),
        part('"jwk":{"kty":"oct","k":"AA"}'),
      ],
      ...[part('"htm":"POST"'), part('"d":"AA"'), part('"crv":"P-256"')],
    ],
    run(input) {
      const proof = input.toString('latin1');
      const result = verifyDpop(proof, DPOP_REQUEST);
      if (result.ok) {
        assert.ok(proof.startsWith(`${DPOP_SIGNED}.`), 'what nobody signed was taken');
        assert.equal(result.jkt, '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I');
      } else {
        assert.ok(result.why.length < 200);
      }
      for (const other of [
        { method: 'GET' },
        { url: 'https://server.example.com/' },
        { accessToken: 'x' },
        { nowMs: 0 },
      ])
        assert.equal(verifyDpop(proof, { ...DPOP_REQUEST, ...other }).ok, false);
      assert.equal(verifyDpop(`${part(proof)}.${part(proof)}.${part('x')}`, DPOP_REQUEST).ok, false);
    },
  },
];
