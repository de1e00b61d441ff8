import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, GroupRoles, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';

const ttlSeconds = Type.Optional(Type.Integer({ minimum: 60, maximum: 31_622_400 }));
const Directory = Type.Object({
  id: Type.String(),
  name: Type.String(),
  groups: Type.Unsafe<object>({}),
  tokenExpiresAt: Type.String(),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
});
const Issued = Type.Object({ directory: Directory, token: Type.String(), url: Type.String() });

/** Directories that tell of joiners and leavers. */
export function directoryRoutes(app: Api, deps: ApiDeps): void {
  const { directories } = deps.control.doors;
  const url = (): string => `${deps.publicUrl()}/scim/v2`;

  app.post(
    '/v1/directories',
    {
      config: { operation: 'directory.create' },
      schema: {
        body: Type.Object(
          { name: Type.String({ minLength: 1, maxLength: 200 }), groups: GroupRoles, ttlSeconds },
          closed,
        ),
        response: answers(201, Issued),
      },
    },
    async (request, reply) =>
      reply.status(201).send({ ...(await directories.create(actorOf(request), request.body)), url: url() }),
  );

  app.get(
    '/v1/directories',
    {
      config: { operation: 'directory.list' },
      schema: { response: answers(200, Type.Object({ items: Type.Array(Directory) })) },
    },
    async () => ({ items: await directories.list() }),
  );

  app.post(
    '/v1/directories/:ref/update',
    {
      config: { operation: 'directory.update' },
      schema: {
        params: RefParams,
        body: Type.Object({ groups: GroupRoles, reason }, closed),
        response: answers(200, Directory),
      },
    },
    async (request) => {
      const { groups, reason: why } = request.body;
      return directories.update(actorOf(request), request.params.ref, groups, why);
    },
  );

  app.post(
    '/v1/directories/:ref/token',
    {
      config: { operation: 'directory.update' },
      schema: {
        params: RefParams,
        body: Type.Object({ ttlSeconds }, closed),
        response: answers(201, Issued),
      },
    },
    async (request, reply) => {
      const { ref } = request.params;
      const issued = await directories.renew(actorOf(request), ref, request.body.ttlSeconds);
      return reply.status(201).send({ ...issued, url: url() });
    },
  );

  app.post(
    '/v1/directories/:ref/remove',
    {
      config: { operation: 'directory.remove' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Directory) },
    },
    async (request) => directories.remove(actorOf(request), request.params.ref, request.body.reason),
  );
}
