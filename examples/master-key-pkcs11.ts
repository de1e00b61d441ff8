/**
 * Keeps Postern's master key in a security module: an RSA key of a PKCS #11 token wraps and unwraps, and never leaves it. An example of
 * the protocol in docs/vault.md, for use as it is or as a beginning. It needs `pkcs11-tool` (Debian: opensc).
 *
 *   "masterKey": { "exec": ["/usr/bin/node", "/etc/postern/master-key-pkcs11.ts",
 *                           "/usr/lib/softhsm/libsofthsm2.so", "TOKEN", "01", "/etc/postern/pin"] }
 *
 * where 01 is the CKA_ID of the key pair.
 *
 * The PIN is in a file that only its owner can read; it is handed on in the environment of pkcs11-tool alone.
 */
import { execFileSync } from 'node:child_process';
import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Request {
  readonly protocol: string;
  readonly operation: 'key-id' | 'wrap' | 'unwrap';
  readonly key?: string;
  readonly wrapped?: string;
}

const [module = '', token = '', id = '', pinFile = ''] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'postern-pkcs11-'));
const file = (name: string): string => join(work, name);

function pkcs11(args: readonly string[], pin: boolean): void {
  const login = pin ? ['--login', '--pin', 'env:POSTERN_PIN'] : [];
  execFileSync('pkcs11-tool', ['--module', module, '--token-label', token, ...login, ...args], {
    env: { ...process.env, ...(pin && { POSTERN_PIN: readPin() }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

function readPin(): string {
  if ((statSync(pinFile).mode & 0o077) !== 0) throw new Error(`${pinFile} can be read by others`);
  return readFileSync(pinFile, 'utf8').trim();
}

function publicKey(): Buffer {
  pkcs11(['--read-object', '--type', 'pubkey', '--id', id, '--output-file', file('public')], false);
  return readFileSync(file('public'));
}

function answer({ protocol, operation, key = '', wrapped = '' }: Request): object {
  if (protocol !== 'postern-master-key-1') throw new Error('another protocol');
  if (operation === 'key-id') {
    const digest = createHash('sha256').update(publicKey()).digest('hex');
    return { keyId: `pkcs11:${digest.slice(0, 32)}` };
  }
  if (operation === 'wrap') {
    const to = createPublicKey({ key: publicKey(), format: 'der', type: 'spki' });
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };
    return { wrapped: publicEncrypt({ key: to, ...padding }, Buffer.from(key, 'base64')).toString('base64') };
  }
  writeFileSync(file('wrapped'), Buffer.from(wrapped, 'base64'));
  const mechanism = ['--mechanism', 'RSA-PKCS-OAEP', '--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1'];
  const files = ['--input-file', file('wrapped'), '--output-file', file('key')];
  pkcs11(['--decrypt', '--id', id, ...mechanism, ...files], true);
  return { key: readFileSync(file('key')).toString('base64') };
}

try {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(readFileSync(0, 'utf8')) as Request))}\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
