import {
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import * as fs from 'node:fs';
import { PosternError } from '../core/errors.ts';
import { writeDurably } from './files.ts';

/**
 * Signed notes with Ed25519 keys (signature type 0x01).
 *
 * @see https://c2sp.org/signed-note
 */

const ED25519 = 0x01;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Notes come from outside: what is longer is refused before it is looked at. */
export const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 64;
const MAX_NAME = 255;

/** Checks signatures of one key. */
export interface NoteVerifier {
  readonly name: string;
  /** Four bytes in hex: `SHA-256(name || 0x0A || 0x01 || public key)[:4]`. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
  verify(text: string, signature: Uint8Array): boolean;
}

/** Makes signatures of one key. */
export interface NoteSigner extends NoteVerifier {
  sign(text: string): Buffer;
  /** The private key as `PRIVATE+KEY+<name>+<key id>+<base64>`: for {@link saveSigner} only. */
  exportPrivate(): string;
}

/** A note whose trusted signatures all held. */
export interface OpenedNote {
  /** The signed text, its final newline included. */
  readonly text: string;
  readonly verified: readonly { readonly name: string; readonly keyId: string }[];
  /** Signatures of keys that are not among the verifiers. They say nothing. */
  readonly unknown: readonly { readonly name: string; readonly keyId: string }[];
}

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}

/** Strict base64: what does not encode back to the same text is refused. Null where malformed. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20) return true;
  }
  return false;
}

function isKeyName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= MAX_NAME &&
    !/[\s+\u0085]/u.test(name) &&
    !hasControl(name) &&
    name.isWellFormed()
  );
}

function keyIdOf(name: string, publicKey: Uint8Array): string {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), publicKey]);
  return hash('sha256', input, 'hex').slice(0, 8);
}

function verifierOf(name: string, publicKey: Buffer): NoteVerifier {
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') },
    format: 'jwk',
  });
  return {
    name,
    keyId: keyIdOf(name, publicKey),
    publicKey,
    verify: (text, signature) =>
      signature.length === SIGNATURE_BYTES && cryptoVerify(null, Buffer.from(text), key, signature),
  };
}

function signerOf(name: string, seed: Buffer): NoteSigner {
  // RFC 8410, section 7: PKCS #8 around the 32-byte seed.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key: KeyObject = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url');
  const verifier = verifierOf(name, publicKey);
  return {
    ...verifier,
    sign: (text) => cryptoSign(null, Buffer.from(text), key),
    exportPrivate: () =>
      `PRIVATE+KEY+${name}+${verifier.keyId}+${Buffer.concat([Buffer.from([ED25519]), seed]).toString('base64')}`,
  };
}

/** A new key. @throws PosternError `POSTERN_INVALID` for a name with white space or a plus sign */
export function generateSigner(name: string): NoteSigner {
  if (!isKeyName(name)) throw invalid('A key name must not be empty nor hold white space or a plus sign.');
  return signerOf(name, randomBytes(KEY_BYTES));
}

/** Writes the private key, durably, readable by the owner alone. */
export function saveSigner(path: string, signer: NoteSigner): void {
  writeDurably([{ path, data: Buffer.from(`${signer.exportPrivate()}\n`) }]);
}

/** Reads a private key file. @throws PosternError where others may read it, or where it is malformed */
export function loadSigner(path: string): NoteSigner {
  if ((fs.statSync(path).mode & 0o077) !== 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The signing key ${path} can be read by others.`,
      `chmod 600 ${path}, and think about who may have read it.`,
    );
  }
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\n?$/.exec(
    fs.readFileSync(path, 'utf8'),
  );
  const bytes = match && decodeBase64(match[3] as string);
  if (!match || bytes?.length !== 1 + KEY_BYTES || bytes[0] !== ED25519 || !isKeyName(match[1] as string)) {
    throw invalid(`${path} is not an Ed25519 signing key of a note.`);
  }
  const signer = signerOf(match[1] as string, bytes.subarray(1));
  if (signer.keyId !== match[2]) throw invalid(`${path}: the key does not fit its key id.`);
  return signer;
}

/** `name+keyid+base64(0x01 || public key)`: what others need in order to verify. */
export function formatVerifierKey(key: NoteVerifier): string {
  const encoded = Buffer.concat([Buffer.from([ED25519]), key.publicKey]).toString('base64');
  return `${key.name}+${key.keyId}+${encoded}`;
}

/** The reverse of {@link formatVerifierKey}. Surrounding white space is ignored. @throws PosternError `POSTERN_INVALID` */
export function parseVerifierKey(text: string): NoteVerifier {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (!match || !isKeyName(match[1] as string)) {
    throw invalid('A verifier key has the form name+keyid+base64.');
  }
  const bytes = decodeBase64(match[3] as string);
  if (bytes?.length !== 1 + KEY_BYTES || bytes[0] !== ED25519) {
    throw invalid('The verifier key is not an Ed25519 key.');
  }
  const verifier = verifierOf(match[1] as string, bytes.subarray(1));
  if (verifier.keyId !== match[2]) throw invalid('The verifier key does not fit its key id.');
  return verifier;
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && !hasControl(text.replaceAll('\n', '')) && text.isWellFormed();
}

/** Signs a text, which must end in a newline. */
export function signNote(text: string, signer: NoteSigner): string {
  if (!isNoteText(text)) throw invalid('The text of a note ends in a newline and has no control characters.');
  const signature = Buffer.concat([Buffer.from(signer.keyId, 'hex'), signer.sign(text)]);
  return `${text}\n— ${signer.name} ${signature.toString('base64')}\n`;
}

/**
 * Opens a note. A signature of a known key that does not hold refuses the whole note, and so does a note that
 * no known key has signed.
 *
 * @throws PosternError `POSTERN_INVALID`
 */
export function openNote(note: string | Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw invalid('The note is larger than 64 KiB.');
  const whole = typeof note === 'string' ? note : decodeUtf8(note);
  const cut = whole.lastIndexOf('\n\n');
  if (cut < 0 || !isNoteText(whole)) throw invalid('This is not a signed note.');
  const text = whole.slice(0, cut + 1);
  const lines = whole.slice(cut + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw invalid('The note has more signatures than are looked at.');
  const verified: { name: string; keyId: string }[] = [];
  const unknown: { name: string; keyId: string }[] = [];
  for (const line of lines) {
    const match = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match && decodeBase64(match[2] as string);
    if (!match || !bytes || bytes.length < 5 || !isKeyName(match[1] as string)) {
      throw invalid('The note has a malformed signature line.');
    }
    const name = match[1] as string;
    const keyId = bytes.subarray(0, 4).toString('hex');
    const verifier = verifiers.find((known) => known.name === name && known.keyId === keyId);
    if (!verifier) {
      unknown.push({ name, keyId });
    } else if (!verifier.verify(text, bytes.subarray(4))) {
      throw invalid(`The signature of ${name} does not fit the text.`);
    } else if (!verified.some((seen) => seen.name === name && seen.keyId === keyId)) {
      verified.push({ name, keyId });
    }
  }
  if (verified.length === 0) throw invalid('The note is not signed by a known key.');
  return { text, verified, unknown };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid('The note is not valid UTF-8.');
  }
}
