import { Type } from 'typebox';
import { EVENT_NAMES, eventKind } from '../../notify/events.ts';
import { CHANNEL_KINDS, DELIVERY_STATUSES } from '../../store/notify-entities.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import {
  closed,
  IdParams,
  listOf,
  oneOf,
  orNull,
  page,
  ReasonBody,
  Ref,
  RefParams,
  reason,
  refText,
} from '../schemas.ts';

const Text = Type.String();
const short = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const OwnText = Type.Object(
  { subject: orNull(short(200)), text: Type.String({ minLength: 1, maxLength: 4000 }) },
  closed,
);
const secret = Type.Optional(short(1000));
const url = Type.Optional(short(2000));

const fields = {
  events: Type.Optional(Type.Array(short(80), { maxItems: 50 })),
  texts: Type.Optional(Type.Record(short(80), orNull(OwnText), { maxProperties: 50 })),
  ca: Type.Optional(orNull(short(65_536))),
  webhook: Type.Optional(Type.Object({ url, signingSecret: secret }, closed)),
  slack: Type.Optional(
    Type.Object(
      {
        url,
        token: secret,
        conversation: Type.Optional(short(80)),
        apiBase: url,
        buttons: Type.Optional(Type.Boolean()),
        signingSecret: secret,
      },
      closed,
    ),
  ),
  email: Type.Optional(
    Type.Object(
      {
        host: Type.Optional(short(253)),
        port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
        tls: Type.Optional(oneOf(['starttls', 'implicit', 'none'] as const)),
        user: Type.Optional(orNull(short(200))),
        password: secret,
        from: Type.Optional(short(254)),
        to: Type.Optional(Type.Array(short(254), { maxItems: 20 })),
        direct: Type.Optional(Type.Boolean()),
      },
      closed,
    ),
  ),
};

const Channel = Type.Object({
  id: Text,
  name: Text,
  kind: Text,
  settings: Type.Object({
    origin: Type.Optional(Text),
    by: Type.Optional(Text),
    apiBase: Type.Optional(Text),
    conversation: Type.Optional(orNull(Text)),
    buttons: Type.Optional(Type.Boolean()),
    host: Type.Optional(Text),
    port: Type.Optional(Type.Integer()),
    tls: Type.Optional(Text),
    user: Type.Optional(orNull(Text)),
    from: Type.Optional(Text),
    to: Type.Optional(Type.Array(Text)),
    direct: Type.Optional(Type.Boolean()),
  }),
  ca: orNull(Text),
  events: Type.Array(Text),
  texts: Type.Record(Text, Type.Object({ subject: orNull(Text), text: Text })),
  secrets: Type.Record(Text, Text, { description: 'which there are, and since when' }),
  signingBy: orNull(Ref),
  formerUntil: orNull(Text),
  status: Text,
  statusReason: orNull(Text),
  createdAt: Text,
});
const Made = Type.Object({
  channel: Channel,
  signingSecret: orNull(Type.String({ description: 'shown once, where Postern made it' })),
});
const Delivery = Type.Object({
  id: Text,
  event: Text,
  kind: Text,
  channel: Ref,
  recipient: Text,
  person: orNull(Text),
  principal: orNull(Text),
  status: Text,
  attempts: Type.Integer(),
  nextMs: Type.Integer({ description: 'of the next try, milliseconds since the Unix epoch' }),
  error: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});

