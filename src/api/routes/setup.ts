import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers } from '../route.ts';
import { Person, SetupBody } from '../schemas.ts';

const PER_MINUTE = 10;

/** The first administrator comes in with the one-time token of the console. */
export function setupRoutes(app: Api, deps: ApiDeps): void {
  app.post(
    '/v1/setup',
    {
      config: { operation: 'public', rateLimit: { max: PER_MINUTE, timeWindow: 60_000 } },
      schema: {
        body: SetupBody,
        response: answers(
          201,
          Type.Object({ person: Person, token: Type.String(), expiresAt: Type.String() }),
        ),
      },
    },
    async (request, reply) => {
      const { token, name, email } = request.body;
      return reply.status(201).send(await deps.control.setup.complete(token, name, email));
    },
  );
}
