/** An issuer of OIDC tokens on 127.0.0.1. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:https';

/** An issuer with one key, which can be exchanged. */
export class Issuer {
  readonly server: Server;
  key: KeyObject;
  kid = 'first';
  /** What the discovery document says besides, or instead. */
  says: Record<string, unknown> = {};
  #public: KeyObject;

  constructor(tls: { readonly certPem: string; readonly keyPem: string }) {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = pair.privateKey;
    this.#public = pair.publicKey;
    this.server = createServer({ cert: tls.certPem, key: tls.keyPem }, (request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/.well-known/openid-configuration') {
        response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.says }));
      } else if (request.url === '/keys') {
        response.end(
          JSON.stringify({ keys: [{ ...this.#public.export({ format: 'jwk' }), kid: this.kid }] }),
        );
      } else if (request.url === '/huge') {
        response.end('x'.repeat(1 << 20));
      } else if (request.url === '/moved') {
        response.writeHead(302, { location: `${this.url}/keys` }).end();
      } else {
        response.writeHead(404).end();
      }
    });
  }

  get url(): string {
    const address = this.server.address();
    return `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  token(over: object = {}, key = this.key): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.url, aud: 'postern', sub: 'job-1', iat: now, exp: now + 300, ...over };
    const signed = `${part({ alg: 'ES256', kid: this.kid })}.${part(claims)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}
