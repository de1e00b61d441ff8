import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { parseIndexPath } from '../../ledger/tiles.ts';
import type { ApiDeps } from '../deps.ts';
import { forbidden, owns } from '../rights.ts';
import { type Api, answers, personOf } from '../route.ts';

const compress = promisify(gzip);

const BYTES = 'application/octet-stream';
const FOREVER = 'max-age=31536000, immutable';
const HIDDEN = { hide: true };

const ProofParams = Type.Object({ record: Type.String({ maxLength: 40 }) });
const ProofAnswer = Type.Object({
  record: Type.String(),
  leaf: Type.Integer(),
  entry: Type.String({ description: 'the bytes of the leaf, base64' }),
  proof: Type.String({ description: 'content of a .tlog-proof file' }),
  vkey: Type.String({ description: 'verifier keys of the log, one a line' }),
});
const Size = Type.String({ pattern: '^(0|[1-9][0-9]{0,15})$' });
const ConsistencyQuery = Type.Object(
  { old: Size, size: Type.Optional(Size) },
  { additionalProperties: false },
);
const ConsistencyAnswer = Type.Object({
  old: Type.Integer(),
  size: Type.Integer(),
  proof: Type.Array(Type.String()),
  checkpoint: Type.String(),
});

/**
 * The log itself, and proofs out of it. Checkpoint and hash tiles are for everybody: they tell how many records there are
 * and nothing of what is in them, and who checks the log should need nobody's leave. The entries are everybody's activity:
 * they are for those who may read all of it.
 *
 * @see https://c2sp.org/tlog-tiles
 */
export function logRoutes(app: Api, deps: ApiDeps): void {
  const { log } = deps;

  app.get('/log/checkpoint', { config: { operation: 'public' }, schema: HIDDEN }, async (_request, reply) => {
    const note = log.checkpoint();
    return reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8').send(note);
  });

  app.get<{ Params: { level: string; '*': string } }>(
    '/log/tile/:level/*',
    { config: { operation: 'public' }, schema: HIDDEN },
    async ({ params }, reply) => {
      const level = /^(0|[1-9][0-9]?)$/.test(params.level) ? Number(params.level) : Number.NaN;
      const place = parseIndexPath(params['*']);
      const tile = place && level < 64 ? log.tile(level, place.n, place.width) : null;
      return sendForever(reply, tile, 'public');
    },
  );

  app.get<{ Params: { '*': string } }>(
    '/log/tile/entries/*',
    { config: { operation: 'ledger.entries' }, schema: HIDDEN },
    async ({ params, headers }, reply) => {
      const place = parseIndexPath(params['*']);
      const bundle = place && log.entries(place.n, place.width);
      reply.header('vary', 'accept-encoding');
      if (!bundle || !/\bgzip\b/.test(headers['accept-encoding'] ?? '')) {
        return sendForever(reply, bundle, 'private');
      }
      const packed = await compress(bundle);
      return sendForever(reply.header('content-encoding', 'gzip'), packed, 'private');
    },
  );

  app.get(
    '/v1/ledger/proof/:record',
    {
      config: { operation: 'activity.read' },
      schema: { params: ProofParams, response: answers(200, ProofAnswer) },
    },
    async (request) => {
      const asked = request.params.record;
      await caughtUp(deps);
      const found = /^(0|[1-9][0-9]{0,15})$/.test(asked) ? Number(asked) : deps.findLeaf(asked);
      if (found === null) {
        throw new PosternError('POSTERN_NOT_FOUND', 'The log has no record of that id.');
      }
      const { leaf, entry, proof } = log.prove(found);
      const record = JSON.parse(entry.toString()) as {
        readonly id: string;
        readonly principal?: { readonly id: string };
      };
      if (request.reach === 'own') {
        const principal = record.principal && (await deps.control.principals.get(record.principal.id));
        if (!principal || !owns(personOf(request), principal)) {
          throw forbidden('This record is not about a principal of yours.');
        }
      }
      const { vkey } = await deps.ledger.status();
      return { record: record.id, leaf, entry: entry.toString('base64'), proof, vkey };
    },
  );

  app.get(
    '/v1/ledger/consistency',
    {
      config: { operation: 'ledger.read' },
      schema: { querystring: ConsistencyQuery, response: answers(200, ConsistencyAnswer) },
    },
    async ({ query }) => {
      await caughtUp(deps);
      const { proof, ...rest } = log.consistency(
        Number(query.old),
        query.size === undefined ? undefined : Number(query.size),
      );
      return { ...rest, proof: proof.map((hash) => hash.toString('base64')) };
    },
  );
}

/** Lets the log take in what was just recorded. Where it cannot, what was released before is still there to be proved. */
async function caughtUp(deps: ApiDeps): Promise<void> {
  try {
    await deps.ledger.flush();
  } catch (error) {
    const fields = { error: error instanceof Error ? error.message : String(error) };
    deps.logger?.warn(fields, 'answering from a log that lags behind the journals');
  }
}

/** Answers with what never changes; null where the released log has no such thing. */
function sendForever(reply: FastifyReply, data: Buffer | null, who: 'public' | 'private'): FastifyReply {
  if (data === null) throw new PosternError('POSTERN_NOT_FOUND', 'The log has no such tile.');
  return reply.header('cache-control', `${who}, ${FOREVER}`).type(BYTES).send(data);
}
