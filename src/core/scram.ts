import { createHmac, hash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/**
 * The arithmetic of SCRAM-SHA-256, both sides. The message flow belongs to the protocols.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-3
 * @see https://www.rfc-editor.org/rfc/rfc7677
 */

export interface ScramVerifier {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Keys a client derives from the password; worth keeping, since one PBKDF2 run costs milliseconds. */
export interface ScramClientKeys extends ScramVerifier {
  readonly clientKey: Buffer;
}

/** The passwords are random, so the minimum of RFC 7677 serves. */
const VERIFIER_ITERATIONS = 4096;

const derive = promisify(pbkdf2);

/** Bytes of a block of SHA-256. */
const BLOCK = 64;

/**
 * HMAC-SHA-256 by two one-shot hashes: an Hmac object of a key in a buffer costs four times as much, and each new session takes
 * half a dozen.
 *
 * @see https://www.rfc-editor.org/rfc/rfc2104#section-2
 */
function hmac(key: Buffer, text: string): Buffer {
  if (key.length > BLOCK) return createHmac('sha256', key).update(text).digest();
  const inner = Buffer.alloc(BLOCK + Buffer.byteLength(text), 0x36);
  const outer = Buffer.alloc(BLOCK + 32, 0x5c);
  for (let i = 0; i < key.length; i++) {
    inner[i] = 0x36 ^ (key[i] as number);
    outer[i] = 0x5c ^ (key[i] as number);
  }
  inner.write(text, BLOCK, 'utf8');
  hash('sha256', inner, 'buffer').copy(outer, BLOCK);
  return hash('sha256', outer, 'buffer');
}

const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer');

/**
 * Salt of a principal's credentials: one per name, so that a name with several valid credentials gets one
 * answer, and derived, so that an unknown name gets a salt as lasting as a known one.
 *
 * @param secret random bytes kept by this installation
 */
export function scramSalt(secret: Buffer, principalName: string): Buffer {
  return hmac(secret, `scram-salt\n${principalName}`).subarray(0, 16);
}

/** A new password: 256 random bits in base64url behind a prefix that secret scanners can recognise. */
export function newPassword(): string {
  return `postern_${randomBytes(32).toString('base64url')}`;
}

/** Derives all keys from a password (which for issued passwords is ASCII, so SASLprep changes nothing). */
export async function scramKeys(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<ScramClientKeys> {
  const salted = await derive(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  return {
    clientKey,
    storedKey: sha256(clientKey),
    serverKey: hmac(salted, 'Server Key'),
  };
}

/**
 * A password as PostgreSQL stores it, to be given to it in place of the password.
 *
 * @see https://www.postgresql.org/docs/18/catalog-pg-authid.html
 */
export async function scramVerifier(password: string, salt: Buffer): Promise<string> {
  const { storedKey, serverKey } = await scramKeys(password, salt, VERIFIER_ITERATIONS);
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  return `SCRAM-SHA-256$${VERIFIER_ITERATIONS}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`;
}

/** The proof a client sends. */
export function clientProof(keys: ScramClientKeys, authMessage: string): Buffer {
  return xor(keys.clientKey, hmac(keys.storedKey, authMessage));
}

/** Whether a client's proof fits a verifier; constant time. */
export function proofFits(verifier: ScramVerifier, authMessage: string, proof: Buffer): boolean {
  if (proof.length !== 32) return false;
  const clientKey = xor(proof, hmac(verifier.storedKey, authMessage));
  return timingSafeEqual(sha256(clientKey), verifier.storedKey);
}

/** The signature by which a server shows that it too knows the verifier. */
export function serverSignature(verifier: ScramVerifier, authMessage: string): Buffer {
  return hmac(verifier.serverKey, authMessage);
}

function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.alloc(a.length);
  for (let i = 0; i < a.length; i++) out[i] = (a[i] as number) ^ (b[i] as number);
  return out;
}
