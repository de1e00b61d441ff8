import { Type } from 'typebox';
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
  ResourcePasswordBody,
  ResourceUpdateBody,
  RotatePasswordBody,
} from '../schemas.ts';

const ShownResource = Type.Interface([Resource], {
  faults: Type.Array(Type.String(), { description: 'what could not be done for it, in words' }),
});

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
      schema: { params: RefParams, response: answers(200, ShownResource) },
    },
    async (request) => {
      const resource = await resources.get(request.params.ref);
      const faults = [...control.rotation.faultsOf(resource.id), ...control.sourced.faultsOf(resource)];
      return { ...resource, faults };
    },
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
    '/v1/resources/:ref/password',
    {
      config: { operation: 'resource.password' },
      schema: { params: RefParams, body: ResourcePasswordBody, response: answers(200, Resource) },
    },
    async (request) => {
      const { login = 'upstream', reason, ...given } = request.body;
      return resources.setPassword(actorOf(request), request.params.ref, login, given, reason);
    },
  );

  app.post(
    '/v1/resources/:ref/rotate-password',
    {
      config: { operation: 'resource.rotate' },
      schema: { params: RefParams, body: RotatePasswordBody, response: answers(200, Resource) },
    },
    async (request) => {
      const { login = 'upstream', reason, everySeconds } = request.body;
      const { ref } = request.params;
      const actor = actorOf(request);
      if (everySeconds === undefined) return control.rotation.rotate(actor, ref, login, reason);
      const set = await resources.setRotation(actor, ref, everySeconds, reason);
      return everySeconds === null ? set : control.rotation.rotate(actor, ref, login, reason);
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
