/** A service behind a real Postern: what the end-to-end tests of HTTP start from. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { CommandRow } from './bank.ts';
import { type PosternOptions, startPostern, type TestPostern } from './postern.ts';

export interface Credential {
  readonly username: string;
  readonly password: string;
  readonly credential: { readonly id: string };
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export class Service {
  readonly postern: TestPostern;
  readonly upstream: Server;
  /** What the upstream was asked, in order: `GET /path`. */
  readonly seen: string[] = [];
  /** Replaces what the upstream does. */
  handler: Handler | null = null;

  private constructor(postern: TestPostern) {
    this.postern = postern;
    this.upstream = createServer((request, response) => {
      this.seen.push(`${request.method} ${request.url}`);
      if (this.handler !== null) {
        this.handler(request, response);
        return;
      }
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
        );
      });
    });
  }

  static async start(options: PosternOptions = {}): Promise<Service> {
    const postern = await startPostern({ ...options, args: ['--http-port', '0', ...(options.args ?? [])] });
    const service = new Service(postern);
    await new Promise<void>((resolve) => service.upstream.listen(0, '127.0.0.1', resolve));
    await service.resource('accounts');
    await service.principal('reporter');
    return service;
  }

  async stop(): Promise<void> {
    this.upstream.closeAllConnections();
    await new Promise((resolve) => this.upstream.close(resolve));
    await this.postern.stop();
  }

  get port(): number {
    return this.postern.http?.port ?? 0;
  }

  async resource(name: string, over: object = {}): Promise<void> {
    await this.postern.call('POST', '/v1/resources', {
      name,
      protocol: 'http',
      host: '127.0.0.1',
      port: (this.upstream.address() as AddressInfo).port,
      http: { hosts: [], basePath: '', auth: { kind: 'bearer' } },
      tls: { mode: 'disable' },
      environment: 'test',
      classification: 'restricted',
      upstream: { user: 'postern', password: 'upstream-secret' },
      ...over,
    });
  }

  async principal(name: string): Promise<void> {
    await this.postern.call('POST', '/v1/principals', {
      name,
      kind: 'service_account',
      owner: 'admin@example.com',
      backupOwner: 'backup@example.com',
      purpose: 'end-to-end test',
      environment: 'test',
    });
  }

  async grant(scope: string, over: object = {}): Promise<string> {
    const { id } = await this.postern.call<{ id: string }>('POST', '/v1/grants', {
      principal: 'reporter',
      resource: 'accounts',
      scope,
      ttlSeconds: 3600,
      ticket: 'CHG-1',
      ...over,
    });
    return id;
  }

  credential(principal = 'reporter'): Promise<Credential> {
    return this.postern.call('POST', '/v1/credentials', { principal, ttlSeconds: 3600 });
  }

  /** As any client would: over TLS, with user and password. @param path from `/RESOURCE/` on */
  ask(
    credential: Credential | null,
    path: string,
    { method = 'GET', headers = {}, body, agent }: Ask = {},
  ): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const call = httpsRequest(
        {
          ...{
            host: '127.0.0.1',
            port: this.port,
            path,
            method,
            ca: this.postern.caPem,
            servername: 'localhost',
          },
          agent: agent ?? false,
          headers: { ...(credential && { authorization: basic(credential) }), ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (piece: string) => {
            text += piece;
          });
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          );
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  /** An encrypted connection, for what no client would send. */
  socket(): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { host: '127.0.0.1', port: this.port, ca: this.postern.caPem, servername: 'localhost' },
        () => resolve(socket),
      );
      socket.once('error', reject);
    });
  }

  /** Sends bytes and gives all that comes back until the connection closes, or is silent for a moment. */
  async raw(bytes: string | Buffer, quietMs = 1500): Promise<string> {
    const socket = await this.socket();
    return new Promise((resolve) => {
      let text = '';
      socket.setTimeout(quietMs, () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => resolve(text));
      socket.write(bytes);
    });
  }

  /** A command as the log has it, once it has its outcome. */
  async record(id: string): Promise<CommandRow & { readonly outcome: Record<string, unknown> | null }> {
    for (let tries = 0; ; tries++) {
      const found = await this.postern.call<CommandRow & { outcome: Record<string, unknown> | null }>(
        'GET',
        `/v1/activity/${id}`,
      );
      if (found.outcome !== null || found.decision === 'deny' || tries === 50) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async commands(): Promise<readonly CommandRow[]> {
    const { items } = await this.postern.call<{ items: CommandRow[] }>('GET', '/v1/activity?limit=200');
    return items.filter(({ type }) => type.startsWith('command.'));
  }
}

export const basic = ({ username, password }: Credential): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
