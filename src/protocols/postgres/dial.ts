import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { ResourceView } from '../../core/views.ts';
import { ALPN } from './entrance.ts';
import { SSL_REQUEST_PACKET, WireError } from './wire.ts';

/** A connection to a resource in which nothing has been said. */
export interface Dialled {
  readonly raw: Socket;
  /** What is said goes through this one; null where the resource asks for no encryption. */
  readonly secure: TLSSocket | null;
}

/**
 * Connects to a resource in the way that it asks for, and verifies the server as its mode says.
 *
 * @param deadline by when, as `Date.now` tells it
 * @param report called as each step is done
 * @throws Error or WireError that says why not
 */
export async function dial(
  resource: ResourceView,
  deadline: number,
  report: (step: 'connect' | 'tls', detail: string) => void = () => undefined,
): Promise<Dialled> {
  const raw = await openTcp(resource, Math.max(1, deadline - Date.now()));
  try {
    report('connect', `${resource.host}:${resource.port}`);
    if (resource.tls.mode === 'disable') return { raw, secure: null };
    const secure = await encrypt(raw, resource, deadline);
    report('tls', tlsOf(secure));
    return { raw, secure };
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

export const tlsOf = (socket: TLSSocket): string => `${socket.getProtocol()} ${socket.getCipher().name}`;

/** A TCP connection to a resource. Fails when there is none within `timeoutMs`. */
export function openTcp(resource: ResourceView, timeoutMs: number): Promise<Socket> {
  const socket = connect({ host: resource.host, port: resource.port, noDelay: true, keepAlive: true });
  return within<Socket>(Date.now() + timeoutMs, socket, (resolve) =>
    socket.once('connect', () => resolve(socket)),
  );
}

/**
 * Encrypts a connection in the way that the resource asks for, and verifies the server as its mode says.
 *
 * @throws Error or WireError that says why not
 * @see https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-SSLNEGOTIATION
 */
export async function encrypt(raw: Socket, resource: ResourceView, deadline: number): Promise<TLSSocket> {
  const { mode, ca, serverName, negotiation } = resource.tls;
  if (negotiation !== 'direct') await requestEncryption(raw, deadline);
  const name = serverName ?? resource.host;
  const socket = connectTls({
    socket: raw,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    secureContext: contextOf(ca),
    ALPNProtocols: [ALPN],
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full',
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  });
  await within<void>(deadline, socket, (resolve) => socket.once('secureConnect', () => resolve()));
  // Without it, what answers may be a server of another protocol that holds the same certificate.
  if (negotiation === 'direct' && socket.alpnProtocol !== ALPN)
    throw new WireError('the server does not negotiate the protocol "postgresql" (ALPN)');
  return socket;
}

async function requestEncryption(raw: Socket, deadline: number): Promise<void> {
  const answer = await within<Buffer>(deadline, raw, (resolve) => {
    raw.once('data', (chunk: Buffer) => {
      raw.pause();
      resolve(chunk);
    });
    raw.write(SSL_REQUEST_PACKET);
  });
  // Exactly one byte: anything behind it was put there before encryption.
  if (answer.length !== 1) throw new WireError('the server sent data before encryption');
  if (answer[0] !== 0x53) throw new WireError('the server does not offer TLS');
}

/** By the PEM of the authority: to read certificates anew costs as much as the handshake. */
const contexts = new Map<string, SecureContext>();
const MAX_CONTEXTS = 256;

function contextOf(ca: string | null): SecureContext {
  const key = ca ?? '';
  let context = contexts.get(key);
  if (context === undefined) {
    if (contexts.size >= MAX_CONTEXTS) contexts.clear();
    context = createSecureContext({ ...(ca === null ? {} : { ca }), minVersion: 'TLSv1.2' });
    contexts.set(key, context);
  }
  return context;
}

/** Settles with what `start` resolves, or fails on the socket's error, its end, or the deadline. */
export function within<T>(
  deadline: number,
  socket: Socket,
  start: (resolve: (value: T) => void, reject: (e: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.off('close', closed);
    };
    const fail = (error: Error): void => {
      done();
      // A socket that failed once may fail again while it is torn down; that adds nothing.
      socket.on('error', () => undefined);
      reject(error);
    };
    const closed = (): void => fail(new WireError('the server closed the connection'));
    const timer = setTimeout(
      () => fail(new WireError('no answer in time')),
      Math.max(1, deadline - Date.now()),
    );
    socket.once('error', fail);
    socket.once('close', closed);
    start((value) => {
      done();
      resolve(value);
    }, fail);
  });
}
