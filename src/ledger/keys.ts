import {
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { PosternError } from '../core/errors.ts';

/**
 * Ed25519 keys of signed notes as text: verifier keys, private keys and key ids.
 *
 * @see https://c2sp.org/signed-note#signatures
 * @see https://c2sp.org/signed-note#verifier-keys
 */

/** Signature types: what a key of that type signs, and how its id is made. */
export const KEY_TYPES = { note: 0x01, cosignature: 0x04 } as const;
export type KeyType = keyof typeof KEY_TYPES;

const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const MAX_NAME = 255;

export interface PublicKey {
  readonly name: string;
  /** Four bytes in hex: `SHA-256(name || 0x0A || type || public key)[:4]`. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
  /** Whether the signature, 64 bytes, is of these bytes. */
  verifyBytes(data: Uint8Array, signature: Uint8Array): boolean;
}

export interface PrivateKey extends PublicKey {
  signBytes(data: Uint8Array): Buffer;
  /** The private key as `PRIVATE+KEY+<name>+<key id>+<base64>`: to be written to where secrets are kept, and nowhere else. */
  exportPrivate(): string;
}

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}

/** Strict base64: what does not encode back to the same text is refused. Null where malformed. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

/** Whether there is a control character in it, other than those that the caller took out. */
export function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20) return true;
  }
  return false;
}

export function isKeyName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= MAX_NAME &&
    !/[\s+\u0085]/u.test(name) &&
    !hasControl(name) &&
    name.isWellFormed()
  );
}

function encoded(type: KeyType, bytes: Uint8Array): string {
  return Buffer.concat([Buffer.of(KEY_TYPES[type]), bytes]).toString('base64');
}

function keyIdOf(type: KeyType, name: string, publicKey: Uint8Array): string {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(KEY_TYPES[type]), publicKey]);
  return hash('sha256', input, 'hex').slice(0, 8);
}

function publicKeyOf(type: KeyType, name: string, publicKey: Buffer): PublicKey {
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') },
    format: 'jwk',
  });
  return {
    name,
    keyId: keyIdOf(type, name, publicKey),
    publicKey,
    verifyBytes: (data, signature) =>
      signature.length === SIGNATURE_BYTES && cryptoVerify(null, data, key, signature),
  };
}

function privateKeyOf(type: KeyType, name: string, seed: Buffer): PrivateKey {
  // RFC 8410, section 7: PKCS #8 around the 32-byte seed.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key: KeyObject = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const bytes = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url');
  const publicKey = publicKeyOf(type, name, bytes);
  return {
    ...publicKey,
    signBytes: (data) => cryptoSign(null, data, key),
    exportPrivate: () => `PRIVATE+KEY+${name}+${publicKey.keyId}+${encoded(type, seed)}`,
  };
}

/** A new key. @throws PosternError `POSTERN_INVALID` for a name with white space or a plus sign */
export function generateKey(type: KeyType, name: string): PrivateKey {
  if (!isKeyName(name)) throw invalid('A key name must not be empty nor hold white space or a plus sign.');
  return privateKeyOf(type, name, randomBytes(KEY_BYTES));
}

/** Reads a private key. @throws PosternError `POSTERN_INVALID`, without anything of the text in it */
export function parsePrivateKey(type: KeyType, text: string, where: string): PrivateKey {
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const bytes = match && decodeBase64(match[3] as string);
  if (
    !match ||
    bytes?.length !== 1 + KEY_BYTES ||
    bytes[0] !== KEY_TYPES[type] ||
    !isKeyName(match[1] as string)
  ) {
    throw invalid(`${where} is not an Ed25519 signing key of a ${type}.`);
  }
  const key = privateKeyOf(type, match[1] as string, bytes.subarray(1));
  if (key.keyId !== match[2]) throw invalid(`${where}: the key does not fit its key id.`);
  return key;
}

/** `name+keyid+base64(type || public key)`: what others need in order to verify. */
export function formatPublicKey(type: KeyType, { name, keyId, publicKey }: PublicKey): string {
  return `${name}+${keyId}+${encoded(type, publicKey)}`;
}

/** The reverse of {@link formatPublicKey}. Surrounding white space is ignored. @throws PosternError `POSTERN_INVALID` */
export function parsePublicKey(type: KeyType, text: string): PublicKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (!match || !isKeyName(match[1] as string)) {
    throw invalid('A verifier key has the form name+keyid+base64.');
  }
  const bytes = decodeBase64(match[3] as string);
  if (bytes?.length !== 1 + KEY_BYTES || bytes[0] !== KEY_TYPES[type]) {
    throw invalid(`The verifier key is not an Ed25519 key of a ${type}.`);
  }
  const key = publicKeyOf(type, match[1] as string, bytes.subarray(1));
  if (key.keyId !== match[2]) throw invalid('The verifier key does not fit its key id.');
  return key;
}
