import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliError } from './failure.ts';

const DONE =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Postern</title><p>The command line is signed in. You can close this page.</p></html>';
const MINUTES = 5;

/**
 * Waits on the loopback interface for a browser on this machine to bring a code.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8252#section-7.3
 */
export class Loopback {
  readonly #server: Server;
  readonly #state = randomBytes(32).toString('base64url');
  /** What proves that the code was asked for here (RFC 7636). */
  readonly verifier = randomBytes(32).toString('base64url');

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Loopback> {
    const server = createServer({ requestTimeout: 5000, maxHeaderSize: 16_384 }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Loopback(server);
  }

  /** Where the browser is to go. */
  address(publicUrl: string, again: boolean): string {
    const url = new URL('/login', publicUrl);
    url.searchParams.set('port', String((this.#server.address() as AddressInfo).port));
    url.searchParams.set('challenge', createHash('sha256').update(this.verifier).digest('base64url'));
    url.searchParams.set('state', this.#state);
    if (again) url.searchParams.set('again', '1');
    return url.href;
  }

  /** The code, from the browser that was sent with the state of this call. @throws CliError after five minutes */
  code(): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new CliError('CLI_TIMEOUT', `nobody signed in within ${MINUTES} minutes`));
      }, MINUTES * 60_000);
      this.#server.on('request', (request, response) => {
        const url = new URL(request.url ?? '/', 'http://127.0.0.1');
        const code = url.searchParams.get('code');
        const fits = request.method === 'GET' && url.pathname === '/' && code !== null && code.length <= 6000;
        if (!fits || !same(url.searchParams.get('state') ?? '', this.#state)) {
          response.writeHead(400).end();
          return;
        }
        clearTimeout(timer);
        response
          .writeHead(200, {
            'content-type': 'text/html; charset=utf-8',
            'cache-control': 'no-store',
            connection: 'close',
          })
          .end(DONE, () => resolve(code));
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }
}

const same = (shown: string, state: string): boolean =>
  shown.length === state.length && timingSafeEqual(Buffer.from(shown, 'latin1'), Buffer.from(state));
