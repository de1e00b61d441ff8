import type { FastifyRequest } from 'fastify';
import { type TSchema, Type } from 'typebox';
import type { NewDisposition } from '../../access/alert/alerts.ts';
import { ALERT_RULE_NAMES, alertWords } from '../../core/alert-rules.ts';
import { PosternError } from '../../core/errors.ts';
import { ALERT_DISPOSITIONS, type Alert } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { requireFreshly, requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, callerOf, listed, pageOf, personOf } from '../route.ts';
import { closed, IdParams, idText, listOf, oneOf, orNull, page, Ref, reason, refText } from '../schemas.ts';

const Text = Type.String();
const rule = oneOf(ALERT_RULE_NAMES);
const Parameters = Type.Record(Text, Type.Number());
const said = { by: Ref, at: Text, reason: Text };
const AlertShape = Type.Object({
  id: Text,
  rule: Text,
  parameters: Parameters,
  text: Type.String({ description: 'what was found, in words' }),
  principal: Ref,
  owner: Ref,
  resource: orNull(Ref),
  values: Type.Array(Text),
  leaves: Type.Array(Type.Integer(), { description: 'of the log: the first ones by which it was found' }),
  count: Type.Integer({ description: 'how often it was found, at least' }),
  firstAt: Text,
  lastAt: Text,
  lastFound: Type.Integer({ description: 'the leaf at which it was found last' }),
  status: Text,
  acknowledged: orNull(Type.Object(said)),
  disposition: orNull(
    Type.Object({ kind: Text, ...said, suspended: Type.Boolean(), grants: Type.Array(Text) }),
  ),
  createdAt: Text,
});
const Shown = Type.Object({
  alert: AlertShape,
  records: Type.Array(Type.Unknown(), { description: 'the leaves that it names, as they stand in the log' }),
  refusal: orNull(Type.String({ description: 'why you do not close it; null: you may' })),
});
const ListQuery = Type.Object(
  {
    ...page,
    status: Type.Optional(oneOf(['open', 'acknowledged', 'closed', 'unresolved', 'all'] as const)),
    rule: Type.Optional(rule),
    principal: Type.Optional(refText),
    resource: Type.Optional(refText),
    owner: Type.Optional(refText),
  },
  closed,
);
const disposition = {
  kind: oneOf(['acknowledged', ...ALERT_DISPOSITIONS] as const),
  reason,
  what: Type.Optional(oneOf(['grants', 'principal'] as const)),
  expect: Type.Optional(Type.Boolean()),
};
const DisposeBody = Type.Object(disposition, closed);
/** Each is a change of its own, and a record; more of them are more calls. */
const BULK = 500;
const BulkBody = Type.Object(
  {
    dispositions: Type.Array(Type.Object({ alert: idText, ...disposition }, closed), {
      minItems: 1,
      maxItems: BULK,
    }),
  },
  closed,
);
const BulkAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      alert: Text,
      done: orNull(AlertShape),
      error: orNull(Type.Object({ code: Text, message: Text })),
    }),
  ),
});
const RulesShape = Type.Object({
  rules: Type.Record(Text, Type.Object({ enabled: Type.Boolean(), parameters: Parameters }) as TSchema),
  expected: Type.Array(Type.Object({ rule: Text, principal: Text, value: Text })),
});
const RuleBody = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean()),
    parameters: Type.Optional(
      Type.Record(Type.String({ maxLength: 40 }), Type.Integer(), { maxProperties: 8 }),
    ),
    reason,
  },
  closed,
);
const ForgetBody = Type.Object(
  { principal: refText, value: Type.String({ minLength: 1, maxLength: 200 }), reason },
  closed,
);
const RuleParams = Type.Object({ rule });

const shapeOf = (alert: Alert) => ({
  ...alert,
  text: alertWords(alert.rule, alert.values, alert.count),
});

