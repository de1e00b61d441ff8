import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { replyBody } from '../../notify/slack-inbound.ts';
import type { ApiDeps } from '../deps.ts';
import { isSensitive } from '../rights.ts';
import type { Api } from '../route.ts';
import { IdParams, RefParams } from '../schemas.ts';

const BODY_MAX = 65_536;
const limit = { max: 300, timeWindow: 60_000 };

/**
 * Where others post decisions, signed. Nothing here takes a token: whose word it is follows from the signature alone, over the bytes
 * as they came.
 */
export function hookRoutes(app: Api, deps: ApiDeps): void {
  const { outside } = deps.control;

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      scope.addContentTypeParser(type, { parseAs: 'string' }, (_request, body, done) => done(null, body));
    }

    scope.post(
      '/v1/hooks/:id',
      {
        config: { operation: 'public', rateLimit: limit },
        bodyLimit: BODY_MAX,
        schema: { params: IdParams, hide: true },
      },
      async (request) => {
        const { id } = request.params as { readonly id: string };
        const head = {
          id: headerOf(request, 'webhook-id'),
          timestamp: headerOf(request, 'webhook-timestamp'),
          signature: headerOf(request, 'webhook-signature'),
        };
        // A decision that takes somebody who has just shown who they are is not taken from a system.
        if (isSensitive('request.decide')) {
          throw new PosternError('POSTERN_REAUTHENTICATE', 'This takes a fresh sign-in.');
        }
        const { id: decided, status, needs, grant } = await outside.hook(id, head, bodyOf(request));
        return { request: decided, status, needs, grant };
      },
    );

    scope.post(
      '/v1/slack/:ref',
      {
        config: { operation: 'public', rateLimit: limit },
        bodyLimit: BODY_MAX,
        schema: { params: RefParams, hide: true, response: { 200: Type.Unsafe<object | null>({}) } },
      },
      async (request, reply) => {
        const { ref } = request.params as { readonly ref: string };
        const head = {
          timestamp: headerOf(request, 'x-slack-request-timestamp'),
          signature: headerOf(request, 'x-slack-signature'),
        };
        const said = await outside.slack(ref, head, bodyOf(request), !isSensitive('request.decide'));
        return said === null ? reply.status(200).send() : replyBody(said);
      },
    );
  });
}

const bodyOf = ({ body }: FastifyRequest): string => (typeof body === 'string' ? body : '');

/** A header that came once; empty otherwise, which fits no signature. */
function headerOf({ headers }: FastifyRequest, name: string): string {
  const value = headers[name];
  return typeof value === 'string' && value.length <= 2000 ? value : '';
}
