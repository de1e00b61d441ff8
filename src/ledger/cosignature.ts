import { PosternError } from '../core/errors.ts';
import {
  formatPublicKey,
  generateKey,
  type PrivateKey,
  type PublicKey,
  parsePrivateKey,
  parsePublicKey,
  SIGNATURE_BYTES,
} from './keys.ts';
import { readPrivateFile, signatureLine, splitNote } from './note.ts';

/**
 * Cosignatures of witnesses over checkpoints, Ed25519 `cosignature/v1` (signature type 0x04): "as of this time, the largest
 * consistent tree that I have seen of this log has this root".
 *
 * @see https://c2sp.org/tlog-cosignature
 */

const TIME_BYTES = 8;

/** A cosignature that held. */
export interface Cosignature {
  readonly name: string;
  readonly keyId: string;
  /** When the witness says that it signed, seconds since the epoch. */
  readonly time: number;
  /** The line of the note, without its newline. */
  readonly line: string;
}

/** Reads the verifier key of a witness. @throws PosternError `POSTERN_INVALID` */
export function parseWitnessKey(text: string): PublicKey {
  return parsePublicKey('cosignature', text);
}

export function formatWitnessKey(key: PublicKey): string {
  return formatPublicKey('cosignature', key);
}

/** A new key of a witness. @throws PosternError `POSTERN_INVALID` for a name with white space or a plus sign */
export function generateWitnessKey(name: string): PrivateKey {
  return generateKey('cosignature', name);
}

/** Reads a witness's private key file. @throws PosternError where others may read it, or where it is malformed */
export function loadWitnessKey(path: string): PrivateKey {
  return parsePrivateKey('cosignature', readPrivateFile(path).replace(/\n$/, ''), path);
}

function message(checkpointText: string, time: bigint | number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${checkpointText}`);
}

/**
 * Cosigns the text of a checkpoint.
 *
 * @param seconds time of signing, since the epoch
 * @returns the signature line, with its newline
 */
export function cosign(checkpointText: string, key: PrivateKey, seconds: number): string {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(seconds));
  return signatureLine(key, Buffer.concat([time, key.signBytes(message(checkpointText, seconds))]));
}

/** The time of a cosignature in seconds since the epoch; null where it is none of this key over this text. */
export function verifyCosignature(
  checkpointText: string,
  key: PublicKey,
  signature: Uint8Array,
): number | null {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return null;
  const time = new DataView(signature.buffer, signature.byteOffset, TIME_BYTES).getBigUint64(0);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return key.verifyBytes(message(checkpointText, time), signature.subarray(TIME_BYTES)) ? Number(time) : null;
}

/**
 * The cosignatures that a signed checkpoint carries of these witnesses, at most one of each, the latest. Those of others are
 * passed over.
 *
 * @throws PosternError `POSTERN_INVALID` where the note is none, or a cosignature of one of these witnesses does not hold
 */
export function cosignaturesOf(note: string | Uint8Array, witnesses: readonly PublicKey[]): Cosignature[] {
  const { text, signatures } = splitNote(note);
  const found = new Map<PublicKey, Cosignature>();
  for (const { name, keyId, signature, line } of signatures) {
    const witness = witnesses.find((known) => known.name === name && known.keyId === keyId);
    if (!witness) continue;
    const time = verifyCosignature(text, witness, signature);
    if (time === null) {
      throw new PosternError('POSTERN_INVALID', `The cosignature of ${name} does not fit the checkpoint.`);
    }
    const before = found.get(witness);
    if (!before || before.time < time) found.set(witness, { name, keyId, time, line });
  }
  return [...found.values()];
}
