import { readFileSync } from 'node:fs';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../route.ts';

const file = (name: string): string => readFileSync(new URL(`../pages/${name}`, import.meta.url), 'utf8');

/** Nothing but what this installation serves itself, in no frame; forms are sent by the script alone. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The pages of signing in. They are the same for everybody; what differs their script asks the API for. */
export function loginPages(app: Api, deps: ApiDeps): void {
  const page = file('login.html');
  const assets = [
    ['/login/login.js', 'text/javascript; charset=utf-8', file('login.js')],
    ['/login/login.css', 'text/css; charset=utf-8', file('login.css')],
  ] as const;

  for (const path of ['/login', '/login/invitation']) {
    app.get(path, { config: { operation: 'public' }, schema: { hide: true } }, async (request, reply) => {
      const { host, origin } = new URL(deps.publicUrl());
      // Passkeys and cookies are of one name; who comes by another is sent there.
      if (request.headers.host !== host) return reply.redirect(`${origin}${request.url}`, 307);
      return reply
        .header('content-security-policy', POLICY)
        .header('referrer-policy', 'no-referrer')
        .type('text/html; charset=utf-8')
        .send(page);
    });
  }

  for (const [path, type, content] of assets) {
    app.get(path, { config: { operation: 'public' }, schema: { hide: true } }, async (_request, reply) =>
      reply.type(type).send(content),
    );
  }
}
