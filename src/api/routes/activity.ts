import { setTimeout as after } from 'node:timers/promises';
import { Type } from 'typebox';
import type { ActivityFilter } from '../../activity/filter.ts';
import type { Person } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { forbidden, owns, type Reach } from '../rights.ts';
import { type Api, limitOf, personOf } from '../route.ts';
import { activityFilter, IdParams, page } from '../schemas.ts';

/** How long a question waits for the index to catch up with the journals; then it answers with what is there. */
const FRESH_MS = 2000;

const ListQuery = Type.Object(
  {
    ...activityFilter,
    limit: page.limit,
    cursor: Type.Optional(Type.String({ maxLength: 200 })),
    order: Type.Optional(Type.Unsafe<'asc' | 'desc'>({ type: 'string', enum: ['asc', 'desc'] })),
  },
  { additionalProperties: false },
);
const SummaryQuery = Type.Object(activityFilter, { additionalProperties: false });

/** What was done, by whom, on whose authority. An owner sees the principals they answer for. */
export function activityRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/activity',
    { config: { operation: 'activity.read' }, schema: { querystring: ListQuery } },
    async (request) => {
      const { limit, cursor, order, ...asked } = request.query;
      const filter = await restricted(deps, personOf(request), request.reach, asked);
      if (cursor === undefined) await fresh(deps);
      return deps.activity.query(filter, { order, cursor, limit: limitOf({ ...(limit && { limit }) }) });
    },
  );

  app.get(
    '/v1/activity/summary',
    { config: { operation: 'activity.read' }, schema: { querystring: SummaryQuery } },
    async (request) => {
      const filter = await restricted(deps, personOf(request), request.reach, request.query);
      await fresh(deps);
      return deps.activity.summary(filter);
    },
  );

  app.get(
    '/v1/activity/:id',
    { config: { operation: 'activity.read' }, schema: { params: IdParams } },
    async (request) => {
      await fresh(deps);
      const record = await deps.activity.record(request.params.id);
      if (request.reach === 'own' && !(await ownRecord(deps, personOf(request), record.principal?.id))) {
        throw forbidden('This record is not about a principal of yours.');
      }
      return record;
    },
  );
}

/** Narrows a question to the caller's own principals, where they may see no others. */
async function restricted(
  deps: ApiDeps,
  person: Person,
  reach: Reach,
  asked: ActivityFilter,
): Promise<ActivityFilter> {
  if (reach === 'all') return asked;
  if (asked.principal === undefined) return { ...asked, owner: person.id };
  const principal = await deps.control.principals.get(asked.principal);
  if (!owns(person, principal)) throw forbidden('This belongs to a principal of another owner.');
  return { ...asked, principal: principal.id };
}

async function ownRecord(deps: ApiDeps, person: Person, principal: string | undefined): Promise<boolean> {
  return principal !== undefined && owns(person, await deps.control.principals.get(principal));
}

/** Lets the index catch up, so that an answer holds what was done a moment ago. */
export async function fresh(deps: ApiDeps): Promise<void> {
  const patience = new AbortController();
  const flushed = deps.ledger.flush().catch((error: unknown) => {
    const fields = { error: error instanceof Error ? error.message : String(error) };
    deps.logger?.warn(fields, 'answering from an index that lags behind the journals');
  });
  const waited = after(FRESH_MS, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([flushed, waited]);
  patience.abort();
}
