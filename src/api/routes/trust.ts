import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import type { TrustInput } from '../../identity/trust.ts';
import type { Trust } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import { closed, listOf, oneOf, orNull, PageQuery, ReasonBody, reason } from '../schemas.ts';

const Text = Type.String();

const Answer = Type.Object({
  id: Text,
  name: Text,
  kind: Text,
  url: orNull(Text),
  keys: orNull(Text),
  bundle: orNull(Type.Object({ fetchedAt: orNull(Text), error: orNull(Text) })),
  status: Text,
  endReason: orNull(Text),
  endedAt: orNull(Text),
  createdAt: Text,
});

const kind = oneOf(['spiffe', 'x509', 'ssh'] as const);
const KindParams = Type.Object({ kind });
const TrustParams = Type.Object({ kind, ref: Type.String({ minLength: 1, maxLength: 255 }) });
const what = {
  keys: Type.Optional(Type.String({ minLength: 1, maxLength: 100_000 })),
  url: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
};
const AddBody = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 255 }), ...what, reason: Type.Optional(reason) },
  closed,
);
const UpdateBody = Type.Object({ ...what, reason }, closed);

/** @throws PosternError POSTERN_INVALID */
function inputOf({ keys, url }: { keys?: string; url?: string }): TrustInput {
  if (keys !== undefined && url === undefined) return { keys };
  if (keys === undefined && url !== undefined) return { url };
  throw new PosternError('POSTERN_INVALID', 'Give either keys or url.');
}

/** Who is trusted to say who somebody is: trust domains, authorities of client certificates, SSH authorities. */
export function trustRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;
  const { trusts } = control;
  const answerOf = (trust: Trust): object => ({ ...trust, bundle: control.bundleState(trust) });

  app.post(
    '/v1/trust/:kind',
    {
      config: { operation: 'trust.add' },
      schema: { params: KindParams, body: AddBody, response: answers(201, Answer) },
    },
    async (request, reply) => {
      const { name, reason: why } = request.body;
      const input = inputOf(request.body);
      const added = await trusts.add(actorOf(request), { ...input, ...request.params, name, reason: why });
      return reply.status(201).send(answerOf(added));
    },
  );

  app.get(
    '/v1/trust/:kind',
    {
      config: { operation: 'trust.list' },
      schema: { params: KindParams, querystring: PageQuery, response: answers(200, listOf(Answer)) },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { items, next } = listed(await trusts.list(request.params.kind, page), page);
      return { items: items.map(answerOf), next };
    },
  );

  app.post(
    '/v1/trust/:kind/:ref/update',
    {
      config: { operation: 'trust.update' },
      schema: { params: TrustParams, body: UpdateBody, response: answers(200, Answer) },
    },
    async (request) => {
      const { params, body } = request;
      return answerOf(
        await trusts.update(actorOf(request), params.kind, params.ref, inputOf(body), body.reason),
      );
    },
  );

  app.post(
    '/v1/trust/:kind/:ref/remove',
    {
      config: { operation: 'trust.remove' },
      schema: { params: TrustParams, body: ReasonBody, response: answers(200, Answer) },
    },
    async (request) => {
      const { kind: of, ref } = request.params;
      return answerOf(await trusts.remove(actorOf(request), of, ref, request.body.reason));
    },
  );
}
