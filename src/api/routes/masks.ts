import { Type } from 'typebox';
import { maskBacktest } from '../../access/mask-backtest.ts';
import { maskView } from '../../access/views.ts';
import { DETECTORS, TRANSFORMS } from '../../core/masks.ts';
import { CLASS_NAMES } from '../../masking/classes.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import {
  closed,
  idText,
  listOf,
  orNull,
  page,
  ReasonBody,
  RefParams,
  reason,
  refText,
  timeText,
} from '../schemas.ts';
import { seenOf, statementOf } from '../seen.ts';
import { fresh } from './activity.ts';

const Text = Type.String();
const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values });
const Ref = Type.Object({ id: Text, name: Text });

const Mask = Type.Object({
  id: Text,
  name: Text,
  revision: Type.Integer(),
  resource: orNull(Ref),
  principal: orNull(Ref),
  grant: orNull(Text),
  match: Type.Object({
    columns: Type.Array(Text),
    names: Type.Array(Text),
    detectors: Type.Array(Text),
  }),
  transform: Type.Object({
    kind: Text,
    keep: Type.Optional(Type.Integer()),
    date: Type.Optional(Text),
    bucket: Type.Optional(Type.Integer()),
    prefix: Type.Optional(Type.Integer()),
  }),
  probes: Text,
  status: Text,
  statusReason: orNull(Text),
  createdAt: Text,
});

const patterns = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 400 }), { maxItems: 200 }));
const rule = {
  classes: Type.Optional(Type.Array(oneOf(CLASS_NAMES), { maxItems: 20 })),
  columns: patterns,
  names: patterns,
  detectors: Type.Optional(Type.Array(oneOf(DETECTORS), { maxItems: 50 })),
  transform: Type.Optional(
    Type.Object(
      {
        kind: oneOf(TRANSFORMS),
        keep: Type.Optional(Type.Integer()),
        date: Type.Optional(oneOf(['month', 'year'] as const)),
        bucket: Type.Optional(Type.Integer()),
        prefix: Type.Optional(Type.Integer()),
      },
      closed,
    ),
  ),
  probes: Type.Optional(oneOf(['deny', 'allow'] as const)),
};
export const MaskBody = Type.Object(
  {
    ...rule,
    name: Type.Optional(refText),
    resource: Type.Optional(refText),
    principal: Type.Optional(refText),
    grant: Type.Optional(idText),
    reason: Type.Optional(reason),
  },
  closed,
);
export const MaskUpdateBody = Type.Object({ ...rule, reason }, closed);
const BacktestBody = Type.Object(
  {
    rules: Type.Array(
      Type.Object(
        { ...rule, name: refText, resource: Type.Optional(refText), principal: Type.Optional(refText) },
        closed,
      ),
      { minItems: 1, maxItems: 200 },
    ),
    since: Type.Optional(timeText),
  },
  closed,
);
const Backtested = Type.Object({
  since: orNull(Text),
  commands: Type.Integer(),
  classes: Type.Integer(),
  unread: Type.Integer({ description: 'commands whose text is kept no more, or could not be read' }),
  wholeRows: Type.Integer({
    description: 'commands that use all columns of a table: which those are is not known',
  }),
  searched: Type.Integer({
    description: 'commands for which other detectors hold: what they find is not known',
  }),
  rows: Type.Array(
    Type.Object({
      principal: Ref,
      resource: Ref,
      column: Text,
      commands: Type.Integer(),
      before: Text,
      after: Text,
      change: Text,
      example: orNull(Text),
    }),
  ),
});
const ListQuery = Type.Object(
  {
    ...page,
    resource: Type.Optional(refText),
    principal: Type.Optional(refText),
    status: Type.Optional(oneOf(['active', 'retired', 'all'] as const)),
  },
  closed,
);

/** Mask rules. Nothing here masks a text of the caller's: who could try values would learn which hash is whose. */
export function maskRoutes(app: Api, deps: ApiDeps): void {
  const { masks, principals, resources } = deps.control;

  app.post(
    '/v1/masks',
    { config: { operation: 'mask.create' }, schema: { body: MaskBody, response: answers(201, Mask) } },
    async (request, reply) => reply.status(201).send(await masks.create(actorOf(request), request.body)),
  );

  app.post(
    '/v1/masks/backtest',
    {
      config: { operation: 'mask.backtest' },
      schema: { body: BacktestBody, response: answers(200, Backtested) },
    },
    async (request) => {
      const { rules, since } = request.body;
      const { before, after } = await masks.proposed(rules);
      await fresh(deps);
      const done = await maskBacktest(
        seenOf(deps, { since }),
        before.map(maskView),
        after.map(maskView),
        (record) => statementOf(deps, record),
      );
      return { since: since ?? null, ...done };
    },
  );

  app.get(
    '/v1/masks',
    {
      config: { operation: 'mask.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Mask)) },
    },
    async (request) => {
      const { resource, principal, status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        resource: resource && (await resources.get(resource)).id,
        principal: principal && (await principals.get(principal)).id,
        status: status === 'all' ? undefined : status,
      };
      return listed(await masks.list(filter, wanted), wanted);
    },
  );

  app.get(
    '/v1/masks/:ref',
    { config: { operation: 'mask.read' }, schema: { params: RefParams, response: answers(200, Mask) } },
    async (request) => masks.get(request.params.ref),
  );

  app.post(
    '/v1/masks/:ref/update',
    {
      config: { operation: 'mask.update' },
      schema: { params: RefParams, body: MaskUpdateBody, response: answers(200, Mask) },
    },
    async (request) => masks.update(actorOf(request), request.params.ref, request.body, request.body.reason),
  );

  app.post(
    '/v1/masks/:ref/retire',
    {
      config: { operation: 'mask.retire' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Mask) },
    },
    async (request) => masks.retire(actorOf(request), request.params.ref, request.body.reason),
  );
}
