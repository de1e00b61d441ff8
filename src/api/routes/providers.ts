import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, GroupRoles, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';

const word = Type.String({ minLength: 1, maxLength: 300 });
const Groups = orNull(
  Type.Object({ claim: Type.String({ minLength: 1, maxLength: 200 }), roles: GroupRoles }, closed),
);

const fields = {
  clientSecret: Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 2000 }))),
  scopes: Type.Optional(Type.Array(word, { maxItems: 20 })),
  domains: Type.Optional(Type.Array(word, { maxItems: 50 })),
  groups: Type.Optional(Groups),
  creates: Type.Optional(Type.Boolean()),
  ca: Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 65_536 }))),
};

const Provider = Type.Object({
  id: Type.String(),
  name: Type.String(),
  issuer: Type.String(),
  clientId: Type.String(),
  confidential: Type.Boolean(),
  scopes: Type.Array(Type.String()),
  domains: Type.Array(Type.String()),
  groups: orNull(Type.Object({ claim: Type.String(), roles: Type.Unsafe<object>({}) })),
  creates: Type.Boolean(),
  ca: orNull(Type.String()),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
  redirectUri: Type.String(),
});

/** OpenID providers through which people come in. */
export function providerRoutes(app: Api, deps: ApiDeps): void {
  const { providers, oidc } = deps.control.doors;
  type Found = Awaited<ReturnType<typeof providers.get>>;
  const shown = (provider: Found) => ({
    ...provider,
    redirectUri: `${deps.publicUrl()}/login/callback/${provider.name}`,
  });

  app.post(
    '/v1/providers',
    {
      config: { operation: 'provider.create' },
      schema: {
        body: Type.Object(
          { name: word, issuer: Type.String({ minLength: 1, maxLength: 500 }), clientId: word, ...fields },
          closed,
        ),
        response: answers(201, Provider),
      },
    },
    async (request, reply) =>
      reply.status(201).send(shown(await providers.create(actorOf(request), request.body))),
  );

  app.get(
    '/v1/providers',
    {
      config: { operation: 'provider.list' },
      schema: { response: answers(200, Type.Object({ items: Type.Array(Provider) })) },
    },
    async () => ({ items: (await providers.list()).map(shown) }),
  );

  app.post(
    '/v1/providers/:ref/update',
    {
      config: { operation: 'provider.update' },
      schema: {
        params: RefParams,
        body: Type.Object({ clientId: Type.Optional(word), ...fields, reason }, closed),
        response: answers(200, Provider),
      },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return shown(await providers.update(actorOf(request), request.params.ref, change, why));
    },
  );

  app.post(
    '/v1/providers/:ref/remove',
    {
      config: { operation: 'provider.remove' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Provider) },
    },
    async (request) =>
      shown(await providers.remove(actorOf(request), request.params.ref, request.body.reason)),
  );

  app.post(
    '/v1/providers/:ref/test',
    {
      config: { operation: 'provider.list' },
      schema: { params: RefParams, response: answers(200, Type.Object({ deviceFlow: Type.Boolean() })) },
    },
    async (request) => ({ deviceFlow: await oidc.hasDeviceFlow(await providers.get(request.params.ref)) }),
  );
}
