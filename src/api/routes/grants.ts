import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { requireIndependence, requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import { endingStatus, Grant, GrantBody, IdParams, listOf, page, ReasonBody, refText } from '../schemas.ts';

const ListQuery = Type.Object(
  {
    ...page,
    principal: Type.Optional(refText),
    resource: Type.Optional(refText),
    status: Type.Optional(endingStatus),
  },
  { additionalProperties: false },
);

export function grantRoutes(app: Api, deps: ApiDeps): void {
  const { grants, principals, resources } = deps.control;

  app.post(
    '/v1/grants',
    { config: { operation: 'grant.create' }, schema: { body: GrantBody, response: answers(201, Grant) } },
    async (request, reply) => {
      requireIndependence(personOf(request), await principals.get(request.body.principal));
      return reply.status(201).send(await grants.create(actorOf(request), request.body));
    },
  );

  app.get(
    '/v1/grants',
    {
      config: { operation: 'grant.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Grant)) },
    },
    async (request) => {
      const { principal, resource, status = 'active' } = request.query;
      const page = pageOf(request.query);
      const filter = {
        principal: principal && (await principals.get(principal)).id,
        resource: resource && (await resources.get(resource)).id,
        status: status === 'all' ? undefined : status,
        owner: request.reach === 'own' ? personOf(request).id : undefined,
      };
      return listed(await grants.list(filter, page), page);
    },
  );

  app.get(
    '/v1/grants/:id',
    { config: { operation: 'grant.read' }, schema: { params: IdParams, response: answers(200, Grant) } },
    async (request) => {
      const grant = await grants.get(request.params.id);
      requireOwn(personOf(request), request.reach, await principals.get(grant.principal.id));
      return grant;
    },
  );

  app.post(
    '/v1/grants/:id/revoke',
    {
      config: { operation: 'grant.revoke' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Grant) },
    },
    async (request) => {
      const grant = await grants.get(request.params.id);
      requireOwn(personOf(request), request.reach, await principals.get(grant.principal.id));
      return grants.revoke(actorOf(request), grant.id, request.body.reason);
    },
  );
}
