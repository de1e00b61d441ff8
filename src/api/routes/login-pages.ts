import type { ApiDeps } from '../deps.ts';
import { pageFile, sendPage } from '../page.ts';
import type { Api } from '../route.ts';

/** The pages of signing in. They are the same for everybody; what differs their script asks the API for. */
export function loginPages(app: Api, deps: ApiDeps): void {
  const page = pageFile('login.html');
  const assets = [
    ['/login/login.js', 'text/javascript; charset=utf-8', pageFile('login.js')],
    ['/login/login.css', 'text/css; charset=utf-8', pageFile('login.css')],
  ] as const;

  for (const path of ['/login', '/login/invitation']) {
    app.get(path, { config: { operation: 'public' }, schema: { hide: true } }, async (request, reply) =>
      sendPage(deps, request, reply, page),
    );
  }

  for (const [path, type, content] of assets) {
    app.get(path, { config: { operation: 'public' }, schema: { hide: true } }, async (_request, reply) =>
      reply.type(type).send(content),
    );
  }
}
