import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, orNull, ReasonBody, RefParams, reason } from '../schemas.ts';
import { SINK_TARGET } from '../sink-schemas.ts';

const secret = Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 65_536 })));

const Sink = Type.Object({
  id: Type.String(),
  name: Type.String(),
  target: Type.Unsafe<object>({}),
  secret: Type.Boolean(),
  from: Type.Integer(),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
  /** Null where nothing was delivered to it since Postern was started. */
  delivery: orNull(
    Type.Object({
      next: Type.Integer(),
      behind: Type.Integer(),
      at: orNull(Type.String()),
      rejected: Type.Integer(),
      failingSince: orNull(Type.String()),
      fault: orNull(Type.String()),
    }),
  ),
});

/** Where the events of the log go continuously. */
export function sinkRoutes(app: Api, deps: ApiDeps): void {
  const { sinks } = deps.control;
  type Found = Awaited<ReturnType<typeof sinks.get>>;
  const shown = async (sink: Found) => {
    const state = deps.sinks.state(sink.id);
    const { size } = await deps.ledger.status();
    if (state === null) return { ...sink, delivery: null };
    const { next, at, rejected, failingSince, fault } = state;
    return {
      ...sink,
      delivery: { next, behind: Math.max(0, size - next), at, rejected, failingSince, fault },
    };
  };

  app.post(
    '/v1/sinks',
    {
      config: { operation: 'sink.create' },
      schema: {
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 200 }),
            target: SINK_TARGET,
            secret,
            fromBeginning: Type.Optional(Type.Boolean()),
          },
          closed,
        ),
        response: answers(201, Sink),
      },
    },
    async (request, reply) => {
      const { fromBeginning = false, ...input } = request.body;
      // So that its own beginning is the first that it is told of.
      const { size } = await deps.ledger.status();
      const made = await sinks.create(actorOf(request), { ...input, from: fromBeginning ? 0 : size });
      return reply.status(201).send(await shown(made));
    },
  );

  app.get(
    '/v1/sinks',
    {
      config: { operation: 'sink.list' },
      schema: { response: answers(200, Type.Object({ items: Type.Array(Sink) })) },
    },
    async () => ({ items: await Promise.all((await sinks.list()).map(shown)) }),
  );

  app.get(
    '/v1/sinks/:ref',
    { config: { operation: 'sink.list' }, schema: { params: RefParams, response: answers(200, Sink) } },
    async (request) => shown(await sinks.get(request.params.ref)),
  );

  app.post(
    '/v1/sinks/:ref/update',
    {
      config: { operation: 'sink.update' },
      schema: {
        params: RefParams,
        body: Type.Object({ target: Type.Optional(SINK_TARGET), secret, reason }, closed),
        response: answers(200, Sink),
      },
    },
    async (request) => {
      const { reason: why, ...change } = request.body;
      return shown(await sinks.update(actorOf(request), request.params.ref, change, why));
    },
  );

  app.post(
    '/v1/sinks/:ref/test',
    {
      config: { operation: 'sink.test' },
      schema: {
        params: RefParams,
        response: answers(200, Type.Object({ ok: Type.Boolean(), fault: orNull(Type.String()) })),
      },
    },
    async (request) => {
      const fault = await deps.sinks.test(await sinks.open(request.params.ref));
      return { ok: fault === null, fault };
    },
  );

  for (const [act, operation] of [
    ['pause', 'sink.pause'],
    ['resume', 'sink.resume'],
    ['retire', 'sink.retire'],
  ] as const) {
    app.post(
      `/v1/sinks/:ref/${act}`,
      {
        config: { operation },
        schema: { params: RefParams, body: ReasonBody, response: answers(200, Sink) },
      },
      async (request) => shown(await sinks[act](actorOf(request), request.params.ref, request.body.reason)),
    );
  }
}
