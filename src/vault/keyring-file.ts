import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { DataKeysMessage } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { readPrivate, replacePrivate } from '../store/files.ts';
import { KEY_BYTES, type MasterKey } from './master-key.ts';

const NONCE = 12;
const TAG = 16;
const MAX_FILE = 256 * 1024;
const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength });

/** The data keys, sealed for one master key: a key-encryption key of its own, wrapped by that, seals them. */
const Envelope = Type.Object(
  {
    masterKey: Text(128),
    provider: Text(32),
    /** When it was made, RFC 3339: since then that master key is in use. */
    since: Text(40),
    wrapped: Text(8192),
    sealed: Text(65_536),
  },
  { additionalProperties: false },
);
export type Envelope = Static<typeof Envelope>;

/** `keyring.json`: one envelope; two while one master key takes over from another. */
const File = Type.Object(
  {
    format: Type.Literal('postern keyring 1'),
    envelopes: Type.Array(Envelope, { minItems: 1, maxItems: 2 }),
  },
  { additionalProperties: false },
);

const Content = Type.Object({
  current: Type.Integer({ minimum: 1 }),
  keys: Type.Array(
    Type.Object({ number: Type.Integer({ minimum: 0 }), made: Type.String(), key: Type.String() }),
    { minItems: 1, maxItems: 1000 },
  ),
  sequencerSeal: Type.String(),
});

/** What is in an envelope. */
export interface KeyringContent extends DataKeysMessage {
  /** When each key was made, RFC 3339, by its number. */
  readonly made: ReadonlyMap<number, string>;
}

/** An envelope that is open: with its key-encryption key, so that its content can be changed without the master key. */
export interface OpenEnvelope {
  readonly envelope: Envelope;
  readonly kek: Buffer;
}

const keyringFile = (dataDir: string): string => join(dataDir, 'keyring.json');

/** Null where there is none. @throws PosternError POSTERN_INVALID */
export function readEnvelopes(dataDir: string): readonly Envelope[] | null {
  const path = keyringFile(dataDir);
  if (!existsSync(path)) return null;
  const envelopes = envelopesOf(readPrivate(path, MAX_FILE));
  if (envelopes === null) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${path} is not a keyring.`,
      'Restore it from your backup: without it nothing that is sealed can be opened.',
    );
  }
  return envelopes;
}

/** What a keyring as text holds; null where it is none. */
export function envelopesOf(text: string): readonly Envelope[] | null {
  try {
    const json: unknown = JSON.parse(text);
    return Value.Check(File, json) ? json.envelopes : null;
  } catch {
    // What the parser says may quote it.
    return null;
  }
}

/** Durable on return; what it replaces is overwritten. */
export function writeEnvelopes(dataDir: string, envelopes: readonly Envelope[]): void {
  const file = { format: 'postern keyring 1', envelopes };
  replacePrivate(keyringFile(dataDir), `${JSON.stringify(file, null, 1)}\n`);
}

/** A new envelope with a key-encryption key of its own. @throws PosternError where the master key does not wrap it */
export async function makeEnvelope(
  master: MasterKey,
  content: KeyringContent,
  since: string,
): Promise<OpenEnvelope> {
  const kek = randomBytes(KEY_BYTES);
  const head = {
    masterKey: master.id,
    provider: master.provider,
    since,
    wrapped: (await master.wrap(kek)).toString('base64'),
  };
  return resealed({ envelope: { ...head, sealed: '' }, kek }, content);
}

/** The same envelope with another content. */
export function resealed({ envelope, kek }: OpenEnvelope, content: KeyringContent): OpenEnvelope {
  const nonce = randomBytes(NONCE);
  const plain = Buffer.from(
    JSON.stringify({
      current: content.current,
      keys: content.keys.map(([number, bytes]) => ({
        number,
        made: content.made.get(number) ?? '',
        key: Buffer.from(bytes).toString('base64'),
      })),
      sequencerSeal: Buffer.from(content.sequencerSeal).toString('base64'),
    } satisfies Static<typeof Content>),
  );
  const cipher = createCipheriv('aes-256-gcm', kek, nonce).setAAD(aadOf(envelope));
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  plain.fill(0);
  return { envelope: { ...envelope, sealed: sealed.toString('base64') }, kek };
}

/** @throws PosternError POSTERN_INVALID where it was altered, or the master key is not the one that it names */
export async function openEnvelope(
  envelope: Envelope,
  master: MasterKey,
): Promise<OpenEnvelope & { readonly content: KeyringContent }> {
  const kek = await master.unwrap(Buffer.from(envelope.wrapped, 'base64'));
  let content: unknown;
  try {
    const bytes = Buffer.from(envelope.sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', kek, bytes.subarray(0, NONCE), { authTagLength: TAG });
    decipher.setAAD(aadOf(envelope)).setAuthTag(bytes.subarray(-TAG));
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]);
    content = JSON.parse(plain.toString('utf8'));
    plain.fill(0);
  } catch {
    // Whatever it was, the bytes are not those that were written, or the key is not the one.
  }
  if (!Value.Check(Content, content)) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The keyring cannot be opened with the master key ${master.id}.`,
      'Either it was altered, or what provides the master key gave a wrong one.',
    );
  }
  return {
    envelope,
    kek,
    content: {
      current: content.current,
      keys: content.keys.map(({ number, key }) => [number, Buffer.from(key, 'base64')] as const),
      sequencerSeal: Buffer.from(content.sequencerSeal, 'base64'),
      made: new Map(content.keys.map(({ number, made }) => [number, made])),
    },
  };
}

function aadOf({ masterKey, provider, since }: Pick<Envelope, 'masterKey' | 'provider' | 'since'>): Buffer {
  return Buffer.from(JSON.stringify(['postern keyring 1', masterKey, provider, since]));
}
