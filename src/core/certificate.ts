/**
 * What a certificate says of itself, read from its DER: names, extensions, signature algorithm. Only what a decision needs;
 * what is not understood and critical is said, so that it can be refused.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4
 */
import {
  DerError,
  DerReader,
  derBits,
  derBoolean,
  derElement,
  derSmallInteger,
  oidText,
  TAG,
} from './der.ts';
import { distinguishedName } from './distinguished-name.ts';

/** No real certificate is longer. */
export const CERTIFICATE_MAX = 16_384;
const EXTENSIONS_MAX = 40;
const NAMES_MAX = 100;

const OID = {
  keyUsage: '2.5.29.15',
  alternativeNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Bits of KeyUsage. */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const;

export interface CertificateFacts {
  /** RFC 4514, with what is most particular first; null where it has a form that cannot be written so. */
  readonly subject: string | null;
  /** As `subject`. */
  readonly issuer: string | null;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** OID of the algorithm that signed it. */
  readonly signatureAlgorithm: string;
  readonly ca: boolean;
  /** How many certificates of authorities may follow below; null: any number. */
  readonly pathLength: number | null;
  /** Null where it does not say. */
  readonly keyUsage: ReadonlySet<number> | null;
  readonly extendedKeyUsage: ReadonlySet<string> | null;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly nameConstraints: boolean;
  /** Critical extensions that are not understood here. */
  readonly notUnderstood: readonly string[];
}

interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/**
 * Reads a certificate.
 *
 * @throws DerError when it is malformed, or longer or fuller than what is taken
 */
export function readCertificate(der: Buffer): CertificateFacts {
  if (der.length > CERTIFICATE_MAX) throw new DerError('it is too long');
  const outer = new DerReader(derElement(der, TAG.sequence).content);
  const tbs = new DerReader(outer.next(TAG.sequence).content);
  const signatureAlgorithm = outer.next(TAG.sequence).whole;
  outer.next(TAG.bitString);
  outer.end();
  const version = tbs.next(0xa0);
  if (derSmallInteger(derElement(version.content, TAG.integer).content) !== 2)
    throw new DerError('it is not of version 3');
  tbs.next(TAG.integer);
  // The algorithm is named twice, and only the outer one is used by who verifies.
  if (!tbs.next(TAG.sequence).whole.equals(signatureAlgorithm))
    throw new DerError('it names two signature algorithms');
  const issuer = tbs.next(TAG.sequence).content;
  tbs.next(TAG.sequence);
  const subject = tbs.next(TAG.sequence).content;
  const publicKey = tbs.next(TAG.sequence).whole;
  tbs.optional(0x81);
  tbs.optional(0x82);
  const extensions = readExtensions(tbs.optional(0xa3)?.content ?? null);
  tbs.end();
  const algorithm = new DerReader(derElement(signatureAlgorithm, TAG.sequence).content).next(TAG.oid);
  const basic = basicConstraints(extensions.get(OID.basicConstraints)?.value);
  const usage = extensions.get(OID.keyUsage)?.value;
  const understood = new Set<string>(Object.values(OID));
  return {
    subject: distinguishedName(subject),
    issuer: distinguishedName(issuer),
    publicKey,
    signatureAlgorithm: oidText(algorithm.content),
    ...basic,
    keyUsage: usage === undefined ? null : derBits(derElement(usage, TAG.bitString).content),
    extendedKeyUsage: extendedKeyUsage(extensions.get(OID.extendedKeyUsage)?.value),
    ...alternativeNames(extensions.get(OID.alternativeNames)?.value),
    nameConstraints: extensions.has(OID.nameConstraints),
    notUnderstood: [...extensions]
      .filter(([id, { critical }]) => critical && !understood.has(id))
      .map(([id]) => id),
  };
}

function readExtensions(wrapped: Buffer | null): ReadonlyMap<string, Extension> {
  const found = new Map<string, Extension>();
  if (wrapped === null) return found;
  const list = new DerReader(derElement(wrapped, TAG.sequence).content);
  while (!list.done) {
    const extension = new DerReader(list.next(TAG.sequence).content);
    const id = oidText(extension.next(TAG.oid).content);
    const critical = extension.optional(TAG.boolean);
    const value = extension.next(TAG.octetString).content;
    extension.end();
    if (found.has(id)) throw new DerError('an extension is there twice');
    if (found.size >= EXTENSIONS_MAX) throw new DerError('too many extensions');
    found.set(id, { critical: critical !== null && derBoolean(critical.content), value });
  }
  return found;
}

function basicConstraints(value: Buffer | undefined): { ca: boolean; pathLength: number | null } {
  if (value === undefined) return { ca: false, pathLength: null };
  const reader = new DerReader(derElement(value, TAG.sequence).content);
  const ca = reader.optional(TAG.boolean);
  const length = reader.optional(TAG.integer);
  reader.end();
  return {
    ca: ca !== null && derBoolean(ca.content),
    pathLength: length === null ? null : derSmallInteger(length.content),
  };
}

function extendedKeyUsage(value: Buffer | undefined): ReadonlySet<string> | null {
  if (value === undefined) return null;
  const reader = new DerReader(derElement(value, TAG.sequence).content);
  const uses = new Set<string>();
  while (!reader.done && uses.size < EXTENSIONS_MAX) uses.add(oidText(reader.next(TAG.oid).content));
  reader.end();
  return uses;
}

/** GeneralName: [1] e-mail address, [2] DNS name, [6] URI. Others are passed over. */
function alternativeNames(value: Buffer | undefined) {
  const [uris, dnsNames, emails]: [string[], string[], string[]] = [[], [], []];
  const by: Readonly<Record<number, string[]>> = { 129: emails, 130: dnsNames, 134: uris };
  if (value !== undefined) {
    const reader = new DerReader(derElement(value, TAG.sequence).content);
    for (let count = 0; !reader.done; count++) {
      if (count >= NAMES_MAX) throw new DerError('too many names');
      const { tag, content } = reader.next();
      by[tag]?.push(ascii(content));
    }
  }
  return { uris, dnsNames, emails };
}

/** IA5String, without what could end a text early elsewhere. */
function ascii(content: Buffer): string {
  for (const byte of content)
    if (byte < 0x20 || byte > 0x7e) throw new DerError('a name with strange characters');
  return content.toString('latin1');
}
