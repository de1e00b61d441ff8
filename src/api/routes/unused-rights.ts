import { Type } from 'typebox';
import { smallestScope, unusedOf } from '../../access/scopes.ts';
import { rfc3339 } from '../../core/time.ts';
import type { Grant } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers, listed, pageOf, personOf } from '../route.ts';
import { closed, listOf, page, Ref, refText } from '../schemas.ts';
import { seenOf, statementOf } from '../seen.ts';
import { fresh } from './activity.ts';

const DAY_MICROS = 86_400_000_000;
const Text = Type.String();
const Unused = Type.Object({
  id: Type.String({ description: 'of the grant' }),
  principal: Ref,
  resource: Ref,
  scope: Text,
  start: Text,
  end: Text,
  rights: Type.Integer({ description: 'how many the grant gives that are not used' }),
  unused: Type.Array(Type.Object({ verb: Text, object: Text })),
  unresolved: Type.Integer({
    description:
      'commands of which it could not be told which verb went to which object: each counts for each',
  }),
});

/** Rights of active grants that were given so long ago and not used since. */
export function unusedRightsRoutes(app: Api, deps: ApiDeps): void {
  const { principals, resources, grants, reviews } = deps.control;

  app.get(
    '/v1/unused-rights',
    {
      config: { operation: 'activity.read' },
      schema: {
        querystring: Type.Object(
          {
            ...page,
            days: Type.String({ pattern: '^[1-9][0-9]{0,3}$' }),
            principal: Type.Optional(refText),
            resource: Type.Optional(refText),
          },
          closed,
        ),
        response: answers(200, listOf(Unused)),
      },
    },
    async (request) => {
      const { days, principal, resource } = request.query;
      const wanted = pageOf(request.query);
      const since = rfc3339(reviews.now() - Number(days) * DAY_MICROS);
      const found = await grants.list(
        {
          status: 'active',
          principal: principal && (await principals.get(principal)).id,
          resource: resource && (await resources.get(resource)).id,
          owner: request.reach === 'own' ? personOf(request).id : undefined,
        },
        wanted,
      );
      await fresh(deps);
      const { items, next } = listed(found, wanted);
      const uses = new Map<string, Promise<Awaited<ReturnType<typeof smallestScope>>>>();
      const rows = [];
      for (const grant of items) {
        if (grant.start > since) continue;
        const key = `${grant.principal.id} ${grant.resource.id}`;
        const used = await (uses.get(key) ?? usedBy(deps, grant, since));
        uses.set(key, Promise.resolve(used));
        const unused = unusedOf([grant.scope], used);
        if (unused.length === 0) continue;
        const { id, scope, start, end } = grant;
        rows.push({
          ...{ id, scope, start, end, unused, rights: unused.length, unresolved: used.unresolved },
          principal: grant.principal,
          resource: grant.resource,
        });
      }
      return { items: rows, next };
    },
  );
}

/** What a principal used of a resource since then: under which of several grants is not told apart. */
async function usedBy(deps: ApiDeps, { principal, resource }: Grant, since: string) {
  const seen = seenOf(deps, { principal: principal.id, resource: resource.id, since });
  return smallestScope(
    await deps.control.resources.get(resource.id),
    seen.map(({ verbs, objects, allowed, lastAllowed }) => ({
      ...{ verbs, objects, commands: allowed },
      text: async () => (lastAllowed === null ? null : statementOf(deps, lastAllowed)),
    })),
  );
}
