import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { checkTime } from '../../identity/input.ts';
import type { Principal as PrincipalEntity } from '../../store/entities.ts';
import type { Page, PrincipalFilter } from '../../store/queries.ts';
import type { ApiDeps } from '../deps.ts';
import { Step, stepOf } from '../history.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, LIMIT_MAX, limitOf, listed, pageOf, personOf } from '../route.ts';
import {
  Credential,
  Grant,
  listOf,
  orNull,
  Principal,
  PrincipalBody,
  PrincipalUpdateBody,
  page,
  principalKind,
  principalStatus,
  ReasonBody,
  RefParams,
  refText,
  timeText,
} from '../schemas.ts';
import { Binding } from './bindings.ts';

const RELATED_MAX = 1000;

const ListQuery = Type.Object(
  {
    ...page,
    status: Type.Optional(principalStatus),
    kind: Type.Optional(principalKind),
    owner: Type.Optional(refText),
    q: Type.Optional(refText),
    environment: Type.Optional(refText),
    tag: Type.Optional(
      Type.Union([
        Type.String({ maxLength: 300 }),
        Type.Array(Type.String({ maxLength: 300 }), { maxItems: 32 }),
      ]),
    ),
    orphaned: Type.Optional(Type.Literal('true')),
    unusedSince: Type.Optional(timeText),
  },
  { additionalProperties: false },
);

