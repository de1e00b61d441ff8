import { Type } from 'typebox';
import { unavailable } from '../../activity/unavailable.ts';
import { answeredIn } from '../answered.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import { closed, listOf, orNull, page, Ref, refText } from '../schemas.ts';
import { fresh } from './activity.ts';

const Text = Type.String();
const leaf = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const LogReviewShape = Type.Object({
  id: Text,
  principal: Ref,
  reviewer: Ref,
  fromLeaf: Type.Integer(),
  toLeaf: Type.Integer(),
  privileged: Type.Boolean(),
  finding: Text,
  ticket: orNull(Text),
  logSize: Type.Integer(),
  logRoot: Text,
  createdAt: Text,
});
const Body = Type.Object(
  {
    principals: Type.Optional(
      Type.Array(refText, {
        minItems: 1,
        maxItems: 1000,
        description: 'those that were reviewed; without them, all that have privileged access',
      }),
    ),
    from: Type.Integer({ ...leaf, description: 'first leaf that was reviewed' }),
    to: Type.Optional(Type.Integer({ ...leaf, description: 'last one; without it, the last of the log' })),
    finding: Type.String({ minLength: 1, maxLength: 1000 }),
    ticket: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  closed,
);
const Made = Type.Object({
  reviews: Type.Array(LogReviewShape),
  leftOut: Type.Array(Type.Object({ id: Text, name: Text, reason: Text })),
});
const ListQuery = Type.Object(
  { ...page, principal: Type.Optional(refText), reviewer: Type.Optional(refText) },
  closed,
);

/**
 * Who answered for what at a leaf is known from the index: where it has not come so far, nobody is taken for independent.
 *
 * @throws PosternError POSTERN_AUDIT_UNAVAILABLE
 */
async function requireIndexed({ activity }: ApiDeps, leaf: number): Promise<void> {
  const [last] = (await activity.query({ type: 'all' }, { order: 'desc', limit: 1 })).items;
  if ((last?.leaf ?? -1) < leaf) throw unavailable('the activity index is behind the log.');
}

/** That people reviewed what principals did. */
export function logReviewRoutes(app: Api, deps: ApiDeps): void {
  const { control, activity } = deps;

  app.post(
    '/v1/log-reviews',
    { config: { operation: 'log-review.create' }, schema: { body: Body, response: answers(201, Made) } },
    async (request, reply) => {
      const { principals, from, finding, ticket } = request.body;
      const person = personOf(request);
      await fresh(deps);
      const { size, root } = await deps.ledger.status();
      const to = request.body.to ?? size - 1;
      await requireIndexed(deps, Math.min(to, size - 1));
      const answered = async (principal: string): Promise<boolean> =>
        answeredIn(activity, principal, person.id, from, to);
      const said = { principals, from, to, finding, ticket, log: { size, root }, answered };
      return reply.status(201).send(await control.logReviews.create(actorOf(request), said));
    },
  );

  app.get(
    '/v1/log-reviews',
    {
      config: { operation: 'log-review.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(LogReviewShape)) },
    },
    async (request) => {
      const { principal, reviewer } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        ...(principal !== undefined && { principal: (await control.principals.get(principal)).id }),
        ...(reviewer !== undefined && { reviewer: (await control.persons.get(reviewer)).id }),
        ...(request.reach === 'own' && { owner: personOf(request).id }),
      };
      return listed(await control.logReviews.list(filter, wanted), wanted);
    },
  );
}
