import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { requireFreshly } from '../rights.ts';
import { type Api, actorOf, answers, callerOf, personOf } from '../route.ts';
import { closed, IdParams, oneOf, ReasonBody, RefParams, reason, refText, timeText } from '../schemas.ts';
import { Binding } from './bindings.ts';

const text = Type.String({ minLength: 1, maxLength: 500 });

export const SpiffeBody = Type.Object(
  {
    spiffeId: Type.String({ minLength: 1, maxLength: 2048 }),
    audience: Type.Optional(text),
    reason: Type.Optional(reason),
  },
  closed,
);
export const CertificateBody = Type.Object(
  {
    trust: Type.Optional(refText),
    by: oneOf(['subject', 'uri', 'dns', 'email', 'certificate', 'public_key'] as const),
    value: Type.String({ minLength: 1, maxLength: 1000 }),
    reason: Type.Optional(reason),
  },
  closed,
);

const SshBody = Type.Object(
  {
    publicKey: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    trust: Type.Optional(refText),
    sshPrincipal: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    reason: Type.Optional(reason),
  },
  closed,
);

const SecretBody = Type.Object({ reason, approver: refText, expiresAt: timeText }, closed);
const SecretAnswer = Type.Object({ binding: Binding, username: Type.String(), password: Type.String() });

/** How principals prove themselves by a key that they hold. */
export function possessionRoutes(app: Api, deps: ApiDeps): void {
  const { possession, principals, staticSecrets } = deps.control;

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

  app.post(
    '/v1/principals/:ref/bindings/ssh',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: SshBody, response: answers(201, Binding) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const { reason: why, ...input } = request.body;
      const made = await possession.bind(actorOf(request), id, { kind: 'ssh', ...input }, why);
      return reply.status(201).send(made);
    },
  );

  app.post(
    '/v1/principals/:ref/bindings/secret',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: SecretBody, response: answers(201, SecretAnswer) },
    },
    async (request, reply) => {
      // A secret that lives for long is a sensitive thing to give out.
      requireFreshly(callerOf(request));
      const { id } = await principals.get(request.params.ref);
      const made = await staticSecrets.request(actorOf(request), { ...request.body, principal: id });
      return reply.status(201).send(made);
    },
  );

  app.post(
    '/v1/bindings/:id/approve',
    {
      config: { operation: 'binding.approve' },
      schema: { params: IdParams, response: answers(200, Binding) },
    },
    (request) => staticSecrets.approve(personOf(request), request.params.id),
  );

  app.post(
    '/v1/bindings/:id/decline',
    {
      config: { operation: 'binding.approve' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Binding) },
    },
    (request) => staticSecrets.decline(personOf(request), request.params.id, request.body.reason),
  );
}
