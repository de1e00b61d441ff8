/** An issuer of OIDC tokens on 127.0.0.1, which can also misbehave. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';

interface Key {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

function makeKey(kid: string): Key {
  return { kid, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

/** An issuer that signs with one key and publishes those that it likes. */
export class Issuer {
  readonly server: Server;
  current = makeKey('first');
  /** What it publishes; the current one where nothing else is said. */
  published: readonly Key[] | null = null;
  /** What the discovery document says besides, or instead. */
  says: Record<string, unknown> = {};
  /** Takes a request over from the issuer, where it returns true. */
  misbehave: ((request: IncomingMessage, response: ServerResponse) => boolean) | null = null;
  /** How often its keys were asked for. */
  asked = 0;

  constructor(tls: { readonly certPem: string; readonly keyPem: string }) {
    this.server = createServer({ cert: tls.certPem, key: tls.keyPem }, (request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/keys') this.asked += 1;
      if (this.misbehave?.(request, response)) return;
      if (request.url === '/.well-known/openid-configuration') {
        response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.says }));
      } else if (request.url === '/keys') {
        response.end(JSON.stringify(this.jwks));
      } else if (request.url === '/huge') {
        response.end('x'.repeat(1 << 20));
      } else if (request.url === '/moved') {
        response.writeHead(302, { location: `${this.url}/keys` }).end();
      } else {
        response.writeHead(404).end();
      }
    });
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  get url(): string {
    const address = this.server.address();
    return `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  get jwks(): { readonly keys: readonly object[] } {
    const keys = this.published ?? [this.current];
    return { keys: keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid })) };
  }

  /** Signs with a new key from now on. @returns the one before */
  rotate(kid: string): Key {
    const before = this.current;
    this.current = makeKey(kid);
    return before;
  }

  token(over: object = {}, key = this.current.privateKey, kid = this.current.kid): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.url, aud: 'postern', sub: 'job-1', iat: now, exp: now + 300, ...over };
    const signed = `${part({ alg: 'ES256', kid })}.${part(claims)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}
