import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, personOf } from '../route.ts';
import { closed, IdParams, listOf, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';

const Text = Type.String();
const text = Type.String({ minLength: 1, maxLength: 500 });

const Ref = Type.Object({ id: Text, name: Text });

/** What every binding has, and what only those of a kind have. */
const Binding = Type.Object({
  id: Text,
  principal: Ref,
  kind: Text,
  issuer: Type.Optional(Text),
  audience: Type.Optional(orNull(Text)),
  claims: Type.Optional(Type.Record(Text, Text)),
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});

const BindingBody = Type.Object(
  {
    issuer: text,
    audience: text,
    claims: Type.Record(Type.String({ maxLength: 200 }), text, { maxProperties: 16 }),
    reason: Type.Optional(reason),
  },
  closed,
);

/** How principals prove themselves by tokens of an OIDC issuer. */
export function bindingRoutes(app: Api, deps: ApiDeps): void {
  const { bindings, principals } = deps.control;

  app.post(
    '/v1/principals/:ref/bindings',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: BindingBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const principal = await principals.get(request.params.ref);
      const made = await bindings.create(actorOf(request), {
        ...request.body,
        kind: 'oidc',
        principal: principal.id,
      });
      return reply.status(201).send(made);
    },
  );

  app.get(
    '/v1/principals/:ref/bindings',
    {
      config: { operation: 'binding.list' },
      schema: { params: RefParams, response: answers(200, listOf(Binding)) },
    },
    async (request) => {
      const principal = await principals.get(request.params.ref);
      requireOwn(personOf(request), request.reach, principal);
      return { items: await bindings.list(principal.id), next: null };
    },
  );

  app.post(
    '/v1/bindings/:id/remove',
    {
      config: { operation: 'binding.remove' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Binding) },
    },
    async (request) => {
      const binding = await bindings.get(request.params.id);
      requireOwn(personOf(request), request.reach, await principals.get(binding.principal.id));
      return bindings.remove(actorOf(request), binding.id, request.body.reason);
    },
  );
}
