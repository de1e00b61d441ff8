import { Type } from 'typebox';
import { checkPolicy } from '../../access/policies.ts';
import { backtest } from '../../access/policy/backtest.ts';
import { scopeRelations, smallestScope, unusedOf } from '../../access/scopes.ts';
import { checkTime } from '../../identity/input.ts';
import type { Principal, Resource } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, answers, personOf } from '../route.ts';
import { closed, orNull, Ref, RefParams, refText, timeText } from '../schemas.ts';
import { observedOf, seenOf, statementOf } from '../seen.ts';
import { fresh } from './activity.ts';

const Text = Type.String();
const Count = Type.Integer();
const Right = Type.Object({ verb: Text, object: Text });
const Sized = Type.Object({
  resource: Ref,
  granted: Type.Array(Text, { description: 'scopes of the grants that are active' }),
  suggested: orNull(Type.String({ description: 'the smallest scope that covers what was done' })),
  rights: Type.Array(Type.Object({ ...Right.properties, commands: Count })),
  unused: Type.Array(Right, { description: 'granted, and not used since' }),
  commands: Count,
  unresolved: Type.Integer({
    description: 'commands of which it could not be told which verb went to which object',
  }),
});
const Backtested = Type.Object({
  since: orNull(Text),
  commands: Count,
  classes: Count,
  unresolved: Count,
  free: Count,
  same: Count,
  refused: Count,
  rows: Type.Array(
    Type.Object({
      principal: Ref,
      resource: Ref,
      scope: Text,
      commands: Count,
      refused: Type.Boolean(),
      before: Text,
      after: Text,
      change: Text,
      example: orNull(Text),
    }),
  ),
});

/** What was used against what is granted, and what a change of the policy would have made of it. */
export function rightSizingRoutes(app: Api, deps: ApiDeps): void {
  const { principals, resources, grants, policies } = deps.control;

  app.get(
    '/v1/principals/:ref/right-sizing',
    {
      config: { operation: 'activity.read' },
      schema: {
        params: RefParams,
        querystring: Type.Object(
          { resource: Type.Optional(refText), since: Type.Optional(timeText) },
          closed,
        ),
        response: answers(200, Type.Object({ items: Type.Array(Sized) })),
      },
    },
    async (request) => {
      const principal = await principals.get(request.params.ref);
      requireOwn(personOf(request), request.reach, principal);
      const { resource, since } = request.query;
      const on = resource === undefined ? undefined : await resources.get(resource);
      await fresh(deps);
      const active = await grants.list({ principal: principal.id, resource: on?.id, status: 'active' });
      const seen = seenOf(deps, { principal: principal.id, resource: on?.id, since });
      const ids = new Set([
        ...active.map((grant) => grant.resource.id),
        ...seen.map((each) => each.resource.id),
      ]);
      const items = [];
      for (const id of ids) {
        const where = await resources.get(id);
        const granted = active.filter((grant) => grant.resource.id === id).map(({ scope }) => scope);
        const used = await smallestScope(
          where,
          seen
            .filter((each) => each.resource.id === id)
            .map(({ verbs, objects, allowed, lastAllowed }) => ({
              verbs,
              objects,
              commands: allowed,
              text: async () => (lastAllowed === null ? null : statementOf(deps, lastAllowed)),
            })),
        );
        items.push({
          resource: { id, name: where.name },
          granted,
          suggested: used.scope,
          rights: used.rights,
          unused: unusedOf(granted, used),
          commands: used.commands,
          unresolved: used.unresolved,
        });
      }
      return { items };
    },
  );

  app.post(
    '/v1/policies/:ref/backtest',
    {
      config: { operation: 'policy.backtest' },
      schema: {
        params: RefParams,
        body: Type.Object(
          {
            text: Type.String({ minLength: 1, maxLength: 100_000 }),
            since: Type.Optional(timeText),
          },
          closed,
        ),
        response: answers(200, Backtested),
      },
    },
    async (request) => {
      const { text, since } = request.body;
      const name = request.params.ref;
      const proposed = checkPolicy(name, text);
      const texts = await policies.list({ status: 'active' });
      const before = new Map(texts.map((each) => [each.name, checkPolicy(each.name, each.text)]));
      const after = new Map([...before, [name, proposed]]);
      await fresh(deps);
      const from = since === undefined ? '' : checkTime(since, 'time');
      const seen = observedOf(deps, { since }).map(({ lastAllowedAt, allowed, ...each }) => ({
        ...each,
        allowed: lastAllowedAt !== null && lastAllowedAt >= from ? allowed : 0,
      }));
      const people = new Map<string, Principal>();
      const places = new Map<string, Resource>();
      for (const { principal, resource } of seen) {
        if (!people.has(principal.id)) people.set(principal.id, await principals.get(principal.id));
        if (!places.has(resource.id)) places.set(resource.id, await resources.get(resource.id));
      }
      const rulesOf = (all: typeof before) => ({
        rules: [...all].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, { rules }]) => rules),
      });
      const world = {
        principal: (id: string) => people.get(id),
        resource: (id: string) => places.get(id),
        statement: (record: string) => statementOf(deps, record),
      };
      const done = await backtest(seen, rulesOf(before), rulesOf(after), world, scopeRelations);
      return { since: since ?? null, ...done };
    },
  );
}
