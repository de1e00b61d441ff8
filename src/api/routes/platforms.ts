import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, RefParams, reason } from '../schemas.ts';
import { Binding } from './bindings.ts';

const text = Type.String({ minLength: 1, maxLength: 500 });

const AwsBody = Type.Object(
  {
    account: text,
    uniqueId: text,
    session: Type.Optional(text),
    region: text,
    audience: text,
    reason: Type.Optional(reason),
  },
  closed,
);

const KubernetesBody = Type.Object(
  {
    ...{ cluster: text, namespace: text, serviceAccount: text, uid: text, audience: text },
    reason: Type.Optional(reason),
  },
  closed,
);

/** Bindings to identities that their platform is asked about. */
export function platformRoutes(app: Api, deps: ApiDeps): void {
  const { platforms, principals } = deps.control;

  app.post(
    '/v1/principals/:ref/bindings/aws',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: AwsBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const { reason: why, ...input } = request.body;
      const made = await platforms.bind(actorOf(request), id, { kind: 'aws', ...input }, why);
      return reply.status(201).send(made);
    },
  );

  app.post(
    '/v1/principals/:ref/bindings/kubernetes',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: KubernetesBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const { reason: why, ...input } = request.body;
      const made = await platforms.bind(actorOf(request), id, { kind: 'kubernetes', ...input }, why);
      return reply.status(201).send(made);
    },
  );
}
