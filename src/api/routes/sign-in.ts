import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { forbidden } from '../rights.ts';
import { type Api, actorOf, answers, callerOf, personOf } from '../route.ts';
import { closed, IdParams, orNull, ReasonBody, Ref, RefParams, reason } from '../schemas.ts';

export const PersonSession = Type.Object({
  id: Type.String(),
  person: Ref,
  kind: Type.String(),
  method: Type.String(),
  provider: orNull(Ref),
  source: Type.String(),
  authenticatedAt: orNull(Type.String()),
  createdAt: Type.String(),
  lastUsedAt: Type.String(),
  idleEndsAt: Type.String(),
  expiresAt: Type.String(),
});

const seconds = Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800 }));
const Ends = Type.Object({ idleSeconds: Type.Integer(), absoluteSeconds: Type.Integer() });
const EndsBody = Type.Optional(Type.Object({ idleSeconds: seconds, absoluteSeconds: seconds }, closed));
const Settings = Type.Object({ browser: Ends, cli: Ends, freshSeconds: Type.Integer() });

/** Sessions of people, and how long they live. */
export function signInRoutes(app: Api, deps: ApiDeps): void {
  const { persons, sessions, signIn } = deps.control;

  app.post(
    '/v1/logout',
    { config: { operation: 'whoami' }, schema: { response: answers(200, Type.Object({})) } },
    async (request, reply) => {
      const { session, person } = callerOf(request);
      if (session === null) throw forbidden('An API token has no session to end.');
      await sessions.logout(session, person);
      if (session.kind === 'browser') void reply.header('clear-site-data', '"cookies", "storage"');
      return {};
    },
  );

  app.get(
    '/v1/persons/:ref/sessions',
    {
      config: { operation: 'person.sessions' },
      schema: {
        params: RefParams,
        response: answers(200, Type.Object({ items: Type.Array(PersonSession) })),
      },
    },
    async (request) => {
      const person = await persons.get(request.params.ref);
      if (request.reach === 'own' && person.id !== personOf(request).id) {
        throw forbidden('You may see your own sessions only.');
      }
      return { items: await sessions.list(person.id) };
    },
  );

  app.post(
    '/v1/person-sessions/:id/end',
    {
      config: { operation: 'person.session.end' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Type.Object({})) },
    },
    async (request) => {
      const whose = request.reach === 'own' ? personOf(request).id : null;
      await sessions.end(actorOf(request), request.params.id, request.body.reason, whose);
      return {};
    },
  );

  app.get(
    '/v1/sign-in',
    { config: { operation: 'sign-in.read' }, schema: { response: answers(200, Settings) } },
    async () => signIn.settings(),
  );

  app.post(
    '/v1/sign-in',
    {
      config: { operation: 'sign-in.set' },
      schema: {
        body: Type.Object({ browser: EndsBody, cli: EndsBody, freshSeconds: seconds, reason }, closed),
        response: answers(200, Settings),
      },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return signIn.set(actorOf(request), change, why);
    },
  );
}
