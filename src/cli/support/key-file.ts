/** The key pair of a client that joined: one file, for its owner alone, with the number of its last use. */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, usageError } from './failure.ts';
import { writePrivateFile } from './secret-file.ts';

const LIFE_SECONDS = 120;
/** Another process holds the file for the moment of a signature; one that died leaves its lock behind. */
const LOCK_STALE_MS = 30_000;
const LOCK_TRIES = 100;

export interface KeyFile {
  readonly principal: string;
  /** What assertions are for. */
  readonly audience: string;
  readonly binding: string;
  /** Of the last assertion that was made. */
  readonly sequence: number;
  readonly key: PrivateJwk;
}

interface PrivateJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly d: string;
}

export type PublicJwk = Omit<PrivateJwk, 'd'>;

export function newKey(): PrivateJwk {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

export const publicOf = ({ kty, crv, x }: PrivateJwk): PublicJwk => ({ kty, crv, x });

/** RFC 7638. */
export const thumbprintOf = ({ crv, kty, x }: PublicJwk): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');

/** @throws CliError when it cannot be read, or others can read it */
export function readKeyFile(path: string): KeyFile {
  try {
    if ((statSync(path).mode & 0o077) !== 0)
      throw usageError(`${path} can be read by others`, `chmod 600 ${path}`);
    return JSON.parse(readFileSync(path, 'utf8')) as KeyFile;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usageError(
      `cannot read the key in ${path}: ${(error as Error).message}`,
      'postern join makes one.',
    );
  }
}

export const writeKeyFile = (path: string, file: KeyFile): void =>
  writePrivateFile(path, `${JSON.stringify(file)}\n`);

/** Keeps other processes from the file meanwhile: two assertions with one number would lock the key. */
export async function withKeyFile<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  for (let tries = 0; ; tries++) {
    try {
      closeSync(openSync(lock, 'wx', 0o600));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const since = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (since > LOCK_STALE_MS) rmSync(lock, { force: true });
      else if (tries >= LOCK_TRIES) throw new CliError('CLI_BUSY', `${path} is in use by another process`);
      await sleep(50);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * A fresh assertion. The number of its use is on the disk before the assertion is handed out: one that is lost costs a number, one
 * that came twice would look like a second holder.
 */
export function nextAssertion(path: string): Promise<string> {
  return withKeyFile(path, () => {
    const file = readKeyFile(path);
    const next = { ...file, sequence: file.sequence + 1 };
    writeKeyFile(path, next);
    const { principal, sequence } = next;
    return signedWith(file.key, file.audience, { iss: principal, sub: principal, seq: sequence });
  });
}

/** Any token, signed with the key. */
export function signedWith(jwk: PrivateJwk, audience: string, claims: object, typ = 'JWT'): string {
  const key: KeyObject = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = { alg: 'EdDSA', kid: thumbprintOf(jwk), typ };
  const all = { aud: audience, iat: now, exp: now + LIFE_SECONDS, jti: randomUUID(), ...claims };
  const text = `${part(header)}.${part(all)}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}
