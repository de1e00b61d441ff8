/** For tests: receivers that really listen, over TLS, and tell what they got. */
import 'reflect-metadata';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTls, type TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import * as x509 from '@peculiar/x509';
import { type Made, makeAuthority, makeCertificate } from '../../core/certificates.fixture.ts';

export interface Authority {
  readonly ca: Made;
  readonly server: Made;
}

/** An authority and the certificate of a server of it, by the name `localhost`. */
export async function makeServer(): Promise<Authority> {
  const ca = await makeAuthority();
  const use = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]);
  const names = [{ type: 'dns', value: 'localhost' }] as const;
  const server = await makeCertificate({
    by: ca,
    name: 'CN=siem',
    clientAuth: false,
    names,
    extensions: [use],
  });
  return { ca, server };
}

export interface Received {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** An https server that answers as it is told to. */
export async function httpsReceiver({ server: { pem, keyPem } }: Authority): Promise<{
  readonly url: string;
  readonly received: Received[];
  /** What the next requests are answered with; `null`: not at all. */
  answer: { status: number; headers?: Record<string, string>; body?: string } | null;
  close(): Promise<void>;
}> {
  const received: Received[] = [];
  const server = createHttps({ cert: pem, key: keyPem }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { answer } = receiver;
      if (answer === null) return;
      const body = gunzipSync(Buffer.concat(parts)).toString('utf8');
      received.push({ headers: request.headers, body });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const receiver = {
    url: `https://localhost:${(server.address() as AddressInfo).port}/events`,
    received,
    answer: { status: 200 } as { status: number; headers?: Record<string, string>; body?: string } | null,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** A syslog receiver that takes messages framed by their length, and nothing else. */
export async function syslogReceiver(
  { ca, server: { pem, keyPem } }: Authority,
  options: { readonly clients?: boolean } = {},
): Promise<{
  readonly port: number;
  readonly messages: string[];
  /** Breaks all connections. */
  drop(): void;
  /** Reads nothing any more, or again. */
  hold(held: boolean): void;
  close(): Promise<void>;
}> {
  const messages: string[] = [];
  const sockets = new Set<TLSSocket>();
  let holding = false;
  const auth = options.clients ? { requestCert: true, rejectUnauthorized: true, ca: ca.pem } : {};
  const server = createTls({ cert: pem, key: keyPem, ...auth }, (socket) => {
    sockets.add(socket);
    let held = '';
    if (holding) socket.pause();
    socket.on('data', (part: Buffer) => {
      held += part.toString('latin1');
      for (;;) {
        const space = held.indexOf(' ');
        if (space < 0) break;
        const length = Number(held.slice(0, space));
        if (!Number.isInteger(length)) throw new Error(`no length: ${held.slice(0, 40)}`);
        if (held.length < space + 1 + length) break;
        messages.push(held.slice(space + 1, space + 1 + length));
        held = held.slice(space + 1 + length);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    hold: (held) => {
      holding = held;
      for (const socket of sockets) held ? socket.pause() : socket.resume();
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
