import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, oneOf, RefParams, reason, refText } from '../schemas.ts';
import { Binding } from './bindings.ts';

const text = Type.String({ minLength: 1, maxLength: 500 });

const SpiffeBody = Type.Object(
  {
    spiffeId: Type.String({ minLength: 1, maxLength: 2048 }),
    audience: Type.Optional(text),
    reason: Type.Optional(reason),
  },
  closed,
);
const CertificateBody = Type.Object(
  {
    trust: Type.Optional(refText),
    by: oneOf(['subject', 'uri', 'dns', 'email', 'certificate', 'public_key'] as const),
    value: Type.String({ minLength: 1, maxLength: 1000 }),
    reason: Type.Optional(reason),
  },
  closed,
);

/** How principals prove themselves by a key that they hold. */
export function possessionRoutes(app: Api, deps: ApiDeps): void {
  const { possession, principals } = deps.control;

  app.post(
    '/v1/principals/:ref/bindings/spiffe',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: SpiffeBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const { reason: why, ...input } = request.body;
      const made = await possession.bind(actorOf(request), id, { kind: 'spiffe', ...input }, why);
      return reply.status(201).send(made);
    },
  );

  app.post(
    '/v1/principals/:ref/bindings/certificate',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: CertificateBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const { reason: why, ...input } = request.body;
      const made = await possession.bind(actorOf(request), id, { kind: 'certificate', ...input }, why);
      return reply.status(201).send(made);
    },
  );
}
