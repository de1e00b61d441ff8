import { createReadStream } from 'node:fs';
import { finished } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { type ErrorCode, PosternError } from '../../core/errors.ts';
import { type EvidenceJob, JOB_STATUSES } from '../../evidence/jobs/job.ts';
import type { ApiDeps } from '../deps.ts';
import { evidenceParams } from '../evidence-params.ts';
import { byteRange } from '../range.ts';
import { type Api, actorOf, answers, LIMIT_MAX, limitOf, personOf } from '../route.ts';
import { closed, EvidenceBody, IdParams, listOf, oneOf, orNull, page, Ref } from '../schemas.ts';

const Text = Type.String();
const Count = Type.Integer();

const JobShape = Type.Object({
  id: Text,
  status: oneOf(JOB_STATUSES),
  recorded: Type.Record(Text, Type.Unknown()),
  requestedBy: Ref,
  schedule: orNull(Type.Object({ id: Text, name: Text, period: Text })),
  requestedAt: Text,
  startedAt: orNull(Text),
  endedAt: orNull(Text),
  percent: Count,
  step: Text,
  attempts: Count,
  record: Text,
  bytes: orNull(Count),
  sha256: orNull(Text),
  expiresAt: orNull(Text),
  error: orNull(Type.Object({ code: Text, message: Text, hint: orNull(Text) })),
});

/** Evidence packages. That somebody takes one is recorded before it is made. */
export function evidenceRoutes(app: Api, deps: ApiDeps): void {
  const { control, evidence } = deps;
  const operation = 'evidence.export';

  const begin = async (
    request: FastifyRequest<{ Body: Static<typeof EvidenceBody> }>,
  ): Promise<EvidenceJob> => {
    const { params, recorded, principal } = await evidenceParams(control, request.body);
    const actor = actorOf(request);
    const requestedBy = { id: actor.id, name: actor.name };
    return evidence.create({ params, recorded: { ...recorded }, requestedBy }, (job) =>
      control.recordExport(actor, { ...recorded, job }, principal),
    );
  };

  app.post(
    '/v1/evidence/jobs',
    { config: { operation }, schema: { body: EvidenceBody, response: answers(202, JobShape) } },
    async (request, reply) => reply.status(202).send(await begin(request)),
  );

  app.get(
    '/v1/evidence/jobs',
    {
      config: { operation },
      schema: {
        querystring: Type.Object({ ...page, status: Type.Optional(oneOf(JOB_STATUSES)) }, closed),
        response: answers(200, listOf(JobShape)),
      },
    },
    async (request) => {
      const { status, cursor } = request.query;
      const all = evidence.list().filter((job) => status === undefined || job.status === status);
      // Ids go by time, the newest first.
      const after = all.filter(({ id }) => cursor === undefined || id < cursor);
      const items = after.slice(0, Math.min(limitOf(request.query), LIMIT_MAX));
      return { items, next: after.length > items.length ? (items.at(-1)?.id ?? null) : null };
    },
  );

  app.get(
    '/v1/evidence/jobs/:id',
    { config: { operation }, schema: { params: IdParams, response: answers(200, JobShape) } },
    async (request) => evidence.get(request.params.id),
  );

  app.get(
    '/v1/evidence/jobs/:id/package',
    { config: { operation }, schema: { params: IdParams } },
    async (request, reply) => {
      const { id } = request.params;
      const file = evidence.package(id);
      const job = evidence.get(id);
      const actor = actorOf(request);
      if (evidence.isNewTo(id, actor)) {
        await control.recordExport(actor, { ...job.recorded, job: id });
        evidence.fetched(id, actor);
      }
      return send(request, reply, job, file);
    },
  );

  app.post(
    '/v1/evidence/jobs/:id/cancel',
    { config: { operation }, schema: { params: IdParams, response: answers(200, JobShape) } },
    async (request) => {
      const job = evidence.get(request.params.id);
      const { id, roles } = personOf(request);
      if (job.requestedBy.id !== id && !roles.includes('admin')) {
        throw new PosternError(
          'POSTERN_FORBIDDEN',
          'Who asked for a package cancels it, or an administrator.',
        );
      }
      return evidence.cancel(job.id);
    },
  );

  // For those who want it with one call: it waits, and nothing is kept.
  app.post(
    '/v1/evidence',
    { config: { operation }, schema: { body: EvidenceBody } },
    async (request, reply) => {
      const { id } = await begin(request);
      // However it ends: done, failed, or broken off by the caller, who then does not want it any more.
      finished(reply.raw, () => {
        if (['waiting', 'running', 'done'].includes(evidence.get(id).status)) evidence.cancel(id);
      });
      const job = await evidence.ended(id);
      if (job.error !== null) {
        throw new PosternError(job.error.code as ErrorCode, job.error.message, job.error.hint ?? undefined);
      }
      return send(request, reply, job, evidence.package(id));
    },
  );
}

/** Sends a package, or the part of it that the client lacks. */
function send(request: FastifyRequest, reply: FastifyReply, job: EvidenceJob, file: string): FastifyReply {
  const size = job.bytes ?? 0;
  const etag = `"${job.sha256}"`;
  const { range: wanted, 'if-range': ifRange } = request.headers;
  const range = byteRange(wanted, ifRange?.toString(), etag, size);
  reply
    .header('content-type', 'application/zip')
    .header('content-disposition', 'attachment; filename="postern-evidence.zip"')
    .header('accept-ranges', 'bytes')
    .header('etag', etag)
    .header('x-postern-record', job.record);
  if (range === 'unsatisfiable') return reply.status(416).header('content-range', `bytes */${size}`).send();
  if (range === null) return reply.header('content-length', size).send(createReadStream(file));
  const { from, to } = range;
  return reply
    .status(206)
    .header('content-range', `bytes ${from}-${to}/${size}`)
    .header('content-length', to - from + 1)
    .send(createReadStream(file, { start: from, end: to }));
}
