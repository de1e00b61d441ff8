import { Type } from 'typebox';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers, personOf } from '../route.ts';
import { Address, Person } from '../schemas.ts';

/** Health, who am I, how to connect, and the description of the API itself. */
export function systemRoutes(app: Api, deps: ApiDeps): void {
  app.get('/healthz', { config: { operation: 'public' } }, async (_request, reply) => {
    const { workers, reasons: faults } = deps.gateway.health();
    const { size, fault, losses } = await deps.ledger.status();
    const reasons = [...faults, ...(fault === null ? [] : [fault])];
    if (reasons.length > 0) return reply.status(503).send({ status: 'failing', reasons });
    const warnings = [...losses, ...deps.witnesses.warnings()];
    return { status: 'ok', version: deps.version, log: { size }, workers, warnings };
  });

  app.get('/openapi.json', { config: { operation: 'public' }, schema: { hide: true } }, async () =>
    app.swagger(),
  );

  app.get(
    '/v1/whoami',
    {
      config: { operation: 'whoami' },
      schema: { response: answers(200, Type.Object({ person: Person, tokenExpiresAt: Type.String() })) },
    },
    async (request) => ({ person: personOf(request), tokenExpiresAt: request.caller?.tokenExpiresAt }),
  );

  app.get(
    '/v1/connection',
    {
      config: { operation: 'connection' },
      schema: {
        response: answers(200, Type.Object({ postgres: Address, ca: Type.String(), api: Address })),
      },
    },
    async () => ({ ...deps.addresses(), ca: deps.tls.caPem }),
  );
}
