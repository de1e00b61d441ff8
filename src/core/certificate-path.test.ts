import 'reflect-metadata';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { readCertificate } from './certificate.ts';
import { parseCertificate, publicKeySha256, validatePath } from './certificate-path.ts';
import { type Made, makeAuthority, makeCertificate } from './certificates.fixture.ts';
import { DerError } from './der.ts';

const NOW = Date.now();

describe('the path of a certificate', () => {
  let root: Made;
  let leaf: Made;
  before(async () => {
    root = await makeAuthority();
    leaf = await makeCertificate({ by: root });
  });

  const result = (of: Made, anchors: readonly Made[], shown: readonly Made[] = [], now = NOW): string => {
    const reads = (all: readonly Made[]) => all.map((each) => each.read());
    const found = validatePath(of.read(), reads(shown), reads(anchors), now);
    return found.reached.size > 0 ? 'ok' : found.why;
  };

  it('leads to an authority that is trusted, by itself or over others that were shown in any order', async () => {
    assert.equal(result(leaf, [root]), 'ok');
    const one = await makeAuthority({ by: root, name: 'CN=One' });
    const two = await makeAuthority({ by: one, name: 'CN=Two' });
    const deep = await makeCertificate({ by: two });
    assert.equal(result(deep, [root], [one, two]), 'ok');
    assert.equal(result(deep, [root], [two, leaf, one]), 'ok');
    assert.equal(result(deep, [one], [two]), 'ok', 'an authority in between may be the one that is trusted');
    assert.match(result(deep, [root], [two]), /not issued by an authority that is trusted/);
    const junk = await Promise.all([1, 2, 3, 4].map((n) => makeAuthority({ name: `CN=Junk ${n}` })));
    assert.match(result(deep, [root], [...junk, two, one]), /not issued/, 'no more than four are looked at');
  });

  it('does not lead to one of the same name, nor to itself', async () => {
    const impostor = await makeAuthority();
    assert.match(result(await makeCertificate({ by: impostor }), [root]), /not issued/);
    assert.match(result(await makeCertificate({}), [root]), /not issued/);
    assert.match(result(leaf, []), /not issued/);
  });

  it('holds only where every issuer may issue, within its length, and without constraints', async () => {
    const plain = await makeCertificate({
      by: root,
      name: 'CN=Middle',
      usage: x509.KeyUsageFlags.keyCertSign,
    });
    assert.match(result(await makeCertificate({ by: plain }), [root], [plain]), /may not issue certificates/);
    const mute = await makeAuthority({ by: root, name: 'CN=Mute', usage: x509.KeyUsageFlags.cRLSign });
    assert.match(result(await makeCertificate({ by: mute }), [root], [mute]), /not issued by/);
    const short = await makeAuthority({ pathLength: 0, name: 'CN=Short' });
    const below = await makeAuthority({ by: short, name: 'CN=Below' });
    assert.equal(result(await makeCertificate({ by: short }), [short]), 'ok');
    assert.match(
      result(await makeCertificate({ by: below }), [short], [below]),
      /longer than an issuer allows/,
    );
    const constraints = new x509.Extension(
      '2.5.29.30',
      false,
      Buffer.from('3009a0073005820361626300'.slice(0, 22), 'hex'),
    );
    const bound = await makeAuthority({ by: root, name: 'CN=Bound', extensions: [constraints] });
    assert.match(result(await makeCertificate({ by: bound }), [root], [bound]), /name constraints/);
    const servers = await makeAuthority({
      by: root,
      name: 'CN=Servers',
      extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth])],
    });
    assert.match(result(await makeCertificate({ by: servers }), [root], [servers]), /not for clients/);
  });

  it('holds only within the times of the certificate and of every issuer', async () => {
    assert.match(result(leaf, [root], [], NOW - 7_200_000), /not valid yet/);
    assert.match(result(leaf, [root], [], NOW + 7_200_000), /expired at/);
    const over = await makeAuthority({ name: 'CN=Over', from: -7_200_000, until: -1000 });
    assert.match(result(await makeCertificate({ by: over }), [over]), /of one of its issuers: it expired/);
  });

  it('is not that of an authority, of a weak signature, or of what is critical and not understood', async () => {
    assert.match(
      result(await makeAuthority({ by: root, name: 'CN=Other' }), [root]),
      /is one of an authority/,
    );
    const signer = await makeCertificate({ by: root, usage: x509.KeyUsageFlags.keyAgreement });
    assert.match(result(signer, [root]), /not for signing/);
    const both = x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign;
    assert.match(result(await makeCertificate({ by: root, usage: both }), [root]), /may sign certificates/);
    assert.match(result(await makeCertificate({ by: root, hash: 'SHA-1' }), [root]), /signed in a way/);
    const odd = new x509.Extension('1.2.3.4', true, Buffer.from('0500', 'hex'));
    assert.match(result(await makeCertificate({ by: root, extensions: [odd] }), [root]), /not understood/);
    const passed = new x509.Extension('1.2.3.4', false, Buffer.from('0500', 'hex'));
    assert.equal(result(await makeCertificate({ by: root, extensions: [passed] }), [root]), 'ok');
  });
});

