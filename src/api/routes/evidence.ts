import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished, PassThrough } from 'node:stream';
import type { ApiDeps } from '../deps.ts';
import { evidenceParams } from '../evidence-params.ts';
import { type Api, actorOf } from '../route.ts';
import { EvidenceBody } from '../schemas.ts';

/** Hands out the evidence package as a zip. That somebody takes it is recorded before it is made. */
export function evidenceRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;
  // One package at a time: making one reads the whole log.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  };

  app.post(
    '/v1/evidence',
    { config: { operation: 'evidence.export' }, schema: { body: EvidenceBody } },
    async (request, reply) => {
      const { params, recorded, principal } = await evidenceParams(control, request.body);
      const actor = actorOf(request);
      const record = await control.recordExport(actor, recorded, principal);
      const { id, name } = actor;
      const dir = await mkdtemp(join(deps.workDir, 'evidence-'));
      const remove = (): Promise<void> => rm(dir, { recursive: true, force: true });
      try {
        await inTurn(async () => {
          await deps.ledger.flush();
          await deps.exportEvidence(params, dir, { id, name });
        });
      } catch (error) {
        await remove();
        throw error;
      }
      const zip = new PassThrough();
      // However the transfer ends: done, failed, or broken off by the caller.
      finished(zip, () => {
        remove().catch((error: unknown) => {
          deps.logger?.warn({ error: String(error) }, 'a temporary evidence folder was not removed');
        });
      });
      deps.zipFolder(dir, zip).catch((error: unknown) => {
        zip.destroy(error instanceof Error ? error : new Error(String(error)));
      });
      return reply
        .header('content-type', 'application/zip')
        .header('content-disposition', 'attachment; filename="postern-evidence.zip"')
        .header('x-postern-record', record)
        .send(zip);
    },
  );
}