/** What was found out of the ordinary, and what people make of it. */
export function alertRoutes(app: Api, deps: ApiDeps): void {
  const { alerts, principals, resources, persons } = deps.control;
  type Asked = Pick<FastifyRequest, 'caller' | 'reach'>;
  type Said = Omit<NewDisposition, 'kind'> & { readonly kind: NewDisposition['kind'] | 'acknowledged' };

  const dispose = async (request: Asked, id: string, { kind, ...more }: Said): Promise<Alert> => {
    const alert = await alerts.get(id);
    requireOwn(personOf(request), request.reach, await principals.get(alert.principal.id));
    if (kind !== 'acknowledged') {
      // It changes what is found from then on.
      if (more.expect === true) requireFreshly(callerOf(request));
      return alerts.dispose(actorOf(request), id, { kind, ...more });
    }
    if (more.what !== undefined || more.expect !== undefined) {
      throw new PosternError('POSTERN_INVALID', 'To acknowledge an alert changes nothing else.');
    }
    return alerts.acknowledge(actorOf(request), id, more.reason);
  };

  app.get(
    '/v1/alerts',
    {
      config: { operation: 'alert.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(AlertShape)) },
    },
    async (request) => {
      const { status = 'unresolved', rule: by, principal, resource, owner } = request.query;
      const wanted = pageOf(request.query);
      const about = principal === undefined ? undefined : await principals.get(principal);
      const person = personOf(request);
      if (about) requireOwn(person, request.reach, about);
      const filter = {
        status: status === 'all' ? undefined : status,
        rule: by,
        principal: about?.id,
        resource: resource === undefined ? undefined : (await resources.get(resource)).id,
        owner: request.reach === 'own' ? person.id : owner && (await persons.get(owner)).id,
      };
      return listed((await alerts.list(filter, wanted)).map(shapeOf), wanted);
    },
  );

  app.get(
    '/v1/alerts/:id',
    { config: { operation: 'alert.list' }, schema: { params: IdParams, response: answers(200, Shown) } },
    async (request) => {
      const person = personOf(request);
      const alert = await alerts.get(request.params.id);
      requireOwn(person, request.reach, await principals.get(alert.principal.id));
      const records = alert.leaves.flatMap((leaf) => {
        const found = deps.log.leaves(leaf, Number.MAX_SAFE_INTEGER).next();
        return found.done === true ? [] : [JSON.parse(found.value.entry.toString()) as object];
      });
      return { alert: shapeOf(alert), records, refusal: await alerts.refusal(alert, person, 'explained') };
    },
  );

  app.post(
    '/v1/alerts/:id/dispose',
    {
      config: { operation: 'alert.dispose' },
      schema: { params: IdParams, body: DisposeBody, response: answers(200, AlertShape) },
    },
    async (request) => shapeOf(await dispose(request, request.params.id, request.body)),
  );

  app.post(
    '/v1/alerts/dispose',
    {
      config: { operation: 'alert.dispose' },
      schema: { body: BulkBody, response: answers(200, BulkAnswer) },
    },
    async (request) => {
      const items = [];
      for (const { alert, ...each } of request.body.dispositions) {
        try {
          items.push({ alert, done: shapeOf(await dispose(request, alert, each)), error: null });
        } catch (error) {
          if (!(error instanceof PosternError) || error.code === 'POSTERN_AUDIT_UNAVAILABLE') throw error;
          items.push({ alert, done: null, error: { code: error.code, message: error.message } });
        }
      }
      return { items };
    },
  );

  app.get(
    '/v1/alert-rules',
    { config: { operation: 'alert.rules' }, schema: { response: answers(200, RulesShape) } },
    async () => alerts.rules(),
  );

  app.post(
    '/v1/alert-rules/:rule',
    {
      config: { operation: 'alert.rules.set' },
      schema: { params: RuleParams, body: RuleBody, response: answers(200, RulesShape) },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return alerts.set(actorOf(request), request.params.rule, change, why);
    },
  );

  app.post(
    '/v1/alert-rules/:rule/forget',
    {
      config: { operation: 'alert.rules.set' },
      schema: { params: RuleParams, body: ForgetBody, response: answers(200, RulesShape) },
    },
    async (request) => {
      const { principal, value, reason: why } = request.body;
      const { id } = await principals.get(principal);
      return alerts.forget(actorOf(request), request.params.rule, { principal: id, value }, why);
    },
  );
}
