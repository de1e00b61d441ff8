import type { ApiDeps } from '../deps.ts';
import { type Api, personOf } from '../route.ts';

export function sessionRoutes(app: Api, deps: ApiDeps): void {
  app.get('/v1/sessions', { config: { operation: 'session.list' } }, async (request) => {
    const all = await deps.gateway.sessions();
    if (request.reach === 'all') return { items: all, next: null };
    const own = await deps.control.principals.list({ owner: personOf(request).id });
    const ids = new Set(own.map((principal) => principal.id));
    return { items: all.filter((session) => ids.has(session.principal.id)), next: null };
  });
}
