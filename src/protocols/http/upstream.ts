/** Connections to services: kept open and shared by the requests of all sessions, since every request carries the same credential of Postern. */
import type { ClientHttp2Session } from 'node:http2';
import { Pool } from 'undici';
import type { ResourceView } from '../../core/views.ts';
import { openHttp2 } from './http2-upstream.ts';
import { signature } from './sigv4.ts';
import { readQuery } from './target.ts';

/** So many connections of one worker to one service. */
const CONNECTIONS = 256;
const KEEP_ALIVE_MS = 10_000;
const MAX_HEADER_BYTES = 64 * 1024;

export class Upstreams {
  readonly #timeoutMs: number;
  readonly #pools = new Map<string, { readonly key: string; readonly pool: Pool }>();
  readonly #http2 = new Map<
    string,
    { readonly key: string; readonly session: Promise<ClientHttp2Session> }
  >();

  /** @param timeoutMs for connecting and encrypting */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  pool(resource: ResourceView): Pool {
    const { id } = resource;
    const key = keyOf(resource);
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

  /** The HTTP/2 connection to a service. @throws PosternError, or the error of connecting */
  async http2(resource: ResourceView): Promise<ClientHttp2Session> {
    const { id } = resource;
    const key = keyOf(resource);
    const known = this.#http2.get(id);
    if (known?.key === key) {
      const session = await known.session;
      if (!session.closed && !session.destroyed) return session;
    } else known?.session.then((session) => session.close()).catch(() => undefined);
    const again = this.#http2.get(id);
    // Somebody else may have begun meanwhile.
    if (again !== undefined && again !== known && again.key === key) return again.session;
    const opening = openHttp2(
      originOf(resource),
      resource,
      { ...tlsOptions(resource), ALPNProtocols: ['h2'] },
      this.#timeoutMs,
    );
    this.#http2.set(id, { key, session: opening });
    opening.catch(() => {
      if (this.#http2.get(id)?.session === opening) this.#http2.delete(id);
    });
    return opening;
  }
}

/** What a connection depends on. */
function keyOf({ host, port, tls, http, upstream }: ResourceView): string {
  const certificate = http?.auth.kind === 'certificate' ? upstream.password : null;
  return JSON.stringify([host, port, tls, certificate]);
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
    readonly target?: string | undefined;
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
      const { method, path, search, contentType, target, payload } = request;
      const host = authorityOf({ http, upstream, ...resource });
      const signing = { accessKey: user, secret: password, region: auth.region, service: auth.service };
      const query = readQuery(search) ?? [];
      return signature(
        signing,
        { method, path, query, host, contentType, target, payload: payload ?? 'UNSIGNED-PAYLOAD' },
        Date.now(),
      );
    }
    default:
      return [];
  }
}
