import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { Delegation as DelegationEntity } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { owns } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import {
  Chain,
  closed,
  endingStatus,
  IdParams,
  listOf,
  orNull,
  page,
  ReasonBody,
  refText,
} from '../schemas.ts';

const Ref = Type.Object({ id: Type.String(), name: Type.String() });
const Delegation = Type.Object({
  id: Type.String(),
  subject: Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String() }),
  chain: Chain,
  actor: Ref,
  credential: orNull(Type.String()),
  expiresAt: Type.String(),
  status: Type.String(),
  endReason: orNull(Type.String()),
  endedAt: orNull(Type.String()),
  createdAt: Type.String(),
});

const Body = Type.Object(
  { actor: refText, ttlSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })) },
  closed,
);
const ListQuery = Type.Object({ ...page, status: Type.Optional(endingStatus) }, closed);

/** On whose behalf principals act: given by whom it concerns, taken back by them, the owner of who acts, or an administrator. */
export function delegationRoutes(app: Api, deps: ApiDeps): void {
  const { principals } = deps.control;
  const { delegations } = deps.control.own;

  app.post(
    '/v1/delegations',
    {
      config: { operation: 'delegation.create' },
      schema: {
        body: Body,
        response: answers(201, Type.Object({ delegation: Delegation, token: Type.String() })),
      },
    },
    async (request, reply) => {
      const { agent } = request;
      const given =
        agent === null
          ? await delegations.create(actorOf(request), null, request.body)
          : await delegations.create(
              { kind: 'principal', id: agent.principal.id, name: agent.principal.name },
              agent.credential,
              request.body,
            );
      return reply.status(201).send(given);
    },
  );

  app.get(
    '/v1/delegations',
    {
      config: { operation: 'delegation.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Delegation)) },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { status = 'active' } = request.query;
      const filter = {
        status: status === 'all' ? undefined : status,
        of: request.reach === 'own' ? personOf(request).id : undefined,
      };
      return listed(await delegations.list(filter, page), page);
    },
  );

  app.post(
    '/v1/delegations/:id/revoke',
    {
      config: { operation: 'delegation.revoke' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Delegation) },
    },
    async (request) => {
      const delegation = await delegations.get(request.params.id);
      const person = personOf(request);
      const own = async ({ subject, chain, actor }: DelegationEntity): Promise<boolean> =>
        [subject, ...chain].some(({ id }) => id === person.id) ||
        owns(person, await principals.get(actor.id));
      if (request.reach === 'own' && !(await own(delegation)))
        throw new PosternError('POSTERN_FORBIDDEN', 'This delegation is of somebody else.');
      return delegations.revoke(actorOf(request), delegation.id, request.body.reason);
    },
  );
}
