import { setTimeout as after } from 'node:timers/promises';
import { Type } from 'typebox';
import type { ActivityFilter } from '../../activity/filter.ts';
import type { Person } from '../../store/entities.ts';
import { type AskedActivity, filterOf } from '../asked-activity.ts';
import type { ApiDeps } from '../deps.ts';
import { forbidden, owns, type Reach } from '../rights.ts';
import { type Api, limitOf, personOf } from '../route.ts';
import { activityFilter, IdParams, page, RefParams } from '../schemas.ts';

/** How long a question waits for the index to catch up with the journals; then it answers with what is there. */
const FRESH_MS = 2000;

/** So that a page with texts stays small. */
const MOST_WITH_TEXTS = 200;

const asking = {
  ...activityFilter,
  period: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  zone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  saved: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
};
const ListQuery = Type.Object(
  {
    ...asking,
    /** `texts`: with statements and parameters, at most 200 a page. */
    with: Type.Optional(Type.Literal('texts')),
    limit: page.limit,
    cursor: Type.Optional(Type.String({ maxLength: 200 })),
    order: Type.Optional(Type.Unsafe<'asc' | 'desc'>({ type: 'string', enum: ['asc', 'desc'] })),
  },
  { additionalProperties: false },
);
const SummaryQuery = Type.Object(asking, { additionalProperties: false });

const { saved: _saved, ...kept } = asking;
const Kept = Type.Object(kept, { additionalProperties: false });

/** Questions that people keep, for themselves or for everybody. */
export function savedQueryRoutes(app: Api, deps: ApiDeps): void {
  const { savedQueries } = deps.control;
  app.post(
    '/v1/activity/saved',
    {
      config: { operation: 'activity.save' },
      schema: {
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 200 }),
            shared: Type.Optional(Type.Boolean()),
            filter: Kept,
          },
          { additionalProperties: false },
        ),
      },
    },
    async (request, reply) => {
      const person = personOf(request);
      const { name, shared = false, filter } = request.body;
      if (shared && request.reach !== 'all') throw forbidden('Owners keep queries for themselves alone.');
      // What it comes to now shows whether it can be asked at all.
      await filterOf(filter, person, savedQueries);
      const said = Object.entries(filter).filter(([, value]) => value !== undefined);
      return reply
        .status(201)
        .send(await savedQueries.save(person, { name, shared, filter: Object.fromEntries(said) }));
    },
  );
  app.get('/v1/activity/saved', { config: { operation: 'activity.save' } }, async (request) => ({
    items: await savedQueries.list(personOf(request)),
  }));
  app.post(
    '/v1/activity/saved/:ref/forget',
    { config: { operation: 'activity.save' }, schema: { params: RefParams } },
    async (request) => {
      await savedQueries.forget(personOf(request), request.params.ref);
      return { forgotten: request.params.ref };
    },
  );
}

/** What was done, by whom, on whose authority. An owner sees the principals they answer for. */
export function activityRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/activity',
    { config: { operation: 'activity.read' }, schema: { querystring: ListQuery } },
    async (request) => {
      const { limit, cursor, order, with: more, ...asked } = request.query;
      const filter = await restricted(deps, personOf(request), request.reach, asked);
      if (cursor === undefined) await fresh(deps);
      const most = limitOf({ ...(limit && { limit }) });
      const options = { order, cursor, limit: more === undefined ? most : Math.min(most, MOST_WITH_TEXTS) };
      const found = await deps.activity.query(filter, options);
      return more === undefined ? found : { ...found, items: await deps.activity.withTexts(found.items) };
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
  question: AskedActivity,
): Promise<ActivityFilter> {
  const asked = await filterOf(question, person, deps.control.savedQueries);
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
