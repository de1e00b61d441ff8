import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { TlsSettings } from '../core/views.ts';
import { checkText } from '../identity/input.ts';
import type { HeldLogin } from '../store/entities.ts';
import type { LoginKind } from './resource-secrets.ts';
import type { Login, NewResource } from './resources.ts';

/** NAMEDATALEN - 1: longer names do not exist in PostgreSQL. */
export const IDENTIFIER_MAX = 63;
const CA_MAX = 16_384;

/** @param since RFC 3339 */
export function heldOf(kind: LoginKind, login: Login, since: string): HeldLogin {
  const what = kind === 'admin' ? 'administering user' : 'upstream user';
  if ((login.password === undefined) === (login.source === undefined))
    throw new PosternError('POSTERN_INVALID', `The ${what} has a password, or a source of it, and not both.`);
  const user = checkText(login.user, what, IDENTIFIER_MAX);
  return { user, secret: uuidv7(), source: login.source ?? null, since };
}

/** A DNS name or an IP address, as it is dialled: no port, no path, no socket directory. */
export function checkHost(host: string, what: string): string {
  const text = host.trim().toLowerCase();
  const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
  const dns = new RegExp(`^${label}(\\.${label})*\\.?$`);
  // A name that ends in a number (127.1, 0x7f.1) is dialled as an address by some resolvers.
  const numeric = /(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$/.test(text);
  if (isIP(text) === 0 && (text.length > 253 || numeric || !dns.test(text))) {
    throw new PosternError('POSTERN_INVALID', `The ${what} is neither a DNS name nor an IP address.`);
  }
  return text;
}

export function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new PosternError('POSTERN_INVALID', 'The port is a number from 1 to 65535.');
  }
  return port;
}

export function checkTls(tls: NewResource['tls']): TlsSettings {
  const ca = tls.ca === undefined ? null : checkCa(tls.ca);
  const serverName = tls.serverName === undefined ? null : checkHost(tls.serverName, 'TLS server name');
  const negotiation = tls.negotiation ?? 'postgres';
  if (tls.mode === 'disable' && (ca !== null || serverName !== null || negotiation === 'direct')) {
    throw new PosternError(
      'POSTERN_INVALID',
      'TLS is disabled, so a CA, a server name or direct negotiation has no meaning.',
    );
  }
  return { mode: tls.mode, ca, serverName, negotiation };
}

/** One or more certificates in PEM, and nothing else. */
function checkCa(pem: string): string {
  const invalid = (why: string): PosternError =>
    new PosternError('POSTERN_INVALID', `The TLS CA ${why}.`, 'Give the PEM text of the CA certificate.');
  if (pem.length > CA_MAX) throw invalid(`is longer than ${CA_MAX} characters`);
  if (pem.includes('PRIVATE KEY')) throw invalid('holds a private key, which does not belong here');
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw invalid('holds no certificate');
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      throw invalid('is not a valid certificate');
    }
  }
  return `${blocks.join('\n')}\n`;
}
