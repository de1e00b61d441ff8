/**
 * OpenSSH user certificates. Pure.
 *
 * @see https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.certkeys
 * @see https://www.rfc-editor.org/rfc/rfc4251#section-5
 */
import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { PosternError } from '../core/errors.ts';

/** One line with an RSA key of 4096 bits has about 750 characters, and a comment. */
export const SSH_KEY_MAX = 4096;

const USER = 1;
const ED25519 = 'ssh-ed25519';
/** How many strings follow the type in a public key, and the type of its certificates. */
const KEY_TYPES: Readonly<Record<string, { readonly fields: number; readonly certificate: string }>> = {
  [ED25519]: { fields: 1, certificate: 'ssh-ed25519-cert-v01@openssh.com' },
  'ecdsa-sha2-nistp256': { fields: 2, certificate: 'ecdsa-sha2-nistp256-cert-v01@openssh.com' },
  'ecdsa-sha2-nistp384': { fields: 2, certificate: 'ecdsa-sha2-nistp384-cert-v01@openssh.com' },
  'ssh-rsa': { fields: 2, certificate: 'ssh-rsa-cert-v01@openssh.com' },
};

export interface SshPublicKey {
  readonly type: string;
  /** The whole key as SSH sends it. */
  readonly blob: Buffer;
  /** Behind the type. */
  readonly fields: readonly Buffer[];
}

export interface SshCertificateRequest {
  readonly key: SshPublicKey;
  /** Written into the log of every server that it opens. */
  readonly keyId: string;
  /** Logins that it is for. */
  readonly principals: readonly string[];
  readonly serial: bigint;
  /** Milliseconds since the epoch; cut to seconds. */
  readonly validAfter: number;
  readonly validBefore: number;
  /** Networks from which it is good, in CIDR; empty: from everywhere. */
  readonly sourceAddresses: readonly string[];
  /** Random, at least 16 bytes: what is signed is not foreseen by who asks. */
  readonly nonce: Buffer;
}

/**
 * A public key from a line as in `id_ed25519.pub`.
 *
 * @throws PosternError POSTERN_INVALID for what is none, and for keys that are weak or of a kind that is not taken
 */
export function parseSshPublicKey(line: string): SshPublicKey {
  if (line.length > SSH_KEY_MAX) throw invalid(`is longer than ${SSH_KEY_MAX} characters`);
  if (line.includes('PRIVATE KEY')) throw invalid('is a private key, which must stay where it was made');
  const match = /^([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]+={0,2})(?: [^\r\n]*)?\r?\n?$/.exec(line);
  if (match === null) throw invalid('is not one line "TYPE BASE64"');
  const type = match[1] as string;
  const kind = Object.hasOwn(KEY_TYPES, type) ? KEY_TYPES[type] : undefined;
  if (kind === undefined) throw invalid('is of a kind that is not taken');
  const blob = Buffer.from(match[2] as string, 'base64');
  if (blob.toString('base64') !== match[2]) throw invalid('is not in plain base64');
  const [name, ...fields] = stringsIn(blob);
  if (name?.toString('latin1') !== type || fields.length !== kind.fields) throw invalid('cannot be read');
  const jwk = jwkOf(type, fields);
  try {
    // Whether it is a point of its curve, or a modulus of its size.
    const { modulusLength = 2048 } = createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails ?? {};
    if (modulusLength < 2048 || modulusLength > 4096) throw invalid('is weak, or larger than 4096 bits');
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw invalid('cannot be read');
  }
  return { type, blob, fields };
}

/** As `ssh-keygen -l` shows it. */
export const sshFingerprint = (blob: Buffer): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;

/** The public key of an authority of Ed25519, as SSH sends it. @param key its private key */
export function sshBlobOf(key: KeyObject): Buffer {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return Buffer.concat([string(ED25519), string(Buffer.from(x as string, 'base64url'))]);
}

/**
 * Signs a certificate: for users, without a right to forward anything, with a terminal.
 *
 * @param ca private key, Ed25519
 * @returns one line as in `id_ed25519-cert.pub`
 */
export function signSshCertificate(request: SshCertificateRequest, ca: KeyObject): string {
  const { key, keyId, principals, serial, sourceAddresses } = request;
  const type = (KEY_TYPES[key.type] as { readonly certificate: string }).certificate;
  const body = Buffer.concat([
    string(type),
    string(request.nonce),
    ...key.fields.map(string),
    uint64(serial),
    uint32(USER),
    string(keyId),
    string(Buffer.concat(principals.map(string))),
    uint64(BigInt(Math.floor(request.validAfter / 1000))),
    uint64(BigInt(Math.floor(request.validBefore / 1000))),
    string(sourceAddresses.length === 0 ? '' : option('source-address', sourceAddresses.join(','))),
    string(option('permit-pty', null)),
    string(''),
    string(sshBlobOf(ca)),
  ]);
  const signature = Buffer.concat([string(ED25519), string(sign(null, body, ca))]);
  return `${type} ${Buffer.concat([body, string(signature)]).toString('base64')}`;
}

/** A name with its value, which is a string within a string, or with nothing. */
function option(name: string, value: string | null): Buffer {
  return Buffer.concat([string(name), string(value === null ? '' : string(value))]);
}

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function uint64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
}

function string(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** The strings that a buffer is made of, to its last byte; none where it is not. */
function stringsIn(blob: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return [];
    found.push(blob.subarray(at + 4, end));
    at = end;
  }
  return at === blob.length ? found : [];
}

function jwkOf(type: string, fields: readonly Buffer[]) {
  const [first, second] = fields as [Buffer, Buffer | undefined];
  const text = (bytes: Buffer): string => bytes.toString('base64url');
  if (type === ED25519) return { kty: 'OKP', crv: 'Ed25519', x: text(first) };
  const point = second ?? Buffer.alloc(0);
  if (type === 'ssh-rsa') return { kty: 'RSA', e: text(unsigned(first)), n: text(unsigned(point)) };
  if (first.toString('latin1') !== type.slice('ecdsa-sha2-'.length) || point[0] !== 4)
    throw invalid('cannot be read');
  const size = (point.length - 1) / 2;
  const crv = type.endsWith('256') ? 'P-256' : 'P-384';
  return { kty: 'EC', crv, x: text(point.subarray(1, 1 + size)), y: text(point.subarray(1 + size)) };
}

/** An mpint that is positive, without the zero in front. @see https://www.rfc-editor.org/rfc/rfc4251#section-5 */
function unsigned(bytes: Buffer): Buffer {
  if ((bytes[0] ?? 0x80) >= 0x80) throw invalid('cannot be read');
  return bytes[0] === 0 ? bytes.subarray(1) : bytes;
}

function invalid(why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The SSH public key ${why}.`,
    'Make one with: ssh-keygen -t ed25519 -f postern_key',
  );
}
