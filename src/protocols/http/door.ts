/** Accepted sockets on their way to a connection: encryption, and which version of HTTP is spoken. */
import { createServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { Connection, IDLE_MS, MAX_STREAMS, type Shared, sourceOf } from './connection.ts';
import type { NativeError } from './errors.ts';
import type { Response } from './exchange.ts';
import { answerRaw } from './raw-answer.ts';

const MAX_HEADER_BYTES = 32 * 1024;
const ALPN = ['h2', 'http/1.1'];

const NO_TUNNEL: NativeError = {
  code: 'POSTERN_UNSUPPORTED',
  message: 'there are no tunnels: what goes through them could not be seen',
  hint: 'Ask for the service by its name, or as https://GATEWAY/RESOURCE/PATH.',
};

/** Takes over accepted sockets and gives the requests on them to their connection. */
export class Door {
  readonly #shared: Shared;
  readonly #http1: HttpServer;
  readonly #http2: Http2Server;
  readonly #bySocket = new WeakMap<object, Connection>();
  readonly #tls: TlsServer;
  #options: SecureContextOptions;
  /** Connections that are being encrypted, by the address of the client. */
  readonly #encrypting = new Map<string, Connection>();
  /** Whose HTTP/2 session is being made. */
  #arriving: Connection | null = null;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#options = shared.gateway.tlsOptions();
    // A server of TLS that listens nowhere: what a TLSSocket made by hand hands over to HTTP/2 never arrives there.
    this.#tls = createTlsServer(
      {
        ...this.#options,
        requestCert: true,
        // Who issued it is looked at where somebody proves who they are by it.
        rejectUnauthorized: false,
        ALPNProtocols: ALPN,
        handshakeTimeout: shared.gateway.limits.handshakeMs,
      },
      (socket) => this.#encrypted(socket),
    );
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#http1 = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      insecureHTTPParser: false,
      requireHostHeader: false,
      keepAliveTimeout: IDLE_MS,
      noDelay: true,
    });
    // What is beyond a limit would not be seen here, and yet be there; the limit of bytes holds.
    this.#http1.maxHeadersCount = 0;
    this.#http1.on('request', (request, response) =>
      this.#of(request.socket)?.handle(request, response, false),
    );
    this.#http1.on('checkContinue', (request, response) =>
      this.#of(request.socket)?.handle(request, response, true),
    );
    this.#http1.on('checkExpectation', (request, response) =>
      this.#of(request.socket)?.unexpected(request, response),
    );
    this.#http1.on('upgrade', (request, socket: Duplex, head: Buffer) =>
      this.#of(request.socket)?.upgrade(request, socket, head),
    );
    this.#http1.on('connect', (_request, socket: Duplex) => answerRaw(socket, NO_TUNNEL));
    this.#http1.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (!socket.writable || error.code === 'ECONNRESET') socket.destroy();
      else
        answerRaw(socket, {
          code: 'POSTERN_PROTOCOL_VIOLATION',
          message: `the request is not valid HTTP (${error.code})`,
        });
    });
    this.#http2 = createHttp2Server({
      maxHeaderListPairs: 200,
      maxSessionMemory: 10,
      settings: {
        maxConcurrentStreams: MAX_STREAMS,
        maxHeaderListSize: MAX_HEADER_BYTES,
        enableConnectProtocol: false,
      },
    });
    this.#http2.on('session', (session) => {
      if (this.#arriving === null) return;
      this.#bySocket.set(session, this.#arriving);
      session.on('error', () => session.destroy());
    });
    this.#http2.on('request', (request, response) =>
      this.#of(request.stream.session)?.handle(request, response as unknown as Response, false),
    );
    this.#http2.on('checkContinue', (request, response) =>
      this.#of(request.stream.session)?.handle(request, response as unknown as Response, true),
    );
    this.#http2.on('sessionError', () => undefined);
  }

  #of(key: object | undefined | null): Connection | undefined {
    return key ? this.#bySocket.get(key) : undefined;
  }

  /** @param done called when the connection has proven whose it is, or is gone */
  accept(socket: Socket, done: () => void): void {
    const connection = new Connection(this.#shared, socket, done);
    this.#encrypting.set(connection.source, connection);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#encrypting.delete(connection.source);
      connection.closed();
    });
    const options = this.#shared.gateway.tlsOptions();
    if (options !== this.#options) {
      this.#options = options;
      this.#tls.setSecureContext(options);
    }
    this.#tls.emit('connection', socket);
  }

  #encrypted(socket: TLSSocket): void {
    const connection = this.#encrypting.get(sourceOf(socket));
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    this.#encrypting.delete(connection.source);
    socket.on('error', () => socket.destroy());
    connection.encrypted(socket);
    this.#take(connection, socket, socket.alpnProtocol === 'h2');
  }

  #take(connection: Connection, socket: Socket, isHttp2: boolean): void {
    this.#bySocket.set(socket, connection);
    if (!isHttp2) {
      this.#http1.emit('connection', socket);
      return;
    }
    this.#arriving = connection;
    this.#http2.emit('connection', socket);
    this.#arriving = null;
  }
}