const Listed = Type.Object({ ...Principal.properties, lastUsedAt: orNull(Type.String()) });
const HistoryQuery = Type.Object(
  { limit: page.limit, cursor: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$' })) },
  { additionalProperties: false },
);
const Detail = Type.Object({
  ...Listed.properties,
  bindings: Type.Array(Binding),
  grants: Type.Array(Grant),
  credentials: Type.Array(Credential),
  alerts: Type.Integer({ description: 'those that nobody has closed' }),
  sources: Type.Array(
    Type.Object({
      network: Type.String(),
      first: Type.String(),
      last: Type.String(),
      sessions: Type.Integer(),
    }),
  ),
});

export function principalRoutes(app: Api, deps: ApiDeps): void {
  const { principals, persons, bindings, grants, credentials, alerts } = deps.control;

  app.post(
    '/v1/principals',
    {
      config: { operation: 'principal.create' },
      schema: { body: PrincipalBody, response: answers(201, Principal) },
    },
    async (request, reply) => reply.status(201).send(await principals.create(actorOf(request), request.body)),
  );

  app.get(
    '/v1/principals',
    {
      config: { operation: 'principal.list' },
      schema: { querystring: ListQuery, response: answers(200, listOf(Listed)) },
    },
    async (request) => {
      const { status, kind, q, environment, tag, orphaned, unusedSince } = request.query;
      const page = pageOf(request.query);
      const asked = request.query.owner;
      const owner = request.reach === 'own' ? personOf(request).id : asked && (await persons.get(asked)).id;
      const filter = {
        status,
        kind,
        q,
        environment,
        owner,
        tags: tagsOf(tag),
        orphaned: orphaned !== undefined,
      };
      if (unusedSince === undefined) {
        const found = await principals.list(filter, page);
        return listed(
          fromIndex(deps, () => withUses(deps, found), unknownUses(found)),
          page,
        );
      }
      // What is not yet in the index is a use that would not be seen.
      await deps.ledger.flush();
      return listed(await unused(deps, filter, page, checkTime(unusedSince, 'time')), page);
    },
  );

  app.get(
    '/v1/principals/:ref',
    {
      config: { operation: 'principal.read' },
      schema: { params: RefParams, response: answers(200, Detail) },
    },
    async (request) => {
      const principal = await principals.get(request.params.ref);
      requireOwn(personOf(request), request.reach, principal);
      const related = { principal: principal.id };
      return {
        ...principal,
        lastUsedAt: fromIndex(
          deps,
          () => deps.activity.lastUses([principal.id]).get(principal.id) ?? null,
          null,
        ),
        bindings: await bindings.list(principal.id),
        grants: await grants.list({ ...related, status: 'active' }, { limit: RELATED_MAX }),
        credentials: await credentials.list({ ...related, status: 'active' }, { limit: RELATED_MAX }),
        alerts: await alerts.unresolved(principal.id),
        sources: fromIndex(deps, () => deps.activity.sources(principal.id), []),
      };
    },
  );

  app.post(
    '/v1/principals/:ref/update',
    {
      config: { operation: 'principal.update' },
      schema: { params: RefParams, body: PrincipalUpdateBody, response: answers(200, Principal) },
    },
    async (request) => {
      const { reason, ...change } = request.body;
      return principals.update(actorOf(request), request.params.ref, change, reason);
    },
  );

  app.get(
    '/v1/principals/:ref/history',
    {
      config: { operation: 'principal.read' },
      schema: { params: RefParams, querystring: HistoryQuery, response: answers(200, listOf(Step)) },
    },
    async (request) => {
      const principal = await principals.get(request.params.ref);
      requireOwn(personOf(request), request.reach, principal);
      const { cursor = '-1' } = request.query;
      const limit = limitOf(request.query);
      await deps.ledger.flush();
      const records = deps.activity.history(principal.id, Number(cursor), limit + 1);
      const items = records.slice(0, limit).map(stepOf);
      return { items, next: records.length > limit ? String(items.at(-1)?.leaf) : null };
    },
  );

  for (const verb of ['disable', 'suspend', 'resume', 'retire'] as const) {
    app.post(
      `/v1/principals/:ref/${verb}`,
      {
        config: { operation: `principal.${verb}` },
        schema: { params: RefParams, body: ReasonBody, response: answers(200, Principal) },
      },
      async (request) => {
        const principal = await principals.get(request.params.ref);
        requireOwn(personOf(request), request.reach, principal);
        return principals[verb](actorOf(request), principal.id, request.body.reason);
      },
    );
  }
}

type WithUse = PrincipalEntity & { readonly lastUsedAt: string | null };

/** With when each was last used, as far as the index has come. */
function withUses(deps: ApiDeps, found: readonly PrincipalEntity[]): WithUse[] {
  const uses = deps.activity.lastUses(found.map(({ id }) => id));
  return found.map((principal) => ({ ...principal, lastUsedAt: uses.get(principal.id) ?? null }));
}

/** What the index says, or else where it cannot be read: who there is has to be seen all the same. */
function fromIndex<T>(deps: ApiDeps, ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    const fields = { error: error instanceof Error ? error.message : String(error) };
    deps.logger?.warn(fields, 'when and from where principals were last used is not known');
    return otherwise;
  }
}

const unknownUses = (found: readonly PrincipalEntity[]): WithUse[] =>
  found.map((principal) => ({ ...principal, lastUsedAt: null }));

/** A page of those that were neither made nor used after `since`. State and index are apart, so it is put together of several. */
async function unused(deps: ApiDeps, filter: PrincipalFilter, page: Page, since: string): Promise<WithUse[]> {
  const found: WithUse[] = [];
  let after = page.after;
  while (found.length < page.limit) {
    const some = withUses(deps, await deps.control.principals.list(filter, { limit: LIMIT_MAX, after }));
    found.push(
      ...some.filter(({ createdAt, lastUsedAt }) => createdAt <= since && (lastUsedAt ?? '') <= since),
    );
    if (some.length < LIMIT_MAX) break;
    after = some.at(-1)?.id;
  }
  return found.slice(0, page.limit);
}

/** @throws PosternError POSTERN_INVALID */
function tagsOf(given: string | readonly string[] | undefined): Record<string, string> {
  const pairs = given === undefined ? [] : typeof given === 'string' ? [given] : given;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new PosternError('POSTERN_INVALID', 'A tag to look for is written NAME=VALUE.');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
