import { Type } from 'typebox';
import type { Grant as GrantEntity, Person } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { requireItself } from '../itself.ts';
import { forbidden, owns, requireIndependence, requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, callerActor, listed, pageOf, personOf } from '../route.ts';
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

const ReleaseBody = Type.Object(
  { reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })) },
  { additionalProperties: false },
);

export function grantRoutes(app: Api, deps: ApiDeps): void {
  const { grants, principals, resources, requests } = deps.control;

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
    '/v1/grants/:id/release',
    {
      config: { operation: 'grant.release' },
      schema: { params: IdParams, body: ReleaseBody, response: answers(200, Grant) },
    },
    async (request) => {
      const grant = await grants.get(request.params.id);
      const { agent } = request;
      if (agent !== null) requireItself(agent, grant.principal.id);
      else await requireUser(personOf(request), grant);
      return grants.release(callerActor(request), grant.id, request.body.reason);
    },
  );

  /** Who answers for the principal, or asked for the grant. */
  const requireUser = async (person: Person, { principal, authority }: GrantEntity): Promise<void> => {
    if (owns(person, await principals.get(principal.id))) return;
    if (authority.request !== undefined) {
      const { requester } = await requests.get(authority.request);
      if (requester.kind === 'person' && requester.id === person.id) return;
    }
    throw forbidden('Who asked for a grant gives it back, or who answers for the principal.');
  };

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