describe('what a certificate says', () => {
  it('is what OpenSSL says of one that OpenSSL made', (context) => {
    const dir = mkdtempSync(join(tmpdir(), 'postern-openssl-'));
    context.after(() => rmSync(dir, { recursive: true, force: true }));
    const at = (name: string): string => join(dir, name);
    const openssl = (...args: string[]): string =>
      execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    writeFileSync(
      at('ext'),
      'basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n' +
        'subjectAltName=URI:spiffe://bank.example/a,DNS:a.example,email:a@b.example,IP:192.0.2.1\n',
    );
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.crt'),
      '-subj',
      '/CN=CA',
      '-days',
      '1',
    );
    openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      at('k'),
      '-out',
      at('csr'),
      '-utf8',
      '-subj',
      '/C=DE/O=Bänk, "Test"+OU=A\\/B/CN= #job=1 ',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      at('csr'),
      '-CA',
      at('ca.crt'),
      '-CAkey',
      at('ca.key'),
      '-days',
      '1',
      '-extfile',
      at('ext'),
      '-out',
      at('c'),
      '-outform',
      'DER',
    );
    const made = parseCertificate(readFileSync(at('c')));
    const says = openssl(
      'x509',
      '-inform',
      'DER',
      '-in',
      at('c'),
      '-noout',
      '-subject',
      '-nameopt',
      'RFC2253,-esc_msb,utf8',
    );
    assert.equal(`subject=${made.facts.subject}`, says.trim());
    assert.deepEqual(made.facts.uris, ['spiffe://bank.example/a']);
    assert.deepEqual(made.facts.dnsNames, ['a.example']);
    assert.deepEqual(made.facts.emails, ['a@b.example']);
    writeFileSync(at('pub'), openssl('x509', '-inform', 'DER', '-in', at('c'), '-noout', '-pubkey'));
    openssl('pkey', '-pubin', '-in', at('pub'), '-outform', 'DER', '-out', at('spki'));
    assert.equal(publicKeySha256(made), openssl('dgst', '-sha256', '-r', at('spki')).slice(0, 64));
    const ca = parseCertificate(
      Buffer.from(readFileSync(at('ca.crt'), 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64'),
    );
    assert.deepEqual([...validatePath(made, [], [ca], Date.now()).reached], [ca]);
  });

  it('is read, or refused, from any bytes', async () => {
    const { der } = await makeCertificate({ names: [{ type: 'url', value: 'spiffe://bank.example/a' }] });
    const tried = (bytes: Buffer): void => {
      try {
        readCertificate(bytes);
      } catch (error) {
        assert.ok(error instanceof DerError, String(error));
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => tried(Buffer.from(bytes))));
    const edit = fc.tuple(fc.nat(der.length - 1), fc.nat(255), fc.nat(3), fc.uint8Array({ maxLength: 4 }));
    fc.assert(
      fc.property(edit, ([at, byte, cut, put]) => {
        const changed = Buffer.concat([
          der.subarray(0, at),
          Buffer.from([byte, ...put]),
          der.subarray(at + 1 + cut),
        ]);
        tried(changed);
      }),
      { numRuns: 3000 },
    );
    for (let at = 0; at < der.length; at++)
      assert.throws(() => readCertificate(der.subarray(0, at)), DerError);
    assert.throws(() => readCertificate(Buffer.concat([der, Buffer.alloc(1)])), DerError);
    assert.throws(() => readCertificate(Buffer.alloc(20_000, 0x30)), DerError);
  });
});
