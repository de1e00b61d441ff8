/** Connections to services: kept open and shared by the requests of all sessions, since every request carries the same credential of Postern. */
import { Pool } from 'undici';
import type { ResourceView } from '../../core/views.ts';
import { signature } from './sigv4.ts';
import { readQuery } from './target.ts';

/** So many connections of one worker to one service. */
const CONNECTIONS = 256;
const KEEP_ALIVE_MS = 10_000;
const MAX_HEADER_BYTES = 64 * 1024;

export class Upstreams {
  readonly #timeoutMs: number;
  readonly #pools = new Map<string, { readonly key: string; readonly pool: Pool }>();

  /** @param timeoutMs for connecting and encrypting */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  pool(resource: ResourceView): Pool {
    const { id, host, port, tls, http, upstream } = resource;
    const certificate = http?.auth.kind === 'certificate' ? upstream.password : null;
    const key = JSON.stringify([host, port, tls, certificate]);
    const known = this.#pools.get(id);
    if (known?.key === key) return known.pool;
    // What is under way on it comes to its end.
    if (known !== undefined) void known.pool.close();
    const pool = new Pool(originOf(resource), {
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // A service may take its time, and a stream has no end: a session ends with its grant.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: this.#timeoutMs, ...tlsOptions(resource) },
    });
    this.#pools.set(id, { key, pool });
    return pool;
  }
}

export function tlsOptions({ host, tls, http, upstream }: ResourceView): object {
  if (tls.mode === 'disable') return {};
  const name = tls.serverName ?? host;
  return {
    servername: name,
    minVersion: 'TLSv1.2',
    ...(tls.ca === null ? {} : { ca: tls.ca }),
    ...(http?.auth.kind === 'certificate' ? { cert: upstream.password, key: upstream.password } : {}),
    rejectUnauthorized: tls.mode === 'verify-ca' || tls.mode === 'verify-full',
    ...(tls.mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

export function originOf({ host, port, tls }: ResourceView): string {
  return `${tls.mode === 'disable' ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** As the service knows itself. */
export function authorityOf({ host, port, tls }: ResourceView): string {
  const name = tls.serverName ?? host;
  const standard = tls.mode === 'disable' ? 80 : 443;
  const written = name.includes(':') ? `[${name}]` : name;
  return port === standard ? written : `${written}:${port}`;
}

/** Whether the body must be known before the request is sent, since the credential signs it. */
export const signsBody = ({ http }: ResourceView): boolean =>
  http?.auth.kind === 'sigv4' && http.auth.service !== 's3';

/**
 * The headers by which Postern proves itself.
 *
 * @param path with the base path; @param search from `?` on
 * @param payload SHA-256 of the body, hex, where it is signed
 */
export function credentialHeaders(
  { http, upstream, ...resource }: ResourceView,
  request: {
    readonly method: string;
    readonly path: string;
    readonly search: string;
    readonly contentType: string | undefined;
    readonly payload: string | null;
  },
): [string, string][] {
  const { user, password } = upstream;
  const auth = http?.auth;
  switch (auth?.kind) {
    case 'basic':
      return [['authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`]];
    case 'bearer':
      return [['authorization', `Bearer ${password}`]];
    case 'header':
      return [[auth.name, password]];
    case 'sigv4': {
      const { method, path, search, contentType, payload } = request;
      const host = authorityOf({ http, upstream, ...resource });
      const signing = { accessKey: user, secret: password, region: auth.region, service: auth.service };
      const query = readQuery(search) ?? [];
      return signature(
        signing,
        { method, path, query, host, contentType, payload: payload ?? 'UNSIGNED-PAYLOAD' },
        Date.now(),
      );
    }
    default:
      return [];
  }
}
