import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import { closed, listOf, orNull, page, reason, refText } from '../schemas.ts';

const Text = Type.String();
const Policy = Type.Object({ rehomeDays: Type.Integer(), unusedDays: orNull(Type.Integer()) });
const PolicyBody = Type.Object(
  {
    rehomeDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 365 })),
    unusedDays: Type.Optional(orNull(Type.Integer({ minimum: 1, maximum: 3650 }))),
    reason,
  },
  closed,
);

const Notice = Type.Object({
  id: Text,
  principal: Type.Object({ id: Text, name: Text }),
  kind: Text,
  to: orNull(Type.Object({ id: Text, name: Text, email: Text })),
  text: Text,
  effectiveAt: orNull(Text),
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});
const NoticesQuery = Type.Object(
  {
    ...page,
    status: Type.Optional(
      Type.Unsafe<'open' | 'ended' | 'all'>({ type: 'string', enum: ['open', 'ended', 'all'] }),
    ),
    to: Type.Optional(refText),
    principal: Type.Optional(refText),
  },
  closed,
);

/** When principals are suspended that nobody answers for or uses, and who has to be told about it. */
export function lifecycleRoutes(app: Api, deps: ApiDeps): void {
  const { lifecycle, persons, principals } = deps.control;

  app.get(
    '/v1/lifecycle',
    { config: { operation: 'lifecycle.read' }, schema: { response: answers(200, Policy) } },
    async () => lifecycle.policy(),
  );

  app.post(
    '/v1/lifecycle',
    {
      config: { operation: 'lifecycle.set' },
      schema: { body: PolicyBody, response: answers(200, Policy) },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return lifecycle.set(actorOf(request), change, why);
    },
  );

  app.get(
    '/v1/notices',
    {
      config: { operation: 'notice.list' },
      schema: { querystring: NoticesQuery, response: answers(200, listOf(Notice)) },
    },
    async (request) => {
      const { status = 'open', to, principal } = request.query;
      const wanted = pageOf(request.query);
      const own = request.reach === 'own' ? personOf(request).id : undefined;
      const about = principal === undefined ? undefined : await principals.get(principal);
      if (about) requireOwn(personOf(request), request.reach, about);
      const filter = {
        status: status === 'all' ? undefined : status,
        to: own ?? (to && (await persons.get(to)).id),
        principal: about?.id,
      };
      return listed(await lifecycle.notices(filter, wanted), wanted);
    },
  );
}
