import * as fs from 'node:fs';
import { PosternError } from '../core/errors.ts';
import { writeDurably } from './files.ts';
import {
  decodeBase64,
  formatPublicKey,
  generateKey,
  hasControl,
  isKeyName,
  type PrivateKey,
  type PublicKey,
  parsePrivateKey,
  parsePublicKey,
} from './keys.ts';

export { decodeBase64 } from './keys.ts';

/**
 * Signed notes with Ed25519 keys (signature type 0x01).
 *
 * @see https://c2sp.org/signed-note
 */

/** Notes come from outside: what is longer is refused before it is looked at. */
export const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 64;

/** Checks signatures of one key. */
export interface NoteVerifier extends PublicKey {
  verify(text: string, signature: Uint8Array): boolean;
}

/** Makes signatures of one key. */
export interface NoteSigner extends NoteVerifier, PrivateKey {
  sign(text: string): Buffer;
}

/** A note whose trusted signatures all held. */
export interface OpenedNote {
  /** The signed text, its final newline included. */
  readonly text: string;
  readonly verified: readonly { readonly name: string; readonly keyId: string }[];
  /** Signatures of keys that are not among the verifiers. They say nothing. */
  readonly unknown: readonly { readonly name: string; readonly keyId: string }[];
}

/** A note in its parts. Nothing about it has been verified. */
export interface NoteParts {
  /** The signed text, its final newline included. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  /** What follows the key id. */
  readonly signature: Buffer;
  /** The whole line, without its newline. */
  readonly line: string;
}

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}

function verifierOf(key: PublicKey): NoteVerifier {
  return { ...key, verify: (text, signature) => key.verifyBytes(Buffer.from(text), signature) };
}

function signerOf(key: PrivateKey): NoteSigner {
  return { ...key, ...verifierOf(key), sign: (text) => key.signBytes(Buffer.from(text)) };
}

/** A new key. @throws PosternError `POSTERN_INVALID` for a name with white space or a plus sign */
export function generateSigner(name: string): NoteSigner {
  return signerOf(generateKey('note', name));
}

/** Writes the private key, durably, readable by the owner alone. */
export function saveSigner(path: string, signer: PrivateKey): void {
  writeDurably([{ path, data: Buffer.from(`${signer.exportPrivate()}\n`) }]);
}

/** Reads the text of a private key. @throws PosternError `POSTERN_INVALID`, which names `where` and nothing of the text */
export function parseSigner(text: string, where: string): NoteSigner {
  return signerOf(parsePrivateKey('note', text, where));
}

/** Reads a private key file. @throws PosternError where others may read it, or where it is malformed */
export function loadSigner(path: string): NoteSigner {
  return parseSigner(readPrivateFile(path).replace(/\n$/, ''), path);
}

/** Reads a file that holds a key. @throws PosternError `POSTERN_INVALID` where others than its owner may read it */
export function readPrivateFile(path: string): string {
  if ((fs.statSync(path).mode & 0o077) !== 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The signing key ${path} can be read by others.`,
      `chmod 600 ${path}, and think about who may have read it.`,
    );
  }
  return fs.readFileSync(path, 'utf8');
}

/** `name+keyid+base64(0x01 || public key)`: what others need in order to verify. */
export function formatVerifierKey(key: PublicKey): string {
  return formatPublicKey('note', key);
}

/** The reverse of {@link formatVerifierKey}. Surrounding white space is ignored. @throws PosternError `POSTERN_INVALID` */
export function parseVerifierKey(text: string): NoteVerifier {
  return verifierOf(parsePublicKey('note', text));
}

/**
 * Reads verifier keys, one a line, as `log.vkey` has them: one, and two while one key takes over from another. They are keys
 * of one log, so they have one name.
 *
 * @throws PosternError `POSTERN_INVALID`
 */
export function parseVerifierKeys(text: string): [NoteVerifier, ...NoteVerifier[]] {
  const [first, ...others] = text.trim().split('\n').slice(0, MAX_SIGNATURES).map(parseVerifierKey);
  if (first === undefined) throw invalid('There is no verifier key.');
  if (others.some(({ name }) => name !== first.name)) throw invalid('The verifier keys are of several logs.');
  return [first, ...others];
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && !hasControl(text.replaceAll('\n', '')) && text.isWellFormed();
}

/** Signs a text, which must end in a newline. With several keys there is a line of each. */
export function signNote(text: string, signers: NoteSigner | readonly NoteSigner[]): string {
  if (!isNoteText(text)) throw invalid('The text of a note ends in a newline and has no control characters.');
  const lines = [signers].flat().map((signer) => signatureLine(signer, signer.sign(text)));
  return `${text}\n${lines.join('')}`;
}

/** A signature as a line of a note, with its newline. */
export function signatureLine({ name, keyId }: PublicKey, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`;
}

/** Takes a note apart without verifying anything. @throws PosternError `POSTERN_INVALID` where it is none */
export function splitNote(note: string | Uint8Array): NoteParts {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw invalid('The note is larger than 64 KiB.');
  const whole = typeof note === 'string' ? note : decodeUtf8(note);
  const cut = whole.lastIndexOf('\n\n');
  if (cut < 0 || !isNoteText(whole)) throw invalid('This is not a signed note.');
  return { text: whole.slice(0, cut + 1), signatures: parseSignatures(whole.slice(cut + 2)) };
}

/** Reads signature lines, each with its newline. @throws PosternError `POSTERN_INVALID` */
export function parseSignatures(text: string): NoteSignature[] {
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw invalid('The note has more signatures than are looked at.');
  return lines.map((line) => {
    const match = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match && decodeBase64(match[2] as string);
    if (!match || !bytes || bytes.length < 5 || !isKeyName(match[1] as string) || !text.endsWith('\n')) {
      throw invalid('The note has a malformed signature line.');
    }
    const keyId = bytes.subarray(0, 4).toString('hex');
    return { name: match[1] as string, keyId, signature: bytes.subarray(4), line };
  });
}

/**
 * Opens a note. A signature of a known key that does not hold refuses the whole note, and so does a note that
 * no known key has signed.
 *
 * @throws PosternError `POSTERN_INVALID`
 */
export function openNote(note: string | Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = splitNote(note);
  const verified: { name: string; keyId: string }[] = [];
  const unknown: { name: string; keyId: string }[] = [];
  for (const { name, keyId, signature } of signatures) {
    const verifier = verifiers.find((known) => known.name === name && known.keyId === keyId);
    if (!verifier) {
      unknown.push({ name, keyId });
    } else if (!verifier.verify(text, signature)) {
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
