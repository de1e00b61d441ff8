import { Type } from 'typebox';
import { checkPolicy, runCases } from '../../access/policies.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, listOf, oneOf, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';

const Text = Type.String();
const Policy = Type.Object({
  id: Text,
  name: Text,
  revision: Type.Integer(),
  text: Text,
  status: Text,
  statusReason: orNull(Text),
  createdAt: Text,
});
const source = Type.String({ minLength: 1, maxLength: 100_000 });
export const PolicyBody = Type.Object({ text: source, reason }, closed);
const CheckAnswer = Type.Object({
  rules: Type.Array(Type.Object({ name: Text, effect: Text })),
  cases: Type.Array(Type.Object({ name: Text, passed: Type.Boolean(), expected: Text, got: Text })),
});

/** The access policy: texts with revisions. */
export function policyRoutes(app: Api, deps: ApiDeps): void {
  const { policies } = deps.control;

  app.get(
    '/v1/policies',
    {
      config: { operation: 'policy.list' },
      schema: {
        querystring: Type.Object(
          { status: Type.Optional(oneOf(['active', 'retired', 'all'] as const)) },
          closed,
        ),
        response: answers(200, listOf(Policy)),
      },
    },
    async (request) => {
      const { status = 'active' } = request.query;
      const items = await policies.list({ status: status === 'all' ? undefined : status });
      return { items, next: null };
    },
  );

  app.get(
    '/v1/policies/:ref',
    { config: { operation: 'policy.list' }, schema: { params: RefParams, response: answers(200, Policy) } },
    async (request) => policies.get(request.params.ref),
  );

  app.post(
    '/v1/policies/:ref',
    {
      config: { operation: 'policy.put' },
      schema: {
        params: RefParams,
        body: PolicyBody,
        response: answers(200, Policy),
      },
    },
    async (request) => {
      const { text, reason } = request.body;
      return policies.put(actorOf(request), request.params.ref, text, reason);
    },
  );

  app.post(
    '/v1/policies/:ref/retire',
    {
      config: { operation: 'policy.retire' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Policy) },
    },
    async (request) => policies.retire(actorOf(request), request.params.ref, request.body.reason),
  );

  app.post(
    '/v1/policies/:ref/check',
    {
      config: { operation: 'policy.list' },
      schema: {
        params: RefParams,
        body: Type.Object({ text: source }, closed),
        response: answers(200, CheckAnswer),
      },
    },
    async (request) => {
      const read = checkPolicy(request.params.ref, request.body.text);
      return { rules: read.rules.map(({ name, effect }) => ({ name, effect })), cases: runCases(read) };
    },
  );
}
