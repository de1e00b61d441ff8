import { Type } from 'typebox';
import type { IssuerStatus } from '../../access/issuers.ts';
import { atMillis } from '../../identity/input.ts';
import { csrfOf } from '../authenticate.ts';
import { readCookie, SESSION_COOKIE } from '../cookies.ts';
import type { ApiDeps } from '../deps.ts';
import { type Api, answers, callerOf } from '../route.ts';
import { Address, orNull, Person } from '../schemas.ts';
import { PersonSession } from './sign-in.ts';

/** Anybody may ask for them, so they name nobody. */
function issuerWarnings(issuers: readonly IssuerStatus[]): string[] {
  const silent = issuers.filter(({ state }) => state !== 'current').length;
  return silent === 0
    ? []
    : [
        `${silent} of ${issuers.length} issuers of tokens did not answer when last asked: postern binding issuers`,
      ];
}

function passwordWarnings(notReplaced: number, notRead: number): string[] {
  const warnings: string[] = [];
  if (notReplaced > 0)
    warnings.push(`${notReplaced} upstream passwords could not be replaced when that was tried last`);
  if (notRead > 0) warnings.push(`${notRead} upstream passwords could not be read where they are kept`);
  return warnings.map((warning) => `${warning}: postern resource show`);
}

/** Health, who am I, how to connect, and the description of the API itself. */
export function systemRoutes(app: Api, deps: ApiDeps): void {
  app.get('/healthz', { config: { operation: 'public' } }, async (_request, reply) => {
    const { workers, reasons: faults } = deps.gateway.health();
    const { size, fault, losses } = await deps.ledger.status();
    const reasons = [...faults, ...(fault === null ? [] : [fault])];
    if (reasons.length > 0) return reply.status(503).send({ status: 'failing', reasons });
    const warnings = [
      ...losses,
      ...deps.witnesses.warnings(),
      ...deps.sinks.warnings(),
      ...issuerWarnings(deps.control.issuers()),
      ...passwordWarnings(deps.control.rotation.failing, deps.control.sourced.failing),
    ];
    return { status: 'ok', version: deps.version, log: { size }, workers, warnings };
  });

  app.get('/openapi.json', { config: { operation: 'public' }, schema: { hide: true } }, async () =>
    app.swagger(),
  );

  app.get(
    '/v1/whoami',
    {
      config: { operation: 'whoami' },
      schema: {
        response: answers(
          200,
          Type.Object({
            person: Person,
            tokenExpiresAt: Type.String(),
            freshUntil: orNull(Type.String()),
            session: orNull(PersonSession),
            csrf: orNull(Type.String()),
          }),
        ),
      },
    },
    async (request) => {
      const { person, tokenExpiresAt, freshUntil, session } = callerOf(request);
      const cookie = session?.kind === 'browser' ? readCookie(request, SESSION_COOKIE) : null;
      return {
        person,
        tokenExpiresAt,
        freshUntil: freshUntil === null ? null : atMillis(freshUntil),
        session,
        csrf: cookie === null ? null : csrfOf(cookie),
      };
    },
  );

  app.get(
    '/v1/connection',
    {
      config: { operation: 'connection' },
      schema: {
        response: answers(
          200,
          Type.Object({ postgres: Address, http: orNull(Address), ca: Type.String(), api: Address }),
        ),
      },
    },
    async () => ({ ...deps.addresses(), ca: deps.tls.caPem }),
  );
}
