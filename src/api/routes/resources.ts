import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import {
  listOf,
  PageQuery,
  ReasonBody,
  RefParams,
  Resource,
  ResourceAdminBody,
  ResourceBody,
  ResourceUpdateBody,
} from '../schemas.ts';

export function resourceRoutes(app: Api, deps: ApiDeps): void {
  const { control, gateway } = deps;
  const { resources } = control;

  app.post(
    '/v1/resources',
    {
      config: { operation: 'resource.create' },
      schema: { body: ResourceBody, response: answers(201, Resource) },
    },
    async (request, reply) => reply.status(201).send(await resources.create(actorOf(request), request.body)),
  );

  app.get(
    '/v1/resources',
    {
      config: { operation: 'resource.list' },
      schema: { querystring: PageQuery, response: answers(200, listOf(Resource)) },
    },
    async (request) => {
      const page = pageOf(request.query);
      return listed(await resources.list(page), page);
    },
  );

  app.get(
    '/v1/resources/:ref',
    {
      config: { operation: 'resource.read' },
      schema: { params: RefParams, response: answers(200, Resource) },
    },
    async (request) => resources.get(request.params.ref),
  );

  app.post(
    '/v1/resources/:ref/test',
    { config: { operation: 'resource.test' }, schema: { params: RefParams } },
    async (request) => gateway.testResource(await control.resourceView(request.params.ref)),
  );

  app.post(
    '/v1/resources/:ref/update',
    {
      config: { operation: 'resource.update' },
      schema: { params: RefParams, body: ResourceUpdateBody, response: answers(200, Resource) },
    },
    async (request) => {
      const { reason, ...change } = request.body;
      return resources.update(actorOf(request), request.params.ref, change, reason);
    },
  );

  app.post(
    '/v1/resources/:ref/admin',
    {
      config: { operation: 'resource.admin' },
      schema: { params: RefParams, body: ResourceAdminBody, response: answers(200, Resource) },
    },
    async (request) => {
      const { admin, reason } = request.body;
      return resources.setAdmin(actorOf(request), request.params.ref, admin, reason);
    },
  );

  app.post(
    '/v1/resources/:ref/retire',
    {
      config: { operation: 'resource.retire' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Resource) },
    },
    async (request) => resources.retire(actorOf(request), request.params.ref, request.body.reason),
  );
}
