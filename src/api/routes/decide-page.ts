import type { ApiDeps } from '../deps.ts';
import { pageFile, sendPage } from '../page.ts';
import type { Api } from '../route.ts';

/**
 * Where the links of notifications lead: a request, and the buttons to decide on it. The page is the same for everybody; its script
 * asks the API for the request as whoever is signed in, and decides with a POST of their session alone.
 */
export function decidePage(app: Api, deps: ApiDeps): void {
  const page = pageFile('request.html');
  app.get(
    '/requests/:id',
    { config: { operation: 'public' }, schema: { hide: true } },
    async (request, reply) => sendPage(deps, request, reply, page),
  );
  const script = pageFile('request.js');
  app.get(
    '/requests/request.js',
    { config: { operation: 'public' }, schema: { hide: true } },
    async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script),
  );
}
