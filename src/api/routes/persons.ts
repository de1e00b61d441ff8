import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { forbidden, requireFreshly } from '../rights.ts';
import { type Api, actorOf, answers, callerOf, listed, pageOf, personOf } from '../route.ts';
import {
  listOf,
  PageQuery,
  Person,
  PersonBody,
  PersonUpdateBody,
  ReasonBody,
  RefParams,
  TokenBody,
} from '../schemas.ts';

export function personRoutes(app: Api, deps: ApiDeps): void {
  const { persons, tokens } = deps.control;

  app.post(
    '/v1/persons',
    { config: { operation: 'person.create' }, schema: { body: PersonBody, response: answers(201, Person) } },
    async (request, reply) => {
      // Who only answers for principals decides nothing about access.
      if (request.body.roles.some((role) => role !== 'owner')) requireFreshly(callerOf(request));
      return reply.status(201).send(await persons.create(actorOf(request), request.body));
    },
  );

  app.get(
    '/v1/persons',
    {
      config: { operation: 'person.list' },
      schema: { querystring: PageQuery, response: answers(200, listOf(Person)) },
    },
    async (request) => {
      const page = pageOf(request.query);
      return listed(await persons.list(page), page);
    },
  );

  app.get(
    '/v1/persons/:ref',
    { config: { operation: 'person.read' }, schema: { params: RefParams, response: answers(200, Person) } },
    async (request) => {
      const person = await persons.get(request.params.ref);
      if (request.reach === 'own' && person.id !== personOf(request).id) {
        throw forbidden('You may see yourself only.');
      }
      return person;
    },
  );

  app.post(
    '/v1/persons/:ref/update',
    {
      config: { operation: 'person.update' },
      schema: { params: RefParams, body: PersonUpdateBody, response: answers(200, Person) },
    },
    async (request) => {
      const { reason, ...change } = request.body;
      return persons.update(actorOf(request), request.params.ref, change, reason);
    },
  );

  app.post(
    '/v1/persons/:ref/enable',
    {
      config: { operation: 'person.enable' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Person) },
    },
    async (request) => persons.enable(actorOf(request), request.params.ref, request.body.reason),
  );

  app.post(
    '/v1/persons/:ref/disable',
    {
      config: { operation: 'person.disable' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Person) },
    },
    async (request) => persons.disable(actorOf(request), request.params.ref, request.body.reason),
  );

  app.post(
    '/v1/persons/:ref/tokens',
    {
      config: { operation: 'person.token' },
      schema: {
        params: RefParams,
        body: TokenBody,
        response: answers(201, Type.Object({ token: Type.String(), expiresAt: Type.String() })),
      },
    },
    async (request, reply) => {
      const person = await persons.get(request.params.ref);
      if (request.reach === 'own' && person.id !== personOf(request).id) {
        throw forbidden('You may issue tokens for yourself only.');
      }
      const caller = callerOf(request);
      // What outlives a session, or acts as somebody who decides about access, is not made by a session or token found lying about.
      const decides = person.id !== caller.person.id && person.roles.some((role) => role !== 'owner');
      if (caller.session !== null || decides) requireFreshly(caller);
      // A token that makes another one for sensitive acts would make itself live for ever.
      if (request.body.sensitive) {
        if (caller.session === null) throw forbidden('Only somebody who is signed in makes such a token.');
        requireFreshly(caller);
      }
      return reply.status(201).send(await tokens.issue(actorOf(request), person.id, request.body));
    },
  );
}
