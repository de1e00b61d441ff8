import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, RefParams, reason } from '../schemas.ts';
import { Binding } from './bindings.ts';

const Text = Type.String();
/** An assertion is short; a key is shorter. */
const token = Type.String({ minLength: 1, maxLength: 4096 });
const jwk = Type.Record(Type.String({ maxLength: 16 }), Type.String({ maxLength: 200 }), {
  maxProperties: 12,
});

const InviteBody = Type.Object(
  { ttlSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })), reason: Type.Optional(reason) },
  closed,
);
const Invited = Type.Object({ binding: Binding, token: Text });
const JoinBody = Type.Object({ token, jwk, proof: token }, closed);
const RotateBody = Type.Object({ assertion: token, jwk, proof: token }, closed);
const Joined = Type.Object({ binding: Binding, audience: Text });

/** Nobody has a reason to come more often. */
const LIMIT = { max: 30, timeWindow: 60_000 };
const open = { operation: 'public', rateLimit: LIMIT } as const;

/** How key pairs of clients are enrolled and replaced. Clients call these without a token of a person. */
export function joinRoutes(app: Api, deps: ApiDeps): void {
  const { keyPairs, principals } = deps.control;

  app.post(
    '/v1/principals/:ref/join-tokens',
    {
      config: { operation: 'binding.create' },
      schema: { params: RefParams, body: InviteBody, response: answers(201, Invited) },
    },
    async (request, reply) => {
      const { id } = await principals.get(request.params.ref);
      const made = await keyPairs.invite(actorOf(request), { ...request.body, principal: id });
      return reply.status(201).send(made);
    },
  );

  app.get(
    '/v1/join',
    { config: open, schema: { response: answers(200, Type.Object({ audience: Text })) } },
    async () => ({ audience: keyPairs.audience() }),
  );

  app.post(
    '/v1/join',
    { config: open, bodyLimit: 16_384, schema: { body: JoinBody, response: answers(201, Joined) } },
    async (request, reply) => {
      const { token: invitation, jwk: key, proof } = request.body;
      const binding = await keyPairs.join(invitation, key, proof);
      return reply.status(201).send({ binding, audience: keyPairs.audience() });
    },
  );

  app.post(
    '/v1/join/rotate',
    { config: open, bodyLimit: 16_384, schema: { body: RotateBody, response: answers(200, Joined) } },
    async (request) => {
      const { assertion, jwk: key, proof } = request.body;
      const binding = await keyPairs.rotate(assertion, key, proof);
      return { binding, audience: keyPairs.audience() };
    },
  );

  app.post(
    '/v1/token/challenge',
    {
      config: { operation: 'public', rateLimit: { max: 600, timeWindow: 60_000 } },
      schema: { response: answers(201, Type.Object({ nonce: Text, audience: Text })) },
    },
    async (_request, reply) =>
      reply.status(201).send({ nonce: deps.control.challenges.issue(), audience: keyPairs.audience() }),
  );
}
