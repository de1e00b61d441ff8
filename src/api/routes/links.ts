import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { forbidden } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import { closed, IdParams, listOf, oneOf, orNull, page, ReasonBody, Ref, refText } from '../schemas.ts';

const Text = Type.String();
const Link = Type.Object({
  id: Text,
  name: Text,
  kind: Text,
  person: Ref,
  channel: Type.Optional(Ref),
  team: Type.Optional(Text),
  user: Type.Optional(Text),
  expiresAt: orNull(Text),
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});

/** By what people decide on requests from elsewhere. Everybody makes their own. */
export function linkRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;
  const { links } = control.notifier;

  app.post(
    '/v1/links/hook',
    {
      config: { operation: 'link.create' },
      schema: {
        body: Type.Object(
          {
            name: Type.String({ minLength: 2, maxLength: 63 }),
            ttlSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 7_776_000 })),
          },
          closed,
        ),
        response: answers(
          201,
          Type.Object({
            link: Link,
            signingSecret: Type.String({ description: 'shown once' }),
            url: Type.String({ description: 'where it posts to' }),
          }),
        ),
      },
    },
    async (request, reply) => {
      const made = await links.addHook(actorOf(request), request.body);
      return reply.status(201).send({ ...made, url: `${deps.publicUrl()}/v1/hooks/${made.link.id}` });
    },
  );

  app.post(
    '/v1/links/slack',
    {
      config: { operation: 'link.create' },
      schema: {
        body: Type.Object({ channel: refText }, closed),
        response: answers(
          201,
          Type.Object({
            code: Type.String({ description: 'typed in Slack: /postern link CODE' }),
            endsAt: Text,
          }),
        ),
      },
    },
    async (request, reply) =>
      reply.status(201).send(await links.slackCode(actorOf(request), request.body.channel)),
  );

  app.get(
    '/v1/links',
    {
      config: { operation: 'link.list' },
      schema: {
        querystring: Type.Object(
          {
            ...page,
            person: Type.Optional(refText),
            status: Type.Optional(oneOf(['active', 'removed', 'all'] as const)),
          },
          closed,
        ),
        response: answers(200, listOf(Link)),
      },
    },
    async (request) => {
      const { person, status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      const filter = {
        status: status === 'all' ? undefined : status,
        person:
          request.reach === 'own' ? personOf(request).id : person && (await control.persons.get(person)).id,
      };
      return listed(await links.list(filter, wanted), wanted);
    },
  );

  app.post(
    '/v1/links/:id/remove',
    {
      config: { operation: 'link.remove' },
      schema: { params: IdParams, body: ReasonBody, response: answers(200, Link) },
    },
    async (request) => {
      const found = await links.get(request.params.id);
      if (request.reach === 'own' && found.person.id !== personOf(request).id) {
        throw forbidden('This is a link of somebody else.');
      }
      return links.remove(actorOf(request), found.id, request.body.reason);
    },
  );
}
