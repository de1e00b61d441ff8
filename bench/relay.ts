/**
 * The baseline: the least that a PostgreSQL relay in Node can do. It finds the message boundaries in both
 * directions, counts the messages, and forwards the buffers as they came; it decides and records nothing.
 *
 *   node bench/relay.ts LISTEN-PORT SERVER-PORT [CERTIFICATE KEY]
 *
 * With a certificate both legs use TLS, else neither does.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import { Framer } from './support/framer.ts';

/** SSLRequest: its length, then 1234 and 5679 in the upper and lower half. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function pump(from: Socket, to: Socket, framer: Framer): void {
  from.on('data', (chunk: Buffer) => {
    framer.push(chunk);
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('close', () => to.destroy());
  from.on('error', () => to.destroy());
}

function join(client: Socket, server: Socket): void {
  pump(client, server, new Framer(true));
  pump(server, client, new Framer(false));
}

/** Reads an SSLRequest, says yes, and returns the socket inside. */
function acceptTls(raw: Socket, secureContext: SecureContext): Promise<Socket> {
  return new Promise((resolve, reject) => {
    raw.once('error', reject);
    raw.once('data', (request: Buffer) => {
      if (!request.equals(SSL_REQUEST)) return reject(new Error('not an SSLRequest'));
      const secure = new TLSSocket(raw, { isServer: true, secureContext });
      raw.write('S');
      resolve(secure);
    });
  });
}

/** The way to the server on this machine; whose certificate it shows is of no interest here. */
function connectTls(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const raw = connect({ port, host: '127.0.0.1', noDelay: true });
    raw.once('error', reject);
    raw.once('connect', () => raw.write(SSL_REQUEST));
    raw.once('data', () => {
      const secure = tlsConnect({ socket: raw, rejectUnauthorized: false });
      secure.once('secureConnect', () => resolve(secure));
      secure.once('error', reject);
    });
  });
}

const [listenPort, serverPort, certificate, key] = process.argv.slice(2);
if (listenPort === undefined || serverPort === undefined) {
  throw new Error('usage: relay.ts LISTEN-PORT SERVER-PORT [CERTIFICATE KEY]');
}
const context =
  certificate !== undefined && key !== undefined
    ? createSecureContext({ cert: readFileSync(certificate), key: readFileSync(key) })
    : null;

const listener = createServer({ noDelay: true }, (client) => {
  if (context === null) {
    join(client, connect({ port: Number(serverPort), host: '127.0.0.1', noDelay: true }));
    return;
  }
  Promise.all([acceptTls(client, context), connectTls(Number(serverPort))]).then(
    ([inner, server]) => join(inner, server),
    (error: Error) => {
      process.stderr.write(`${error.message}\n`);
      client.destroy();
    },
  );
});
listener.listen(Number(listenPort), '127.0.0.1', 1024, () => process.stdout.write('listening\n'));
