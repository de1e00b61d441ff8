/** What route files share. */

import type { Server } from 'node:https';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
} from 'fastify';
import type { TSchema } from 'typebox';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import type { PrincipalCaller } from '../identity/access-tokens.ts';
import { personActor } from '../identity/persons.ts';
import type { Caller } from '../identity/tokens.ts';
import type { Person } from '../store/entities.ts';
import type { Page } from '../store/queries.ts';

export type Api = FastifyInstance<
  Server,
  RawRequestDefaultExpression<Server>,
  RawReplyDefaultExpression<Server>,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** The person who calls. @throws PosternError POSTERN_UNAUTHORIZED on a route without one, which is a fault */
export function personOf(request: Pick<FastifyRequest, 'caller'>): Person {
  return callerOf(request).person;
}

/** Who calls, with how and until when. @throws PosternError POSTERN_UNAUTHORIZED on a route without one, which is a fault */
export function callerOf(request: Pick<FastifyRequest, 'caller'>): Caller {
  if (request.caller === null) throw new PosternError('POSTERN_UNAUTHORIZED', 'The call carries no token.');
  return request.caller;
}

/** The principal that calls. @throws PosternError POSTERN_UNAUTHORIZED where a person does */
export function agentOf(request: Pick<FastifyRequest, 'agent'>): PrincipalCaller {
  if (request.agent === null)
    throw new PosternError('POSTERN_UNAUTHORIZED', 'This is for principals, with a token of the exchange.');
  return request.agent;
}

export const actorOf = (request: Pick<FastifyRequest, 'caller'>): Actor => personActor(personOf(request));

/** Whoever calls, a person or a principal. */
export function callerActor(request: Pick<FastifyRequest, 'caller' | 'agent'>): Actor {
  if (request.agent === null) return actorOf(request);
  const { id, name } = request.agent.principal;
  return { kind: 'principal', id, name };
}

/**
 * The answer's schema by status. Typed loosely: entities are read-only, which TypeBox's types are not; the
 * serializer still cuts the answer down to the schema.
 */
export const answers = (status: number, schema: TSchema): { [status: number]: unknown } => ({
  [status]: schema,
});

const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1000;

/** One more than asked for, to see whether there is a next page. */
export function pageOf(query: { limit?: string; cursor?: string }): Page {
  return { limit: limitOf(query) + 1, after: query.cursor };
}

export function limitOf(query: { limit?: string }): number {
  return Math.min(query.limit === undefined ? LIMIT_DEFAULT : Number(query.limit), LIMIT_MAX);
}

export function listed<T extends { readonly id: string }>(
  found: readonly T[],
  page: Page,
): { items: readonly T[]; next: string | null } {
  const items = found.slice(0, page.limit - 1);
  return { items, next: found.length >= page.limit ? (items.at(-1)?.id ?? null) : null };
}
