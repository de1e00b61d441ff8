import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { readPrivate, writePrivate } from '../store/files.ts';
import { ExecMasterKey } from './exec-master-key.ts';
import { fetchKey, type KeySource } from './key-source.ts';

/** Where the master key is, when it is not in the data directory. */
export type MasterKeySource =
  | KeySource
  /** A program with its arguments that wraps and unwraps; the key stays where it is (docs/vault.md). */
  | { readonly exec: readonly string[] };

/** What opens the keyring: it wraps a key-encryption key of 32 bytes. */
export interface MasterKey {
  /** Tells it from others, and says nothing of it. */
  readonly id: string;
  readonly provider: 'data directory' | 'file' | 'environment' | 'command' | 'exec';
  /** @throws PosternError POSTERN_INVALID */
  wrap(key: Buffer): Promise<Buffer>;
  /** @throws PosternError POSTERN_INVALID where it is not wrapped by this key, or was altered */
  unwrap(wrapped: Buffer): Promise<Buffer>;
}

export const KEY_BYTES = 32;
const NONCE = 12;
const TAG = 16;
const AAD = Buffer.from('postern keyring 1');

/** A master key whose bytes are in memory. */
export class LocalMasterKey implements MasterKey {
  readonly id: string;
  readonly provider: MasterKey['provider'];
  /** The 32 bytes. Data directories from before there was a keyring are sealed under them. */
  readonly bytes: Buffer;
  readonly #key: Buffer;

  constructor(bytes: Buffer, provider: MasterKey['provider']) {
    this.bytes = bytes;
    this.provider = provider;
    this.#key = Buffer.from(hkdfSync('sha256', bytes, '', 'postern keyring v1', KEY_BYTES));
    this.id = createHash('sha256')
      .update('postern master key id')
      .update(this.#key)
      .digest('hex')
      .slice(0, 16);
  }

  async wrap(key: Buffer): Promise<Buffer> {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(AAD);
    return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  }

  async unwrap(wrapped: Buffer): Promise<Buffer> {
    try {
      const nonce = wrapped.subarray(0, NONCE);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG });
      decipher.setAAD(AAD).setAuthTag(wrapped.subarray(-TAG));
      return Buffer.concat([decipher.update(wrapped.subarray(NONCE, -TAG)), decipher.final()]);
    } catch {
      throw new PosternError(
        'POSTERN_INVALID',
        `The keyring was altered: the master key ${this.id} does not open it.`,
      );
    }
  }
}

export const ownKeyFile = (dataDir: string): string => join(dataDir, 'master.key');
export const nextKeyFile = (dataDir: string): string => join(dataDir, 'master.key.next');

/** The master key that a source has. @throws PosternError POSTERN_INVALID, which holds nothing of the key */
export async function openMasterKey(source: MasterKeySource): Promise<MasterKey> {
  if ('exec' in source) return ExecMasterKey.open(source.exec);
  const text = await fetchKey(source, { what: 'master key', safeCommand: true });
  const provider = 'file' in source ? 'file' : 'environment' in source ? 'environment' : 'command';
  const where = 'file' in source ? `The master key file ${source.file}` : `The master key (${provider})`;
  return new LocalMasterKey(parse(text, where), provider);
}

/** The master key in a file of the data directory; null where there is none. @throws PosternError POSTERN_INVALID */
export function readOwnKey(file: string): LocalMasterKey | null {
  if (!existsSync(file)) return null;
  return new LocalMasterKey(parse(readPrivate(file, 64), `The master key file ${file}`), 'data directory');
}

/** Makes a master key in a file of the data directory. */
export function makeOwnKey(file: string): LocalMasterKey {
  const bytes = randomBytes(KEY_BYTES);
  writePrivate(file, `${bytes.toString('base64')}\n`);
  return new LocalMasterKey(bytes, 'data directory');
}

function parse(text: string, where: string): Buffer {
  const trimmed = text.trim();
  const key = trimmed.length <= 64 ? Buffer.from(trimmed, 'base64') : Buffer.alloc(0);
  if (key.length !== KEY_BYTES || key.toString('base64') !== trimmed)
    throw new PosternError('POSTERN_INVALID', `${where} is not 32 bytes in base64.`);
  return key;
}
