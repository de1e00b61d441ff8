import { Type } from 'typebox';
import { UNMANAGED_KINDS, UNMANAGED_STATUSES } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { reconcileWorld } from '../reconcile-world.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import {
  closed,
  IdParams,
  listOf,
  oneOf,
  orNull,
  page,
  Ref,
  RefParams,
  reason,
  refText,
  timeText,
} from '../schemas.ts';

const Text = Type.String();
const Count = Type.Integer();
const Balance = Type.Object({
  users: Text,
  since: Text,
  ran: Type.Integer({ description: 'statements, at least' }),
  recorded: Type.Integer({ description: 'at most' }),
  own: Type.Integer({ description: "Postern's own questions, at most" }),
  slack: Type.Integer({ description: 'what may lie between the counts' }),
});
const Reconciliation = Type.Object({
  id: Text,
  resource: Ref,
  at: Text,
  status: Text,
  why: orNull(Text),
  server: orNull(Text),
  user: orNull(Text),
  administering: Type.Boolean(),
  accounts: Count,
  connections: Count,
  found: Type.Object({ account: Count, connection: Count, statements: Count }),
  bounds: Type.Array(Type.String({ description: 'what could not be seen or compared' })),
  balances: Type.Array(Balance),
});
const Unmanaged = Type.Object({
  id: Text,
  resource: Ref,
  kind: Text,
  subject: Text,
  details: Type.Record(Text, Type.Unknown()),
  firstSeenAt: Text,
  lastToldAt: Text,
  status: Text,
  reopened: orNull(Text),
  disposition: orNull(
    Type.Object({
      kind: Text,
      by: Ref,
      at: Text,
      reason: Text,
      until: orNull(Text),
      owner: orNull(Ref),
    }),
  ),
});
const DisposeBody = Type.Object(
  {
    kind: oneOf(['accepted', 'adopted', 'remediated'] as const),
    reason,
    until: Type.Optional(timeText),
    owner: Type.Optional(refText),
  },
  closed,
);

/** Completeness against the resources: what reaches them without Postern, and what was said of it. */
export function reconciliationRoutes(app: Api, deps: ApiDeps): void {
  const { reconciliations, resources } = deps.control;
  const world = reconcileWorld(deps);
  const idOf = async (ref: string | undefined): Promise<string | undefined> =>
    ref === undefined ? undefined : (await resources.get(ref)).id;

  app.post(
    '/v1/resources/:ref/reconcile',
    {
      config: { operation: 'resource.reconcile' },
      schema: { params: RefParams, response: answers(200, Reconciliation) },
    },
    async (request) => reconciliations.run(actorOf(request), request.params.ref, world),
  );

  app.get(
    '/v1/reconciliations',
    {
      config: { operation: 'reconciliation.list' },
      schema: {
        querystring: Type.Object({ ...page, resource: Type.Optional(refText) }, closed),
        response: answers(200, listOf(Reconciliation)),
      },
    },
    async (request) => {
      const wanted = pageOf(request.query);
      const resource = await idOf(request.query.resource);
      return listed(await reconciliations.list({ resource }, wanted), wanted);
    },
  );

  app.get(
    '/v1/unmanaged',
    {
      config: { operation: 'unmanaged.list' },
      schema: {
        querystring: Type.Object(
          {
            ...page,
            resource: Type.Optional(refText),
            kind: Type.Optional(oneOf(UNMANAGED_KINDS)),
            status: Type.Optional(oneOf([...UNMANAGED_STATUSES, 'all'] as const)),
          },
          closed,
        ),
        response: answers(200, listOf(Unmanaged)),
      },
    },
    async (request) => {
      const { resource, kind, status = 'open' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        resource: await idOf(resource),
        kind,
        status: status === 'all' ? undefined : status,
      };
      return listed(await reconciliations.unmanaged(filter, wanted), wanted);
    },
  );

  app.get(
    '/v1/unmanaged/:id',
    {
      config: { operation: 'unmanaged.list' },
      schema: { params: IdParams, response: answers(200, Unmanaged) },
    },
    async (request) => reconciliations.get(request.params.id),
  );

  app.post(
    '/v1/unmanaged/:id/dispose',
    {
      config: { operation: 'unmanaged.dispose' },
      schema: { params: IdParams, body: DisposeBody, response: answers(200, Unmanaged) },
    },
    async (request) => reconciliations.dispose(actorOf(request), request.params.id, request.body),
  );
}
