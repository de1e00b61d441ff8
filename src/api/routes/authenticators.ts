import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { ApiDeps } from '../deps.ts';
import { forbidden, requireFreshly } from '../rights.ts';
import { type Api, actorOf, answers, callerOf, personOf } from '../route.ts';
import { Authenticator, closed, IdParams, ReasonBody, RefParams } from '../schemas.ts';

/** By what people come in: passkeys, links to providers, recovery codes, invitations. */
export function authenticatorRoutes(app: Api, deps: ApiDeps): void {
  const { doors, persons, sessions } = deps.control;
  const party = (): { origin: string } => ({ origin: deps.publicUrl() });

  app.get(
    '/v1/persons/:ref/authenticators',
    {
      config: { operation: 'authenticator.list' },
      schema: {
        params: RefParams,
        response: answers(
          200,
          Type.Object({ items: Type.Array(Authenticator), recoveryCodesLeft: Type.Integer() }),
        ),
      },
    },
    async (request) => {
      const person = await persons.get(request.params.ref);
      if (request.reach === 'own' && person.id !== personOf(request).id) {
        throw forbidden('You may see your own only.');
      }
      return {
        items: await doors.authenticators.list(person.id),
        recoveryCodesLeft: await doors.recovery.left(person.id),
      };
    },
  );

  app.post(
    '/v1/authenticators/:id/remove',
    {
      config: { operation: 'authenticator.remove' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Authenticator) },
    },
    async (request) => {
      const whose = request.reach === 'own' ? personOf(request).id : null;
      const { id } = request.params;
      const { reason } = request.body;
      const removed = await doors.authenticators.remove(actorOf(request), id, reason, whose);
      // Whoever had it may be signed in with it.
      const own = callerOf(request).session?.id;
      for (const session of await sessions.list(removed.person.id)) {
        if (session.id !== own)
          await sessions.end(actorOf(request), session.id, 'authenticator removed', null);
      }
      return removed;
    },
  );

  app.post(
    '/v1/persons/:ref/invitations',
    {
      config: { operation: 'person.invite' },
      schema: {
        params: RefParams,
        body: Type.Object(
          { ttlSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 604_800 })) },
          closed,
        ),
        response: answers(
          201,
          Type.Object({ url: Type.String(), token: Type.String(), expiresAt: Type.String() }),
        ),
      },
    },
    async (request, reply) => {
      const person = await persons.get(request.params.ref);
      if (request.reach === 'own' && person.id !== personOf(request).id) {
        throw forbidden('You may invite yourself only.');
      }
      const issued = await doors.invitations.issue(actorOf(request), person.id, request.body.ttlSeconds);
      // Behind "#" it stays in the browser: no server, proxy or log sees it.
      const url = `${deps.publicUrl()}/login/invitation#${issued.token}`;
      return reply.status(201).send({ ...issued, url });
    },
  );

  app.post(
    '/v1/passkeys/begin',
    {
      config: { operation: 'authenticator.add' },
      schema: {
        response: answers(200, Type.Object({ options: Type.Unsafe<object>({}), ticket: Type.String() })),
      },
    },
    async (request) => {
      requireRightToAdd(callerOf(request));
      return doors.passkeys.beginEnrolment(personOf(request), party());
    },
  );

  app.post(
    '/v1/passkeys',
    {
      config: { operation: 'authenticator.add' },
      schema: {
        body: Type.Object(
          {
            ticket: Type.String({ minLength: 1, maxLength: 6000 }),
            response: Type.Object({ id: Type.String({ maxLength: 2000 }) }, { additionalProperties: true }),
            label: Type.String({ minLength: 1, maxLength: 100 }),
          },
          closed,
        ),
        response: answers(201, Authenticator),
      },
      bodyLimit: 65_536,
    },
    async (request, reply) => {
      requireRightToAdd(callerOf(request));
      return reply
        .status(201)
        .send(await doors.passkeys.enrol(personOf(request), party(), request.body, null));
    },
  );

  app.post(
    '/v1/recovery-codes',
    {
      config: { operation: 'recovery.issue' },
      schema: { response: answers(201, Type.Object({ recoveryCodes: Type.Array(Type.String()) })) },
    },
    async (request, reply) => {
      if (callerOf(request).session === null) throw forbidden('Recovery codes are made by who is signed in.');
      return reply.status(201).send({ recoveryCodes: await doors.recovery.issue(personOf(request)) });
    },
  );
}

/** A new passkey is for somebody who has just shown who they are, or who has come in by a recovery code to make one. */
function requireRightToAdd(caller: ReturnType<typeof callerOf>): void {
  if (caller.session === null) {
    throw new PosternError(
      'POSTERN_FORBIDDEN',
      'A passkey is made by who is signed in.',
      'Or by an invitation.',
    );
  }
  if (caller.session.method !== 'recovery_code') requireFreshly(caller);
}
