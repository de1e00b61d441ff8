import { Type } from 'typebox';
import type { Review } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { previewOf } from '../review-preview.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import {
  closed,
  listOf,
  oneOf,
  orNull,
  page,
  ReasonBody,
  Ref,
  RefParams,
  reason,
  refText,
  timeText,
} from '../schemas.ts';

const Text = Type.String();
const Count = Type.Integer();
const name = Type.String({ minLength: 1, maxLength: 63 });
const terms = {
  resource: Type.Optional(refText),
  owner: Type.Optional(refText),
  environment: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  tags: Type.Optional(
    Type.Record(Type.String({ maxLength: 63 }), Type.String({ maxLength: 200 }), { maxProperties: 8 }),
  ),
  reviewers: Type.Optional(Type.Array(refText, { maxItems: 50 })),
  dueSeconds: Count,
  graceSeconds: Count,
  unusedDays: Type.Optional(Count),
  rehearsal: Type.Optional(Type.Boolean()),
  reminders: Type.Optional(Type.Array(Count, { maxItems: 5, description: 'seconds before the deadline' })),
  escalation: Type.Optional(Type.Array(refText, { maxItems: 10 })),
};
const OpenBody = Type.Object({ name, ...terms }, closed);
const ScheduleBody = Type.Object(
  { name, everyDays: Count, firstAt: Type.Optional(timeText), reason, ...terms },
  closed,
);
const said = {
  id: Text,
  name: Text,
  filter: Type.Object({
    resource: orNull(Ref),
    owner: orNull(Ref),
    environment: orNull(Text),
    tags: Type.Record(Text, Text),
  }),
  reviewers: Type.Array(Ref),
  graceSeconds: Count,
  unusedDays: Count,
  rehearsal: Type.Boolean(),
  reminders: Type.Optional(Type.Array(Count)),
  escalation: Type.Optional(Type.Array(Ref)),
  status: Text,
  createdAt: Text,
};
const ReviewShape = Type.Object({
  ...said,
  emergency: Type.Optional(
    Type.Object({ grant: Text, principal: Ref }, { description: 'the emergency whose use it is about' }),
  ),
  schedule: orNull(Ref),
  dueAt: Text,
  overdueAt: orNull(Text),
  reminded: Type.Optional(Type.Array(Count)),
  escalatedAt: Type.Optional(orNull(Text)),
  closeReason: orNull(Text),
  closedAt: orNull(Text),
  items: Type.Object({ open: Count, decided: Count, lapsed: Count, withdrawn: Count }),
});
const ScheduleShape = Type.Object({
  ...said,
  everyDays: Count,
  dueSeconds: Count,
  firstAt: Text,
  statusReason: orNull(Text),
});
const PreviewShape = Type.Object({
  lapsesAt: orNull(Type.String({ description: 'when the undecided lapse, if nobody decides' })),
  rehearsal: Type.Boolean(),
  principals: Type.Array(
    Type.Object({
      principal: Ref,
      items: Type.Integer({ description: 'undecided ones' }),
      grants: Type.Integer({ description: 'active ones' }),
      sessions: Type.Integer({ description: 'live ones' }),
      commands: Type.Integer({ description: 'let through in the last 7 days' }),
    }),
  ),
});

/** Reviews, and when they are opened. */
export function reviewRoutes(app: Api, deps: ApiDeps): void {
  const { reviews } = deps.control;
  const counted = async (review: Review) => ({ ...review, items: await reviews.counts(review.id) });

  app.post(
    '/v1/reviews',
    { config: { operation: 'review.open' }, schema: { body: OpenBody, response: answers(201, ReviewShape) } },
    async (request, reply) =>
      reply.status(201).send(await counted(await reviews.open(actorOf(request), request.body))),
  );

  app.get(
    '/v1/reviews',
    {
      config: { operation: 'review.list' },
      schema: {
        querystring: Type.Object(
          { ...page, status: Type.Optional(oneOf(['open', 'closed', 'all'] as const)) },
          closed,
        ),
        response: answers(200, listOf(ReviewShape)),
      },
    },
    async (request) => {
      const { status = 'open' } = request.query;
      const wanted = pageOf(request.query);
      const found = await reviews.list({ status: status === 'all' ? undefined : status }, wanted);
      const { items, next } = listed(found, wanted);
      return { items: await Promise.all(items.map(counted)), next };
    },
  );

  app.get(
    '/v1/reviews/:ref',
    {
      config: { operation: 'review.list' },
      schema: { params: RefParams, response: answers(200, ReviewShape) },
    },
    async (request) => counted(await reviews.get(request.params.ref)),
  );

  app.post(
    '/v1/reviews/:ref/close',
    {
      config: { operation: 'review.close' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, ReviewShape) },
    },
    async (request) =>
      counted(await reviews.close(actorOf(request), request.params.ref, request.body.reason)),
  );

  app.get(
    '/v1/reviews/:ref/preview',
    {
      config: { operation: 'review.preview' },
      schema: { params: RefParams, response: answers(200, PreviewShape) },
    },
    async (request) => previewOf(deps, await reviews.get(request.params.ref)),
  );

  app.post(
    '/v1/review-schedules',
    {
      config: { operation: 'review.schedule' },
      schema: { body: ScheduleBody, response: answers(201, ScheduleShape) },
    },
    async (request, reply) => {
      const { reason: why, ...schedule } = request.body;
      return reply.status(201).send(await reviews.schedules.create(actorOf(request), schedule, why));
    },
  );

  app.get(
    '/v1/review-schedules',
    {
      config: { operation: 'review.list' },
      schema: {
        querystring: Type.Object(
          { ...page, status: Type.Optional(oneOf(['active', 'ended', 'all'] as const)) },
          closed,
        ),
        response: answers(200, listOf(Type.Object({ ...ScheduleShape.properties, nextAt: orNull(Text) }))),
      },
    },
    async (request) => {
      const { status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      const filter = { status: status === 'all' ? undefined : status };
      return listed(await reviews.schedules.list(filter, wanted), wanted);
    },
  );

  app.post(
    '/v1/review-schedules/:ref/end',
    {
      config: { operation: 'review.schedule' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, ScheduleShape) },
    },
    async (request) => reviews.schedules.end(actorOf(request), request.params.ref, request.body.reason),
  );
}
