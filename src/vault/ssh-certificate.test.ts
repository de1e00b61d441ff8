import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PosternError } from '../core/errors.ts';
import { parseSshPublicKey, signSshCertificate, sshBlobOf, sshFingerprint } from './ssh-certificate.ts';

const ca = generateKeyPairSync('ed25519');
const client = generateKeyPairSync('ed25519');
const blob = sshBlobOf(client.privateKey);
const line = `ssh-ed25519 ${blob.toString('base64')} me@host`;
const refused = (text: string, why: RegExp): void =>
  assert.throws(
    () => parseSshPublicKey(text),
    (error: unknown) =>
      error instanceof PosternError && error.code === 'POSTERN_INVALID' && why.test(error.message),
    text.slice(0, 60),
  );

/** As SSH sends them. */
const strings = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(
    parts.map((part) => {
      const bytes = Buffer.from(part);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(bytes.length);
      return Buffer.concat([head, bytes]);
    }),
  );
const lineOf = (type: string, ...fields: readonly (string | Buffer)[]): string =>
  `${type} ${strings(type, ...fields).toString('base64')}`;

describe('an SSH public key', () => {
  it('is read from its line, whatever its comment', () => {
    assert.deepEqual(parseSshPublicKey(line).blob, blob);
    assert.deepEqual(parseSshPublicKey(`${line} and more\n`).blob, blob);
    assert.match(sshFingerprint(blob), /^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  it('is refused when it is weak, of another kind, or not one key', () => {
    refused('', /not one line/);
    refused(`${line}\n${line}`, /not one line/);
    refused(`command="x" ${line}`, /not one line/);
    refused('-----BEGIN OPENSSH PRIVATE KEY-----', /private/);
    refused(`ssh-dss ${blob.toString('base64')}`, /kind that is not taken/);
    refused(`ssh-rsa ${blob.toString('base64')}`, /cannot be read/);
    refused(lineOf('ssh-ed25519', randomBytes(31)), /cannot be read/);
    refused(lineOf('ssh-ed25519', randomBytes(32), 'more'), /cannot be read/);
    refused(`${line.slice(0, 40)}!`, /not one line|base64/);
    refused(
      lineOf('ecdsa-sha2-nistp256', 'nistp384', Buffer.concat([Buffer.of(4), randomBytes(64)])),
      /cannot be read/,
    );
    refused(
      lineOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)])),
      /cannot be read/,
    );
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const bytes = (text = ''): Buffer => Buffer.concat([Buffer.of(0), Buffer.from(text, 'base64url')]);
    refused(lineOf('ssh-rsa', Buffer.from(weak.e ?? '', 'base64url'), bytes(weak.n)), /weak/);
    refused(`ssh-ed25519 ${'A'.repeat(5000)}`, /longer/);
  });

  it('is refused with a reason, and never breaks, whatever its bytes', () => {
    const types = fc.constantFrom(
      'ssh-ed25519',
      'ecdsa-sha2-nistp256',
      'ecdsa-sha2-nistp384',
      'ssh-rsa',
      'x',
    );
    const bytes = fc.uint8Array({ maxLength: 200 });
    const text = fc.oneof(
      fc.string(),
      fc.tuple(types, bytes).map(([type, b]) => `${type} ${Buffer.from(b).toString('base64')}`),
      fc.tuple(types, bytes, bytes).map(([type, a, b]) => lineOf(type, Buffer.from(a), Buffer.from(b))),
      fc.tuple(fc.nat(blob.length - 1), fc.nat(255)).map(([at, byte]) => {
        const changed = Buffer.from(blob);
        changed[at] = byte;
        return `ssh-ed25519 ${changed.toString('base64')}`;
      }),
    );
    fc.assert(
      fc.property(text, (each) => {
        try {
          parseSshPublicKey(each);
        } catch (error) {
          assert.ok(error instanceof PosternError && error.code === 'POSTERN_INVALID', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an SSH certificate', () => {
  it('is signed by the authority over every byte before the signature, and forwards nothing', () => {
    const text = signSshCertificate(
      {
        key: parseSshPublicKey(line),
        keyId: 'postern deploy 1',
        principals: ['deploy'],
        serial: 7n,
        validAfter: 1_800_000_000_000,
        validBefore: 1_800_000_900_000,
        sourceAddresses: ['192.0.2.0/24'],
        nonce: randomBytes(32),
      },
      ca.privateKey,
    );
    const [type, body = ''] = text.split(' ');
    assert.equal(type, 'ssh-ed25519-cert-v01@openssh.com');
    const bytes = Buffer.from(body, 'base64');
    const signature = bytes.subarray(-64);
    const signed = bytes.subarray(0, -(64 + 4 + 11 + 4 + 4));
    assert.ok(verify(null, signed, createPublicKey(ca.privateKey), signature));
    assert.ok(bytes.includes('permit-pty') && bytes.includes('source-address'));
    assert.ok(!bytes.includes('forwarding') && !bytes.includes('permit-user-rc'));
  });
});
