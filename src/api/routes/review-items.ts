import { Type } from 'typebox';
import type { ShownView } from '../../access/review/reviews.ts';
import { PosternError } from '../../core/errors.ts';
import { type Person, REVIEW_DECISIONS, type ReviewItem } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { viewText } from '../review-facts.ts';
import { forbidden, owns } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import { closed, IdParams, idText, listOf, oneOf, orNull, page, Ref, reason, refText } from '../schemas.ts';
import { fresh } from './activity.ts';

const Text = Type.String();
const scope = Type.String({ minLength: 1, maxLength: 16_384 });
const Item = Type.Object({
  id: Text,
  review: Ref,
  principal: Ref,
  grant: orNull(Text),
  resource: orNull(Ref),
  reviewer: orNull(Ref),
  status: Text,
  decision: orNull(
    Type.Object({
      kind: Text,
      by: Ref,
      at: Text,
      reason: Text,
      scope: orNull(Text),
      owner: orNull(Ref),
      backupOwner: orNull(Ref),
      view: Type.String({ description: 'SHA-256 of what they were shown' }),
      shownAt: Text,
    }),
  ),
  effect: orNull(Type.Object({ what: Text, applied: Type.Boolean() })),
  endedAt: orNull(Text),
  createdAt: Text,
});
const Shown = Type.Object({
  item: Item,
  refusal: orNull(Type.String({ description: 'why you do not decide on it; null: you do' })),
  view: orNull(
    Type.Object({
      sha256: Type.String({ description: 'of `text` in UTF-8; a decision names it' }),
      shownAt: Text,
      text: Type.String({ description: 'JSON, byte for byte what is kept' }),
    }),
  ),
});
const decision = {
  kind: oneOf(REVIEW_DECISIONS),
  reason,
  view: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  scope: Type.Optional(scope),
  owner: Type.Optional(refText),
  backupOwner: Type.Optional(refText),
};
const DecideBody = Type.Object(decision, closed);
/** Each is a change of its own, and a record; more of them are more calls. */
const BULK = 500;
const BulkBody = Type.Object(
  {
    decisions: Type.Array(Type.Object({ item: idText, ...decision }, closed), {
      minItems: 1,
      maxItems: BULK,
    }),
  },
  closed,
);
const BulkAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      item: Text,
      decided: orNull(Item),
      error: orNull(Type.Object({ code: Text, message: Text })),
    }),
  ),
});
const ItemsQuery = Type.Object(
  {
    ...page,
    review: Type.Optional(refText),
    status: Type.Optional(oneOf(['open', 'decided', 'lapsed', 'withdrawn', 'all'] as const)),
  },
  closed,
);

/** What reviews are about, one by one: what is shown, and what is decided. */
export function reviewItemRoutes(app: Api, deps: ApiDeps): void {
  const { reviews, principals } = deps.control;

  /** Who sees an item: who sees all of them, who decides on it, and who answers for the principal. */
  const requireSight = async (person: Person, item: ReviewItem, refusal: string | null): Promise<void> => {
    if (refusal === null || item.decision?.by.id === person.id) return;
    if (person.roles.some((role) => role !== 'owner')) return;
    if (owns(person, await principals.get(item.principal.id))) return;
    throw forbidden('This is reviewed by others.');
  };

  app.get(
    '/v1/review-items',
    {
      config: { operation: 'review.list' },
      schema: { querystring: ItemsQuery, response: answers(200, listOf(Item)) },
    },
    async (request) => {
      const { review, status = 'open' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        review: review === undefined ? undefined : (await reviews.get(review)).id,
        status: status === 'all' ? undefined : status,
        owner: request.reach === 'own' ? personOf(request).id : undefined,
      };
      return listed(await reviews.items(filter, wanted), wanted);
    },
  );

  app.get(
    '/v1/review-items/inbox',
    {
      config: { operation: 'review.decide' },
      schema: { querystring: Type.Object(page, closed), response: answers(200, listOf(Item)) },
    },
    async (request) => {
      const wanted = pageOf(request.query);
      return listed(await reviews.inbox(personOf(request), wanted), wanted);
    },
  );

  app.get(
    '/v1/review-items/:id',
    { config: { operation: 'review.decide' }, schema: { params: IdParams, response: answers(200, Shown) } },
    async (request) => {
      const person = personOf(request);
      const item = await reviews.item(request.params.id);
      const refusal = await reviews.refusal(item, person);
      await requireSight(person, item, refusal);
      let view: ShownView | null = null;
      if (refusal === null) {
        await fresh(deps);
        view = await reviews.show(item, person, await viewText(deps, item, person));
      } else view = await reviews.seen(item);
      return { item, refusal, view };
    },
  );

  app.post(
    '/v1/review-items/:id/decide',
    {
      config: { operation: 'review.decide' },
      schema: { params: IdParams, body: DecideBody, response: answers(200, Item) },
    },
    async (request) => reviews.decide(actorOf(request), request.params.id, request.body),
  );

  app.post(
    '/v1/review-items/decide',
    {
      config: { operation: 'review.decide' },
      schema: { body: BulkBody, response: answers(200, BulkAnswer) },
    },
    async (request) => {
      const items = [];
      for (const { item, ...each } of request.body.decisions) {
        try {
          items.push({ item, decided: await reviews.decide(actorOf(request), item, each), error: null });
        } catch (error) {
          if (!(error instanceof PosternError) || error.code === 'POSTERN_AUDIT_UNAVAILABLE') throw error;
          items.push({ item, decided: null, error: { code: error.code, message: error.message } });
        }
      }
      return { items };
    },
  );

  app.post(
    '/v1/review-items/:id/delegate',
    {
      config: { operation: 'review.decide' },
      schema: {
        params: IdParams,
        body: Type.Object({ to: refText, reason }, closed),
        response: answers(200, Item),
      },
    },
    async (request) => {
      const { to, reason: why } = request.body;
      return reviews.delegate(actorOf(request), request.params.id, to, why);
    },
  );
}
