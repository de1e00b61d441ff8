import { Type } from 'typebox';
import { chooseFramework } from '../../evidence/assess/choose.ts';
import { PARTS, TEXT_MODES } from '../../evidence/format.ts';
import { checkFolder } from '../../evidence/jobs/scheduler.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, actorOf, answers, listed, pageOf } from '../route.ts';
import { closed, listOf, oneOf, orNull, page, ReasonBody, RefParams, reason } from '../schemas.ts';

const Text = Type.String();
const EVERY = ['month', 'quarter', 'year'] as const;
const terms = {
  every: oneOf(EVERY),
  at: Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' }),
  zone: Type.String({ minLength: 1, maxLength: 64 }),
  statements: oneOf(TEXT_MODES),
  parts: Type.Array(oneOf(PARTS), { uniqueItems: true, maxItems: PARTS.length }),
};
const ScheduleBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63 }),
    ...terms,
    framework: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    to: Type.Optional(Type.String({ minLength: 1, maxLength: 1000, pattern: '^/' })),
    reason,
  },
  closed,
);
const ScheduleShape = Type.Object({
  ...{ id: Text, name: Text, ...terms },
  framework: orNull(Text),
  to: orNull(Text),
  status: oneOf(['active', 'ended'] as const),
  statusReason: orNull(Text),
  createdAt: Text,
});

/** When evidence packages are made by themselves. */
export function evidenceScheduleRoutes(app: Api, { control, evidenceFolders }: ApiDeps): void {
  const { evidenceSchedules: schedules } = control;

  app.post(
    '/v1/evidence/schedules',
    {
      config: { operation: 'evidence.schedule' },
      schema: { body: ScheduleBody, response: answers(201, ScheduleShape) },
    },
    async (request, reply) => {
      const { reason: why, framework, to, ...rest } = request.body;
      // That both are there and known is found out now and not in a quarter.
      chooseFramework({ ...(framework !== undefined && { framework }), period: '2026', zone: rest.zone });
      if (to !== undefined) checkFolder(to, evidenceFolders);
      const input = { ...rest, framework: framework ?? null, to: to ?? null };
      return reply.status(201).send(await schedules.create(actorOf(request), input, why));
    },
  );

  app.get(
    '/v1/evidence/schedules',
    {
      config: { operation: 'evidence.schedules' },
      schema: {
        querystring: Type.Object(
          { ...page, status: Type.Optional(oneOf(['active', 'ended', 'all'] as const)) },
          closed,
        ),
        response: answers(200, listOf(ScheduleShape)),
      },
    },
    async (request) => {
      const { status = 'active' } = request.query;
      const wanted = pageOf(request.query);
      return listed(await schedules.list({ status: status === 'all' ? undefined : status }, wanted), wanted);
    },
  );

  app.post(
    '/v1/evidence/schedules/:ref/end',
    {
      config: { operation: 'evidence.schedule' },
      schema: { params: RefParams, body: ReasonBody, response: answers(200, ScheduleShape) },
    },
    async (request) => schedules.end(actorOf(request), request.params.ref, request.body.reason),
  );
}
