import { Type } from 'typebox';
import type { Principal as PrincipalEntity } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { requireOwn } from '../rights.ts';
import { type Api, actorOf, answers, listed, pageOf, personOf } from '../route.ts';
import {
  Credential,
  Grant,
  listOf,
  Principal,
  PrincipalBody,
  PrincipalUpdateBody,
  page,
  principalKind,
  principalStatus,
  ReasonBody,
  RefParams,
  refText,
} from '../schemas.ts';

const RELATED_MAX = 1000;

const ListQuery = Type.Object(
  {
    ...page,
    status: Type.Optional(principalStatus),
    kind: Type.Optional(principalKind),
    owner: Type.Optional(refText),
    q: Type.Optional(refText),
  },
  { additionalProperties: false },
);

const Detail = Type.Object({
  ...Principal.properties,
  grants: Type.Array(Grant),
  credentials: Type.Array(Credential),
  lastUsedAt: Type.Union([Type.String(), Type.Null()]),
});

export function principalRoutes(app: Api, deps: ApiDeps): void {
  const { principals, persons, grants, credentials } = deps.control;

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
      schema: { querystring: ListQuery, response: answers(200, listOf(Principal)) },
    },
    async (request) => {
      const { status, kind, q } = request.query;
      const page = pageOf(request.query);
      const me = personOf(request);
      if (request.reach === 'own')
        return listed(await principals.list({ status, kind, q, owner: me.id }, page), page);
      const owner = request.query.owner && (await persons.get(request.query.owner)).id;
      return listed(await principals.list({ status, kind, q, owner }, page), page);
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
        grants: await grants.list({ ...related, status: 'active' }, { limit: RELATED_MAX }),
        credentials: await credentials.list({ ...related, status: 'active' }, { limit: RELATED_MAX }),
        lastUsedAt: await lastUsed(deps, principal),
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

/** When a command of the principal was last seen, as far as the index has come. */
async function lastUsed(deps: ApiDeps, principal: PrincipalEntity): Promise<string | null> {
  try {
    const { items } = await deps.activity.query({ principal: principal.id, type: 'command' }, { limit: 1 });
    return items[0]?.time ?? null;
  } catch (error) {
    // The index follows the log by moments, so it may not know a new principal yet.
    const fields = { error: error instanceof Error ? error.message : String(error) };
    deps.logger?.warn(fields, 'the last use of a principal is not known');
    return null;
  }
}
