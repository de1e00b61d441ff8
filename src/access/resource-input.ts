import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { HttpAuth, HttpSettings, ResourceView, TlsSettings } from '../core/views.ts';
import { checkText } from '../identity/input.ts';
import type { HeldLogin } from '../store/entities.ts';
import type { LoginKind } from './resource-secrets.ts';
import type { Login, NewResource } from './resources.ts';

/** NAMEDATALEN - 1: longer names do not exist in PostgreSQL. */
const IDENTIFIER_MAX = 63;
const CA_MAX = 16_384;

/** @param since RFC 3339 */
export function heldOf(kind: LoginKind, login: Login, since: string): HeldLogin {
  const what = kind === 'admin' ? 'administering user' : 'upstream user';
  if ((login.password === undefined) === (login.source === undefined))
    throw new PosternError('POSTERN_INVALID', `The ${what} has a password, or a source of it, and not both.`);
  const user = checkText(login.user, what, IDENTIFIER_MAX);
  return { user, secret: uuidv7(), source: login.source ?? null, since };
}

/** What says where within a server a resource is: a database, or names and paths of a service. */
export function placeOf(input: {
  readonly protocol: ResourceView['protocol'];
  readonly database?: string | undefined;
  readonly http?: HttpSettings | undefined;
}): Pick<ResourceView, 'database' | 'http'> {
  const { protocol, database, http } = input;
  if (protocol === 'postgres') {
    if (database === undefined || http !== undefined)
      throw new PosternError(
        'POSTERN_INVALID',
        'A resource of PostgreSQL has a database, and no http settings.',
      );
    return { database: checkText(database, 'database', IDENTIFIER_MAX), http: null };
  }
  if (database !== undefined || http === undefined)
    throw new PosternError('POSTERN_INVALID', 'A resource of HTTP has http settings, and no database.');
  return { database: '', http: checkHttp(http) };
}

const MAX_HOSTS = 16;

function checkHttp({ hosts, basePath, auth }: HttpSettings): HttpSettings {
  if (hosts.length > MAX_HOSTS)
    throw new PosternError('POSTERN_INVALID', `A resource has at most ${MAX_HOSTS} names.`);
  const path = basePath.replace(/\/+$/, '');
  if (path !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(path))
    throw new PosternError(
      'POSTERN_INVALID',
      'The base path is like /api/v1, of letters, digits and . _ ~ - alone.',
    );
  if (/(^|\/)\.{1,2}(\/|$)/.test(path))
    throw new PosternError('POSTERN_INVALID', 'The base path has no segments "." and "..".');
  const names = [...new Set(hosts.map((host) => checkHost(host, 'name of the service').replace(/\.$/, '')))];
  return { hosts: names.sort(), basePath: path, auth: checkAuth(auth) };
}

/** Headers that say what a request is, not who asks. */
const NO_CREDENTIAL =
  /^(host|connection|content-.*|transfer-encoding|te|trailer|upgrade|keep-alive|expect|date|via|forwarded|x-forwarded-.*|proxy-.*)$/;

function checkAuth(auth: HttpAuth): HttpAuth {
  if (auth.kind === 'header') {
    const name = auth.name.toLowerCase();
    if (!/^[a-z0-9-]{1,63}$/.test(name) || NO_CREDENTIAL.test(name))
      throw new PosternError('POSTERN_INVALID', 'The credential cannot be in a header of that name.');
    return { kind: 'header', name };
  }
  if (auth.kind === 'sigv4') {
    const { region, service } = auth;
    if (![region, service].every((each) => /^[a-z0-9-]{1,63}$/.test(each)))
      throw new PosternError(
        'POSTERN_INVALID',
        'Region and service of AWS are names such as eu-central-1 and execute-api.',
      );
    return { kind: 'sigv4', region, service };
  }
  return { kind: auth.kind };
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
