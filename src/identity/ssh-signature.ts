/**
 * Signatures of `ssh-keygen -Y sign`, and the certificates of users that may be in them. Pure. Lengths are checked against what is
 * there before anything is read.
 *
 * @see https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
 * @see https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.certkeys
 */
import { createHash, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

/** A signature with an RSA key and certificate of 4096 bits has about 3,000 bytes. */
export const SSHSIG_MAX = 8192;
const LIST_MAX = 64;
const USER = 1;

/** What is no signature, or one that is not taken. The text holds nothing of it. */
export class SshError extends Error {}

/** What a certificate says; nothing of it holds before its authority is known. */
export interface SshCertificate {
  /** Key of the authority that signed it, as SSH sends it. */
  readonly authority: Buffer;
  readonly principals: readonly string[];
  readonly keyId: string;
  readonly serial: bigint;
  /** Seconds since the epoch. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: ReadonlyMap<string, string>;
}

export interface SshSignature {
  /** The plain public key that signed, as SSH sends it. */
  readonly key: Buffer;
  readonly certificate: SshCertificate | null;
}

class SshReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw new SshError('it ends too early');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  uint64(): bigint {
    return this.take(8).readBigUInt64BE();
  }

  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    const text = this.string().toString('latin1');
    if (!/^[\x20-\x7e]*$/.test(text)) throw new SshError('it has a text with strange characters');
    return text;
  }

  end(): void {
    if (!this.done) throw new SshError('it has more than was expected');
  }
}

const string = (bytes: Buffer | string): Buffer => {
  const content = Buffer.from(bytes);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  return Buffer.concat([size, content]);
};

/**
 * Takes a signature apart and verifies it over a message.
 *
 * @param blob what stands in base64 between the lines of an SSH SIGNATURE
 * @throws SshError
 */
export function verifySshSignature(blob: Buffer, namespace: string, message: Buffer): SshSignature {
  if (blob.length > SSHSIG_MAX) throw new SshError('it is too long');
  const reader = new SshReader(blob);
  if (reader.take(6).toString('latin1') !== 'SSHSIG' || reader.uint32() !== 1)
    throw new SshError('it is no signature of ssh-keygen -Y sign');
  const shown = reader.string();
  const given = reader.text();
  const reserved = reader.string();
  const hash = reader.text();
  const signature = reader.string();
  reader.end();
  if (given !== namespace) throw new SshError('it is for another namespace');
  if (hash !== 'sha512' && hash !== 'sha256') throw new SshError('its hash is not taken');
  const digest = createHash(hash).update(message).digest();
  const signed = Buffer.concat([
    ...[Buffer.from('SSHSIG'), string(namespace), string(reserved), string(hash), string(digest)],
  ]);
  const { key, certificate } = readKey(shown);
  if (!fits(key, signed, signature, ['rsa-sha2-512'])) throw new SshError('it does not fit its key');
  return { key: key.blob, certificate };
}

interface ReadKey {
  readonly blob: Buffer;
  readonly type: 'ssh-ed25519' | 'ecdsa-sha2-nistp256' | 'ssh-rsa';
  readonly key: KeyObject;
}

const CERTIFICATE = '-cert-v01@openssh.com';

/** A key, or a certificate with a key in it: of the latter the signature of its authority is verified too. */
function readKey(blob: Buffer): { readonly key: ReadKey; readonly certificate: SshCertificate | null } {
  const reader = new SshReader(blob);
  const type = reader.text();
  if (!type.endsWith(CERTIFICATE)) {
    const key = keyFields(type, reader);
    reader.end();
    return { key, certificate: null };
  }
  reader.string();
  const key = keyFields(type.slice(0, -CERTIFICATE.length), reader);
  const serial = reader.uint64();
  if (reader.uint32() !== USER) throw new SshError('its certificate is not one of a user');
  const keyId = reader.text();
  const principals = listOf(reader.string(), (list) => list.text());
  const [validAfter, validBefore] = [reader.uint64(), reader.uint64()];
  const criticalOptions = new Map(
    listOf(reader.string(), (list): [string, string] => {
      const name = list.text();
      const data = list.string();
      return [name, data.length === 0 ? '' : new SshReader(data).text()];
    }),
  );
  // Extensions give rights on hosts; none is asked of here.
  reader.string();
  reader.string();
  const authority = reader.string();
  const signed = blob.subarray(0, reader.at);
  const signature = reader.string();
  reader.end();
  const by = new SshReader(authority);
  const ca = keyFields(by.text(), by);
  by.end();
  if (!fits(ca, signed, signature, ['rsa-sha2-512', 'rsa-sha2-256']))
    throw new SshError('its certificate is not signed by the authority that it names');
  return {
    key,
    certificate: { authority, principals, keyId, serial, validAfter, validBefore, criticalOptions },
  };
}

