/** For tests: principals that are bound to an issuer of the test's own, and a client of the token endpoint. */
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { request } from 'node:https';
import type { TestContext } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import { jwkThumbprint, signJws } from '../core/sign-jws.ts';
import type { Json, TestApi } from './api.fixture.ts';
import { testApi } from './api.fixture.ts';

export const ISSUER = 'https://issuer.example';
export const JWT = 'urn:ietf:params:oauth:token-type:jwt';
export const ACCESS = 'urn:ietf:params:oauth:token-type:access_token';
export const PASSWORD = 'urn:postern:token-type:scram-password';
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

export interface TokenAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Json;
}

interface How {
  readonly path?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TestExchange extends TestApi {
  /** A token of the platform for a workload. */
  platformToken(workload: string, claims?: object): string;
  /** Asks for a credential for a platform token, unless the parameters say otherwise. */
  ask(
    parameters: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
    how?: How,
  ): Promise<TokenAnswer>;
  /** Sends a body as it is. */
  post(body: string, headers: Readonly<Record<string, string>>, how?: How): Promise<TokenAnswer>;
  port(): number;
}

/** With the principals `deploy`, `agent` and `tool`, each bound to the workload of its name; `deploy` has a grant. */
export async function testExchange(context: TestContext): Promise<TestExchange> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwks = { keys: [pair.publicKey.export({ format: 'jwk' })] };
  const api = await testApi(context, {}, { fetchIssuerKeys: async (issuer) => ({ issuer, jwks }) });
  const { control, actor, admin } = api;
  const backup = await control.persons.create(actor, {
    name: 'Bo Backup',
    email: 'bo@example.org',
    roles: ['owner'],
  });
  for (const name of ['deploy', 'agent', 'tool']) {
    await control.principals.create(actor, {
      name,
      kind: 'workload',
      owner: admin.id,
      backupOwner: backup.id,
      purpose: 'x',
      environment: 'test',
    });
    await control.bindings.create(actor, {
      kind: 'oidc',
      principal: name,
      issuer: ISSUER,
      audience: 'postern',
      claims: { workload: name },
    });
  }
  await control.resources.create(actor, RESOURCE);
  await control.grants.create(actor, {
    principal: 'deploy',
    resource: RESOURCE.name,
    scope: 'select on a.*',
    ttlSeconds: 600,
  });
  const platformToken: TestExchange['platformToken'] = (workload, claims = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const said = { iss: ISSUER, aud: 'postern', sub: `job:${workload}`, iat: now, exp: now + 1800 };
    return signJws({}, { ...said, jti: randomUUID(), workload, ...claims }, pair.privateKey);
  };
  const port = (): number => api.deps.addresses().api.port;
  const post: TestExchange['post'] = (body, headers, { path = '/v1/token', ...tls } = {}) =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: port(), path, method: 'POST', agent: false, ...tls };
      const sent = request({ ...options, ca: api.deps.tls.caPem, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString();
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: JSON.parse(text) as Json,
          });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const ask: TestExchange['ask'] = (parameters, headers = {}, how = {}) => {
    const body = new URLSearchParams({ grant_type: EXCHANGE, ...parameters }).toString();
    return post(body, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, how);
  };
  return { ...api, platformToken, ask, post, port };
}

/** A proof of possession of a key. */
export function dpopProof(
  key: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  claims: Readonly<Record<string, unknown>>,
  header: object = {},
): string {
  const jwk = key.publicKey.export({ format: 'jwk' });
  const said = { jti: randomUUID(), iat: Math.floor(Date.now() / 1000), ...claims };
  return signJws({ typ: 'dpop+jwt', jwk, ...header }, said, key.privateKey);
}

export const thumbprintOf = (key: KeyObject): string =>
  jwkThumbprint(key.export({ format: 'jwk' }) as Readonly<Record<string, unknown>>) ?? '';
