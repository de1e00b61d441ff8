/** SSH certificates of the exchange with the programs of OpenSSH: ssh-keygen reads them, sshd lets them in and refuses the rest. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureDebianPackages, findCommand, SSH_KEYGEN, SSHD } from '../scripts/need.ts';
import {
  parseSshPublicKey,
  type SshCertificateRequest,
  signSshCertificate,
  sshBlobOf,
} from '../src/vault/ssh-certificate.ts';
import { freePort, run, until } from './support/processes.ts';

/** As whom this test runs: sshd lets nobody else in who is not root. */
const USER = userInfo().username;

describe('SSH certificates', () => {
  const ca = generateKeyPairSync('ed25519').privateKey;
  let home: string;
  let port: number;
  let sshd: ChildProcess;
  let said = '';
  const file = (name: string): string => join(home, name);
  before(async () => {
    ensureDebianPackages([SSH_KEYGEN, SSHD]);
    home = mkdtempSync(join(tmpdir(), 'postern-ssh-'));
    for (const [name, ...type] of [
      ['host', 'ed25519'],
      ['ed25519', 'ed25519'],
      ['ecdsa', 'ecdsa', '-b', '256'],
      ['rsa', 'rsa', '-b', '2048'],
    ] as const)
      await run('ssh-keygen', ['-q', '-N', '', '-C', 'test', '-f', file(name), '-t', ...type]);
    writeFileSync(file('ca.pub'), `ssh-ed25519 ${sshBlobOf(ca).toString('base64')} postern\n`);
    // Since the login here is this test's own user, the principals that it takes are named in a file.
    writeFileSync(file('principals'), 'deploy\n');
    port = await freePort();
    const settings = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${file('host')}`,
      `PidFile ${file('pid')}`,
      `TrustedUserCAKeys ${file('ca.pub')}`,
      `AuthorizedPrincipalsFile ${file('principals')}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'StrictModes no',
      'PermitRootLogin yes',
      'LogLevel VERBOSE',
    ];
    writeFileSync(file('sshd_config'), `${settings.join('\n')}\n`);
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
    sshd = spawn(findCommand('sshd') ?? '', ['-D', '-e', '-f', file('sshd_config')]);
    sshd.stderr?.on('data', (part: Buffer) => {
      said += part.toString();
    });
    await until(() => said.includes('Server listening'), 'sshd listens', 10_000);
  });
  after(() => {
    sshd?.kill();
    rmSync(home, { recursive: true, force: true });
  });

  const certify = (name: string, over: Partial<SshCertificateRequest> = {}, key = ca): void => {
    const now = Date.now();
    const text = signSshCertificate(
      {
        key: parseSshPublicKey(readFileSync(file(`${name}.pub`), 'utf8')),
        keyId: `postern deploy ${name}`,
        principals: ['deploy'],
        serial: 0x0123456789abcdefn,
        validAfter: now - 60_000,
        validBefore: now + 60_000,
        sourceAddresses: [],
        nonce: randomBytes(32),
        ...over,
      },
      key,
    );
    writeFileSync(file(`${name}-cert.pub`), `${text}\n`);
    chmodSync(file(name), 0o600);
  };
  const login = (name: string, ...more: readonly string[]) =>
    run('ssh', [
      ...[
        '-F',
        'none',
        '-p',
        String(port),
        '-i',
        file(name),
        '-o',
        `CertificateFile=${file(`${name}-cert.pub`)}`,
      ],
      ...['-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'BatchMode=yes'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${file('known')}`, ...more],
      ...[`${USER}@127.0.0.1`, 'echo in'],
    ]);

  it('are read by ssh-keygen as they were meant, for each kind of key', async () => {
    for (const name of ['ed25519', 'ecdsa', 'rsa']) {
      certify(name, { sourceAddresses: ['127.0.0.0/8', '2001:db8::/32'] });
      const { stdout, code } = await run('ssh-keygen', ['-L', '-f', file(`${name}-cert.pub`)]);
      assert.equal(code, 0);
      assert.match(stdout, /user certificate/);
      assert.match(stdout, /Signing CA: ED25519 .* \(using ssh-ed25519\)/);
      assert.match(stdout, new RegExp(`Key ID: "postern deploy ${name}"`));
      assert.match(stdout, /Serial: 81985529216486895/);
      assert.match(stdout, /Principals:\s+deploy\n/);
      assert.match(stdout, /Critical Options:\s+source-address 127\.0\.0\.0\/8,2001:db8::\/32\n/);
      assert.match(stdout, /Extensions:\s+permit-pty\n?\s*$/);
    }
  });

  it('open a session at a server that trusts the authority, which logs whose it was', async () => {
    for (const name of ['ed25519', 'ecdsa', 'rsa']) {
      certify(name, { sourceAddresses: ['127.0.0.0/8'] });
      const { stdout, stderr } = await login(name);
      assert.equal(stdout, 'in\n', `${stderr}\n${said}`);
      assert.match(said, new RegExp(`ID postern deploy ${name} \\(serial 81985529216486895\\)`));
    }
  });

  it('open nothing when they are over, of another authority, for another login or from elsewhere', async () => {
    const now = Date.now();
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const cases: readonly [Partial<SshCertificateRequest>, typeof ca][] = [
      [{ validBefore: now - 1000 }, ca],
      [{ validAfter: now + 60_000, validBefore: now + 120_000 }, ca],
      [{ principals: ['other'] }, ca],
      [{ principals: [] }, ca],
      [{ sourceAddresses: ['192.0.2.0/24'] }, ca],
      [{}, stranger],
    ];
    for (const [over, key] of cases) {
      certify('ed25519', over, key);
      const { stdout, code } = await login('ed25519');
      assert.equal(stdout, '', JSON.stringify(Object.keys(over)));
      assert.equal(code, 255);
    }
  });

  it('forward nothing', async () => {
    certify('ed25519');
    const forward = await login('ed25519', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1');
    assert.notEqual(forward.code, 0);
  });
});
