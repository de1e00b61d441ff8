import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, PosternError } from '../core/errors.ts';
import type { ApiLogger } from './deps.ts';

/** HTTP status of a refusal; what is not listed is 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  POSTERN_INVALID: 400,
  POSTERN_UNSUPPORTED: 400,
  POSTERN_STATEMENT_INVALID: 400,
  POSTERN_UNAUTHORIZED: 401,
  POSTERN_REAUTHENTICATE: 401,
  POSTERN_FORBIDDEN: 403,
  POSTERN_NOT_FOUND: 404,
  POSTERN_GRANT_MISSING: 404,
  POSTERN_CONFLICT: 409,
  POSTERN_PRINCIPAL_INACTIVE: 409,
  POSTERN_REQUEST_PENDING: 409,
  POSTERN_GRANT_EXPIRED: 409,
  POSTERN_GRANT_REVOKED: 409,
  POSTERN_UPSTREAM_UNAVAILABLE: 502,
  POSTERN_TOO_MANY_REQUESTS: 429,
  POSTERN_AUDIT_UNAVAILABLE: 503,
  POSTERN_SHUTTING_DOWN: 503,
  POSTERN_TIMEOUT: 504,
};

/** A caller that comes too often. The rate limiter asks for the status on the error itself. */
export class TooMany extends PosternError {
  readonly statusCode = 429;

  constructor() {
    super('POSTERN_TOO_MANY_REQUESTS', 'Too many requests.', 'Wait a minute.');
  }
}

/** Answers every error in the one form, without telling what only the log should know. */
export function errorHandler(logger: ApiLogger | undefined) {
  return (error: FastifyError | PosternError, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = asRefusal(error);
    const status = statusOf(error, refusal);
    if (status >= 500) {
      const fields = { route: request.routeOptions.url, code: refusal.code, error: error.message };
      logger?.error(fields, 'a request failed');
    }
    if (status === 401) void reply.header('www-authenticate', challenge(refusal.code));
    const { code, message, hint } = refusal;
    void reply.status(status).send({ error: { code, message, ...(hint !== undefined && { hint }) } });
  };
}

/** @see https://www.rfc-editor.org/rfc/rfc9470#section-3 */
const challenge = (code: ErrorCode): string =>
  code === 'POSTERN_REAUTHENTICATE'
    ? 'Bearer realm="postern", error="insufficient_user_authentication"'
    : 'Bearer realm="postern"';

/** The status of a refusal. */
export const httpStatus = ({ code }: Pick<PosternError, 'code'>): number => STATUS[code] ?? 500;

function statusOf(error: FastifyError | PosternError, refusal: PosternError): number {
  if (error instanceof PosternError) return httpStatus(refusal);
  const { statusCode } = error;
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : 500;
}

function asRefusal(error: FastifyError | PosternError): PosternError {
  if (error instanceof PosternError) return error;
  if (error.validation) return new PosternError('POSTERN_INVALID', validationMessage(error));
  const { statusCode } = error;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new PosternError('POSTERN_INVALID', error.message);
  }
  return new PosternError('POSTERN_INTERNAL', 'Postern failed to do this; its log says why.');
}

const ID_PATH = /^\/(?:id|grant)$/;

/** The first complaint of the validator. It names the property, never the value: values can be secret. */
function validationMessage(error: FastifyError): string {
  const first = error.validation?.[0];
  // The pattern itself says nothing to most people.
  if (first?.keyword === 'pattern' && ID_PATH.test(first.instancePath)) {
    return `What is given as ${first.instancePath.slice(1)} is not an id: write it in full, as lists and records show it.`;
  }
  const where = `${error.validationContext ?? 'input'}${first?.instancePath.replaceAll('/', '.') ?? ''}`;
  const extra = first?.params.additionalProperty ?? first?.params.allowedValues;
  const detail = extra === undefined ? '' : `: ${JSON.stringify(extra).slice(0, 200)}`;
  return `${where} ${first?.message ?? 'is not valid'}${detail}.`;
}
