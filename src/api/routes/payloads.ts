import { Type } from 'typebox';
import type { ErasureTarget } from '../../access/erasures.ts';
import { PosternError } from '../../core/errors.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import { IdParams, idText, listOf, page, ReasonBody, refText } from '../schemas.ts';

const closed = { additionalProperties: false };
const Text = Type.String();
const reason = Type.String({ minLength: 1, maxLength: 1000 });
const orNull = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Union([schema, Type.Null()]);
const Ref = Type.Object({ id: Text, name: Text });

const Hold = Type.Object({
  id: Text,
  principal: orNull(Ref),
  reason: Text,
  placedBy: Ref,
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});
const Preview = {
  principal: orNull(Ref),
  day: Text,
  kinds: Type.Array(Text),
  payloads: Type.Integer(),
  holds: Type.Array(Hold),
  journals: Type.Array(Text),
};
const Erasure = Type.Object({ ...Preview, records: orNull(Type.Integer()), record: orNull(Text) });
const Run = Type.Object({
  erased: Type.Array(Type.Object({ ...Preview, record: orNull(Text) })),
  held: Type.Array(Type.Object(Preview)),
});

const EraseBody = Type.Object(
  {
    record: Type.Optional(idText),
    principal: Type.Optional(refText),
    day: Type.Optional(Type.String({ format: 'date', maxLength: 10 })),
    reason: Type.Optional(reason),
    dryRun: Type.Optional(Type.Boolean()),
  },
  closed,
);
const HoldBody = Type.Object({ principal: Type.Optional(refText), reason }, closed);
const HoldsQuery = Type.Object(
  {
    ...page,
    status: Type.Optional(
      Type.Unsafe<'active' | 'released' | 'all'>({ type: 'string', enum: ['active', 'released', 'all'] }),
    ),
  },
  closed,
);
const days = orNull(Type.Integer({ minimum: 1, maximum: 36_500 }));
const Keep = { statements: days, parameters: days };
const Policy = Type.Object({
  ...Keep,
  classifications: Type.Record(Type.String(), Type.Object(Keep)),
});
const RetentionBody = Type.Object(
  {
    classification: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    statements: Type.Optional(days),
    parameters: Type.Optional(days),
    unset: Type.Optional(Type.Boolean()),
  },
  closed,
);
const RunBody = Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, closed);

/** Texts: destroying them, keeping them from being destroyed, and how long they are kept. */
export function payloadRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;

  app.post(
    '/v1/payloads/erase',
    {
      config: { operation: 'payload.erase' },
      schema: { body: EraseBody, response: answers(200, Erasure) },
    },
    async (request) => {
      const { dryRun = false, reason: why = '' } = request.body;
      const target = await targetOf(deps, request.body);
      if (!dryRun) return { ...(await control.erasures.erase(actorOf(request), target, why)), records: null };
      const preview = await control.erasures.preview(target);
      const records =
        'record' in target && preview.principal !== null
          ? await deps.activity.sharing(preview.principal.id, preview.day, target.commitments)
          : null;
      return { ...preview, records, record: null };
    },
  );

  app.get(
    '/v1/holds',
    {
      config: { operation: 'hold.list' },
      schema: { querystring: HoldsQuery, response: answers(200, listOf(Hold)) },
    },
    async (request) => {
      const { status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      return listed(await control.holds.list(status === 'all' ? {} : { status }, wanted), wanted);
    },
  );

  app.post(
    '/v1/holds',
    { config: { operation: 'hold.place' }, schema: { body: HoldBody, response: answers(201, Hold) } },
    async (request, reply) =>
      reply.status(201).send(await control.holds.place(actorOf(request), request.body)),
  );

  app.post(
    '/v1/holds/:id/release',
    {
      config: { operation: 'hold.release' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Hold) },
    },
    async (request) => control.holds.release(actorOf(request), request.params.id, request.body.reason),
  );

  app.get(
    '/v1/retention',
    { config: { operation: 'retention.read' }, schema: { response: answers(200, Policy) } },
    async () => control.retention.policy(),
  );

  app.post(
    '/v1/retention',
    {
      config: { operation: 'retention.set' },
      schema: { body: RetentionBody, response: answers(200, Policy) },
    },
    async (request) => control.retention.set(actorOf(request), request.body),
  );

  app.post(
    '/v1/retention/run',
    { config: { operation: 'retention.run' }, schema: { body: RunBody, response: answers(200, Run) } },
    async (request) =>
      control.erasures.retain(
        actorOf(request),
        await control.retention.policy(),
        (principal, day) => deps.activity.resourcesOf(principal, day),
        { dryRun: request.body.dryRun ?? false },
      ),
  );
}

/** @throws PosternError POSTERN_INVALID unless it is either a record or a principal and a day */
async function targetOf(
  deps: ApiDeps,
  {
    record,
    principal,
    day,
  }: {
    readonly record?: string | undefined;
    readonly principal?: string | undefined;
    readonly day?: string | undefined;
  },
): Promise<ErasureTarget> {
  if (record !== undefined && principal === undefined && day === undefined) {
    await deps.ledger.flush();
    const found = await deps.activity.record(record);
    const { payloads = {} } = found.record as { readonly payloads?: Record<string, { commitment: string }> };
    return { record, commitments: Object.values(payloads).map(({ commitment }) => commitment) };
  }
  if (record === undefined && principal !== undefined && day !== undefined) {
    await deps.ledger.flush();
    return { principal: (await deps.control.principals.get(principal)).id, day };
  }
  throw new PosternError('POSTERN_INVALID', 'Name either a record, or a principal and a day.');
}