function listOf<T>(bytes: Buffer, one: (reader: SshReader) => T): T[] {
  const reader = new SshReader(bytes);
  const found: T[] = [];
  while (!reader.done) {
    if (found.length >= LIST_MAX) throw new SshError('it has a list that is too long');
    found.push(one(reader));
  }
  return found;
}

function keyFields(type: string, reader: SshReader): ReadKey {
  const fields: Buffer[] = [];
  const field = (): Buffer => {
    const bytes = reader.string();
    fields.push(bytes);
    return bytes;
  };
  const made = (name: ReadKey['type'], jwk: Record<string, string>): ReadKey => {
    const blob = Buffer.concat([string(name), ...fields.map(string)]);
    try {
      return { blob, type: name, key: createPublicKey({ key: jwk, format: 'jwk' }) };
    } catch {
      throw new SshError('its key cannot be read');
    }
  };
  const base64url = (bytes: Buffer): string => bytes.toString('base64url');
  switch (type) {
    case 'ssh-ed25519': {
      const x = field();
      if (x.length !== 32) throw new SshError('its key cannot be read');
      return made(type, { kty: 'OKP', crv: 'Ed25519', x: base64url(x) });
    }
    case 'ecdsa-sha2-nistp256': {
      const curve = field().toString('latin1');
      const point = field();
      if (curve !== 'nistp256' || point.length !== 65 || point[0] !== 4)
        throw new SshError('its key cannot be read');
      const [x, y] = [base64url(point.subarray(1, 33)), base64url(point.subarray(33))];
      return made(type, { kty: 'EC', crv: 'P-256', x, y });
    }
    case 'ssh-rsa': {
      const e = unsigned(field());
      const n = unsigned(field());
      const read = made(type, { kty: 'RSA', e: base64url(e), n: base64url(n) });
      const { modulusLength = 0 } = read.key.asymmetricKeyDetails ?? {};
      if (modulusLength < 2048 || modulusLength > 4096) throw new SshError('its key is weak, or too large');
      return read;
    }
    default:
      throw new SshError('its key is of a kind that is not taken');
  }
}

/** An mpint that is not negative, in its shortest form. */
function unsigned(bytes: Buffer): Buffer {
  const [first = 0x80, second = 0] = bytes;
  if (bytes.length > 1024 || first >= 0x80 || (first === 0 && second < 0x80))
    throw new SshError('it has a malformed number');
  return first === 0 ? bytes.subarray(1) : bytes;
}

/** @param rsa forms of RSA signatures that are taken: none with SHA-1 is */
function fits({ type, key }: ReadKey, signed: Buffer, signature: Buffer, rsa: readonly string[]): boolean {
  const reader = new SshReader(signature);
  const form = reader.text();
  const blob = reader.string();
  reader.end();
  if (type === 'ssh-rsa')
    return rsa.includes(form) && verify(form.replace('rsa-sha2-', 'sha'), signed, key, blob);
  if (form !== type) return false;
  if (type === 'ssh-ed25519') return verify(null, signed, key, blob);
  const numbers = new SshReader(blob);
  const parts = [unsigned(numbers.string()), unsigned(numbers.string())];
  numbers.end();
  if (parts.some((part) => part.length > 32)) return false;
  const raw = Buffer.concat(parts.map((part) => Buffer.concat([Buffer.alloc(32 - part.length), part])));
  return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, raw);
}

/** Whether two keys are the same, as SSH sends them. */
export const sameKey = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
