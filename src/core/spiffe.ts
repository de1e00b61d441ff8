/**
 * SPIFFE: identities, the rules of X.509-SVIDs, and trust bundles. Pure.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md
 */
import { KEY_USAGE } from './certificate.ts';
import { parseCertificate, type ReadCertificate } from './certificate-path.ts';
import { isObject } from './jws.ts';

/** SPIFFE-ID, 2.3. */
const ID_MAX = 2048;
const TRUST_DOMAIN_MAX = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;
const KEYS_MAX = 64;

export interface SpiffeId {
  readonly trustDomain: string;
  /** Begins with a slash; empty for the trust domain itself. */
  readonly path: string;
}

/** The parts of a SPIFFE ID in its one form, or null. Nothing is put right: another spelling is another text. */
export function parseSpiffeId(text: string): SpiffeId | null {
  if (text.length > ID_MAX || !text.startsWith('spiffe://')) return null;
  const rest = text.slice('spiffe://'.length);
  const slash = rest.indexOf('/');
  const trustDomain = slash === -1 ? rest : rest.slice(0, slash);
  const path = slash === -1 ? '' : rest.slice(slash);
  if (!isTrustDomain(trustDomain)) return null;
  const segments = path.split('/').slice(1);
  const plain = segments.every((each) => SEGMENT.test(each) && each !== '.' && each !== '..');
  return plain ? { trustDomain, path } : null;
}

export const isTrustDomain = (text: string): boolean =>
  text.length <= TRUST_DOMAIN_MAX && TRUST_DOMAIN.test(text);

export type SvidResult =
  | { readonly ok: true; readonly id: string; readonly trustDomain: string }
  | { readonly ok: false; readonly why: string };

/**
 * What an X.509-SVID says that its holder is. Who signed it is another question.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#5-validation
 */
export function svidId({ facts }: ReadCertificate): SvidResult {
  const no = (why: string): SvidResult => ({ ok: false, why });
  const [uri, second] = facts.uris;
  if (uri === undefined || second !== undefined) return no('an SVID has exactly one URI');
  const id = parseSpiffeId(uri);
  if (id === null || id.path === '') return no('its URI is no SPIFFE ID of a workload');
  const { keyUsage, extendedKeyUsage } = facts;
  if (keyUsage === null || !keyUsage.has(KEY_USAGE.digitalSignature))
    return no('the key usage of an SVID is to sign');
  if (keyUsage.has(KEY_USAGE.keyCertSign) || keyUsage.has(KEY_USAGE.crlSign))
    return no('the key of an SVID may not sign certificates or lists');
  if (extendedKeyUsage !== null && !extendedKeyUsage.has('1.3.6.1.5.5.7.3.2'))
    return no('it is not for clients');
  return { ok: true, id: uri, trustDomain: id.trustDomain };
}

/** What is trusted for a trust domain. */
export interface Bundle {
  readonly x509: readonly ReadCertificate[];
  /** For JWT-SVIDs, as they are in the bundle. */
  readonly jwks: readonly Readonly<Record<string, unknown>>[];
  /** Seconds until it should be fetched again; null where it does not say. */
  readonly refreshHint: number | null;
}

/**
 * Reads a trust bundle. Keys of a use that is not known are passed over, as the standard asks; others that cannot be read make the
 * whole bundle unusable: half of what is trusted is not what was meant.
 *
 * @returns null where it is no bundle, or one without a key
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
 */
export function readBundle(value: unknown): Bundle | null {
  if (!isObject(value) || !Array.isArray(value.keys) || value.keys.length > KEYS_MAX) return null;
  const x509: ReadCertificate[] = [];
  const jwks: Readonly<Record<string, unknown>>[] = [];
  try {
    for (const key of value.keys as unknown[]) {
      if (!isObject(key)) return null;
      if (key.use === 'x509-svid') x509.push(rootOf(key));
      if (key.use === 'jwt-svid') {
        if (typeof key.kid !== 'string' || key.kid === '') return null;
        jwks.push(key);
      }
    }
  } catch {
    return null;
  }
  if (x509.length + jwks.length === 0) return null;
  const hint = value.spiffe_refresh_hint;
  return { x509, jwks, refreshHint: typeof hint === 'number' && hint > 0 ? hint : null };
}

function rootOf(key: Readonly<Record<string, unknown>>): ReadCertificate {
  const [encoded, second] = Array.isArray(key.x5c) ? (key.x5c as unknown[]) : [];
  if (typeof encoded !== 'string' || second !== undefined) throw new Error('not one certificate');
  return parseCertificate(Buffer.from(encoded, 'base64'));
}