/** Where notifications go, and what became of them. */
export function channelRoutes(app: Api, deps: ApiDeps): void {
  const { notifier } = deps.control;
  const { channels } = notifier;

  app.post(
    '/v1/channels',
    {
      config: { operation: 'channel.create' },
      schema: {
        body: Type.Object({ name: short(63), kind: oneOf(CHANNEL_KINDS), ...fields }, closed),
        response: answers(201, Made),
      },
    },
    async (request, reply) => reply.status(201).send(await channels.create(actorOf(request), request.body)),
  );

  app.get(
    '/v1/channels',
    {
      config: { operation: 'channel.list' },
      schema: {
        querystring: Type.Object(
          { ...page, status: Type.Optional(oneOf(['active', 'retired', 'all'] as const)) },
          closed,
        ),
        response: answers(200, listOf(Channel)),
      },
    },
    async (request) => {
      const { status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      return listed(await channels.list(status === 'all' ? undefined : status, wanted), wanted);
    },
  );

  app.get(
    '/v1/channels/:ref',
    { config: { operation: 'channel.list' }, schema: { params: RefParams, response: answers(200, Channel) } },
    async (request) => channels.get(request.params.ref),
  );

  app.post(
    '/v1/channels/:ref/update',
    {
      config: { operation: 'channel.update' },
      schema: {
        params: RefParams,
        body: Type.Object({ ...fields, reason }, closed),
        response: answers(200, Channel),
      },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return channels.update(actorOf(request), request.params.ref, change, why);
    },
  );

  app.post(
    '/v1/channels/:ref/rotate',
    {
      config: { operation: 'channel.update' },
      schema: {
        params: RefParams,
        body: Type.Object(
          { reason, overlapSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800 })) },
          closed,
        ),
        response: answers(200, Made),
      },
    },
    async (request) => channels.rotate(actorOf(request), request.params.ref, request.body),
  );

  app.post(
    '/v1/channels/:ref/retire',
    {
      config: { operation: 'channel.retire' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, Channel) },
    },
    async (request) => channels.retire(actorOf(request), request.params.ref, request.body.reason),
  );

  app.post(
    '/v1/channels/:ref/test',
    {
      config: { operation: 'channel.test' },
      schema: {
        params: RefParams,
        response: answers(200, Type.Object({ ok: Type.Boolean(), detail: orNull(Text) })),
      },
    },
    async (request) => {
      const detail = await notifier.test(actorOf(request), personOf(request), request.params.ref);
      return { ok: detail === null, detail };
    },
  );

  app.post(
    '/v1/channels/:ref/preview',
    {
      config: { operation: 'channel.list' },
      schema: {
        params: RefParams,
        body: Type.Object({ event: short(80), own: Type.Optional(OwnText) }, closed),
        response: answers(200, Type.Object({ subject: Text, text: Text })),
      },
    },
    async (request) => notifier.preview(request.params.ref, request.body.event, request.body.own),
  );

  app.get(
    '/v1/notification-events',
    {
      config: { operation: 'channel.list' },
      schema: {
        response: answers(
          200,
          Type.Object({
            items: Type.Array(Type.Object({ name: Text, summary: Text, fields: Type.Array(Text) })),
          }),
        ),
      },
    },
    async () => ({
      items: EVENT_NAMES.map((name) => {
        const kind = eventKind(name);
        return { name, summary: kind?.summary ?? '', fields: Object.keys(kind?.fields ?? {}) };
      }),
    }),
  );

  app.get(
    '/v1/deliveries',
    {
      config: { operation: 'delivery.list' },
      schema: {
        querystring: Type.Object(
          {
            ...page,
            channel: Type.Optional(refText),
            status: Type.Optional(oneOf([...DELIVERY_STATUSES, 'all'] as const)),
          },
          closed,
        ),
        response: answers(200, listOf(Delivery)),
      },
    },
    async (request) => {
      const { channel, status = 'all' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        channel: channel === undefined ? undefined : (await channels.get(channel)).id,
        status: status === 'all' ? undefined : status,
      };
      return listed(await notifier.deliveries(filter, wanted), wanted);
    },
  );

  app.post(
    '/v1/deliveries/:id/redeliver',
    {
      config: { operation: 'delivery.redeliver' },
      schema: { params: IdParams, response: answers(200, Delivery) },
    },
    async (request) => notifier.redeliver(request.params.id),
  );
}
