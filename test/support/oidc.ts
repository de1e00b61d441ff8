/** A real OpenID provider on 127.0.0.1, and a browser without a screen that goes through it. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface Account {
  email?: string;
  email_verified?: boolean;
  name?: string;
  groups?: string[];
}

export class OidcProvider {
  readonly server: Server;
  readonly issuer: string;
  /** By subject. */
  readonly accounts: Map<string, Account>;

  private constructor(server: Server, issuer: string, accounts: Map<string, Account>) {
    this.server = server;
    this.issuer = issuer;
    this.accounts = accounts;
  }

  /** @param redirectUris of the client `postern`, which has the secret `client-secret-of-the-test` */
  static async start(
    tls: { readonly certPem: string; readonly keyPem: string },
    redirectUris: readonly string[],
    configuration: object = {},
  ): Promise<OidcProvider> {
    const server = createServer({ cert: tls.certPem, key: tls.keyPem }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const issuer = `https://localhost:${(server.address() as AddressInfo).port}`;
    const accounts = new Map<string, Account>();
    const grants = ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'];
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: 'postern',
          client_secret: 'client-secret-of-the-test',
          redirect_uris: redirectUris,
          grant_types: grants,
        },
      ],
      cookies: { keys: ['a test key'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
      scopes: ['openid', 'email', 'profile', 'groups'],
      conformIdTokenClaims: false,
      features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
      findAccount: (_: unknown, sub: string) =>
        accounts.has(sub) ? { accountId: sub, claims: () => ({ sub, ...accounts.get(sub) }) } : undefined,
      ...configuration,
    });
    server.on('request', provider.callback());
    return new OidcProvider(server, issuer, accounts);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
}

/** Follows redirections and keeps cookies, as a browser does; knows the forms of the provider. */
export class HeadlessBrowser {
  readonly #ca: string;
  readonly cookies = new Map<string, Map<string, string>>();

  constructor(ca: string) {
    this.#ca = ca;
  }

  /** Where the browser is told to go, without going there. */
  async step(
    url: string,
    form?: Record<string, string>,
  ): Promise<Page & { readonly location: string | null }> {
    const target = new URL(url);
    const jar = this.#jar(target.host);
    const body = form === undefined ? undefined : new URLSearchParams(form).toString();
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise((resolve, reject) => {
      const call = request(
        target,
        {
          method: body === undefined ? 'GET' : 'POST',
          ca: this.#ca,
          agent: false,
          headers: {
            ...(cookie !== '' && { cookie }),
            ...(body !== undefined && {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          for (const line of response.headers['set-cookie'] ?? []) {
            const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
            if (value === '' || /max-age=0/i.test(line)) jar.delete(name);
            else jar.set(name, value);
          }
          let text = '';
          response.setEncoding('utf8').on('data', (piece: string) => {
            text += piece;
          });
          response.on('end', () => {
            const { location } = response.headers;
            resolve({
              url,
              status: response.statusCode ?? 0,
              text,
              location: location === undefined ? null : new URL(location, url).href,
            });
          });
          response.on('error', reject);
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  /**
   * Goes on from an address, filling in the provider's forms, until an address matches or there is nothing to follow.
   *
   * @param login the subject as whom the person signs in
   * @returns the last page, or the address that matched, which was not opened
   */
  async go(url: string, login: string, until?: RegExp): Promise<Page> {
    let page = await this.step(url);
    for (let i = 0; i < 20; i++) {
      if (page.location !== null) {
        if (until?.test(page.location)) return { url: page.location, status: 0, text: '' };
        page = await this.step(page.location);
        continue;
      }
      const action = /<form[^>]*action="([^"]+)"/.exec(page.text)?.[1];
      const prompt = /name="prompt" value="(\w+)"/.exec(page.text)?.[1];
      if (action === undefined || prompt === undefined) return page;
      const form = prompt === 'login' ? { prompt, login, password: 'any' } : { prompt };
      page = await this.step(new URL(action, page.url).href, form);
    }
    throw new Error(`no end of redirections at ${page.url}`);
  }

  #jar(host: string): Map<string, string> {
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    return jar;
  }
}
