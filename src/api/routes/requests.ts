import { Type } from 'typebox';
import { askersOf } from '../../access/request-context.ts';
import type { AccessRequest, Person } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { circumstancesOf, requireItself } from '../itself.ts';
import { forbidden, owns, requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, callerActor, listed, pageOf, personOf } from '../route.ts';
import {
  Conditions,
  closed,
  IdParams,
  idText,
  listOf,
  oneOf,
  orNull,
  page,
  ReasonBody,
  Ref,
  refText,
} from '../schemas.ts';

const Text = Type.String();
const short = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const seconds = Type.Integer({ minimum: 1, maximum: 7_776_000 });

const Request = Type.Object({
  id: Text,
  principal: Ref,
  resource: Ref,
  scope: Text,
  conditions: Conditions,
  seconds: Type.Integer(),
  start: orNull(Text),
  ticket: orNull(Text),
  justification: orNull(Text),
  emergency: Type.Boolean(),
  requester: Type.Object({ kind: Text, id: Text, name: Text }),
  alsoAskedBy: Type.Optional(
    Type.Array(Ref, { description: 'people who joined it: they do not decide on it either' }),
  ),
  source: orNull(Text),
  claims: Type.Record(Text, Text),
  rule: orNull(Type.Object({ policy: Text, revision: Type.Integer(), rule: Text })),
  needs: Type.Array(Text, { description: 'who still has to agree' }),
  approvals: Type.Array(
    Type.Object({ person: Ref, at: Text, comment: orNull(Text), via: Type.Optional(Text) }),
  ),
  status: Text,
  statusReason: orNull(Text),
  grant: orNull(Text),
  expiresAt: Text,
  createdAt: Text,
});
const Asked = Type.Interface([Request], {
  joined: Type.Boolean({ description: 'whether somebody had asked for the same already, and it waits' }),
});

const why = {
  ttlSeconds: seconds,
  ticket: Type.Optional(short(200)),
  justification: Type.Optional(short(2000)),
  emergency: Type.Optional(Type.Boolean()),
};
const RequestBody = Type.Object(
  {
    principal: refText,
    resource: refText,
    scope: short(16_384),
    conditions: Type.Optional(Conditions),
    start: Type.Optional(short(40)),
    ...why,
  },
  closed,
);
const RenewBody = Type.Object({ grant: idText, ...why }, closed);
const CommentBody = Type.Object({ comment: Type.Optional(short(1000)) }, closed);
const STATUSES = ['pending', 'granted', 'denied', 'withdrawn', 'lapsed', 'all'] as const;
const ListQuery = Type.Object(
  {
    ...page,
    principal: Type.Optional(refText),
    resource: Type.Optional(refText),
    status: Type.Optional(oneOf(STATUSES)),
  },
  closed,
);

/** Requests for access, and what people say to them. */
export function requestRoutes(app: Api, deps: ApiDeps): void {
  const { requests, principals, resources, grants } = deps.control;

  /** Who sees a request: who sees requests at all, who answers for the principal, who asked, who is asked or has agreed. */
  const seen = async (
    person: Person,
    reach: 'all' | 'own',
    request: AccessRequest,
  ): Promise<AccessRequest> => {
    if (reach === 'all' || askersOf(request).some(({ id }) => id === person.id)) return request;
    if (request.approvals.some((each) => each.person.id === person.id)) return request;
    if (owns(person, await principals.get(request.principal.id))) return request;
    if (await requests.asks(person, request)) return request;
    throw forbidden('This is a request of somebody else.');
  };

  app.post(
    '/v1/requests',
    {
      config: { operation: 'request.create' },
      schema: { body: RequestBody, response: answers(201, Asked) },
    },
    async (request, reply) => {
      const { agent, body } = request;
      const principal = await principals.get(body.principal);
      if (agent !== null) requireItself(agent, principal.id);
      else requireOwn(personOf(request), request.reach, principal);
      const how = agent === null ? undefined : circumstancesOf(agent, request.ip);
      const asked = await requests.ask(callerActor(request), body, how);
      return reply.status(201).send({ ...asked.request, joined: asked.joined });
    },
  );

  app.post(
    '/v1/requests/renew',
    {
      config: { operation: 'request.renew' },
      schema: { body: RenewBody, response: answers(201, Request) },
    },
    async (request, reply) => {
      const { grant, ...rest } = request.body;
      const renewed = await grants.get(grant);
      requireOwn(personOf(request), request.reach, await principals.get(renewed.principal.id));
      return reply.status(201).send(await requests.renew(actorOf(request), grant, rest));
    },
  );

  app.get(
    '/v1/requests',
    {
      config: { operation: 'request.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Request)) },
    },
    async (request) => {
      const { principal, resource, status = 'pending' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        principal: principal && (await principals.get(principal)).id,
        resource: resource && (await resources.get(resource)).id,
        status: status === 'all' ? undefined : status,
        owner: request.reach === 'own' ? personOf(request).id : undefined,
      };
      return listed(await requests.list(filter, wanted), wanted);
    },
  );

  app.get(
    '/v1/requests/inbox',
    { config: { operation: 'request.decide' }, schema: { response: answers(200, listOf(Request)) } },
    async (request) => {
      const person = personOf(request);
      const items: AccessRequest[] = [];
      for (const each of await requests.list({ status: 'pending' })) {
        if (await requests.asks(person, each)) items.push(each);
      }
      return { items, next: null };
    },
  );

  app.get(
    '/v1/requests/:id',
    { config: { operation: 'request.read' }, schema: { params: IdParams, response: answers(200, Request) } },
    async (request) => {
      const found = await requests.get(request.params.id);
      if (request.agent === null) return seen(personOf(request), request.reach, found);
      requireItself(request.agent, found.principal.id);
      return found;
    },
  );

  app.post(
    '/v1/requests/:id/approve',
    {
      config: { operation: 'request.decide' },
      schema: { params: IdParams, body: CommentBody, response: answers(200, Request) },
    },
    async (request) => requests.approve(actorOf(request), request.params.id, request.body.comment),
  );

  app.post(
    '/v1/requests/:id/deny',
    {
      config: { operation: 'request.decide' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Request) },
    },
    async (request) => requests.deny(actorOf(request), request.params.id, request.body.reason),
  );

  app.post(
    '/v1/requests/:id/withdraw',
    {
      config: { operation: 'request.withdraw' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Request) },
    },
    async (request) => {
      const found = await requests.get(request.params.id);
      if (request.agent !== null) {
        requireItself(request.agent, found.principal.id);
        return requests.withdraw(callerActor(request), found.id, request.body.reason);
      }
      const person = personOf(request);
      const mine = found.requester.id === person.id || person.roles.includes('admin');
      if (!mine && !owns(person, await principals.get(found.principal.id))) {
        throw forbidden('Who asked takes a request back, or who answers for the principal.');
      }
      return requests.withdraw(actorOf(request), found.id, request.body.reason);
    },
  );
}
