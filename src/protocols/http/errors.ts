/** Postern's reasons as answers of HTTP and of gRPC. */
import type { ErrorCode } from '../../core/errors.ts';

/** @see https://www.rfc-editor.org/rfc/rfc9110#section-15 */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  POSTERN_AUTH_FAILED: 401,
  POSTERN_CREDENTIAL_EXPIRED: 401,
  POSTERN_PRINCIPAL_INACTIVE: 403,
  POSTERN_RESOURCE_UNKNOWN: 403,
  POSTERN_GRANT_MISSING: 403,
  POSTERN_GRANT_EXPIRED: 403,
  POSTERN_GRANT_REVOKED: 403,
  POSTERN_REQUEST_PENDING: 403,
  POSTERN_SCOPE_DENIED: 403,
  POSTERN_CONDITION_DENIED: 403,
  POSTERN_LIMIT_EXCEEDED: 413,
  POSTERN_MASKED: 403,
  POSTERN_STATEMENT_UNSEEN: 400,
  POSTERN_STATEMENT_INVALID: 400,
  POSTERN_STATEMENT_TOO_LARGE: 413,
  POSTERN_UNSUPPORTED: 501,
  POSTERN_AUDIT_UNAVAILABLE: 503,
  POSTERN_UPSTREAM_UNAVAILABLE: 502,
  POSTERN_PROTOCOL_VIOLATION: 400,
  POSTERN_TLS_REQUIRED: 403,
  POSTERN_TOO_MANY_SESSIONS: 503,
  POSTERN_TOO_MANY_REQUESTS: 429,
  POSTERN_SHUTTING_DOWN: 503,
  POSTERN_TIMEOUT: 504,
};

/** @see https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const GRPC: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  413: 8,
  429: 8,
  501: 12,
  502: 14,
  503: 14,
  504: 4,
};

export interface NativeError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Id of the record of it. */
  readonly record?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export const statusOf = (code: ErrorCode): number => STATUS[code] ?? 500;

/** @see https://www.rfc-editor.org/rfc/rfc9457 */
export function problem({ code, message, hint, record }: NativeError): Answer {
  const status = statusOf(code);
  const body = `${JSON.stringify({ title: code, status, detail: `postern: ${message}`, hint, record })}\n`;
  return {
    status,
    headers: [
      ['content-type', 'application/problem+json'],
      ['content-length', String(Buffer.byteLength(body))],
      ['cache-control', 'no-store'],
      ...(status === 401 ? ([['www-authenticate', 'Basic realm="postern", charset="UTF-8"']] as const) : []),
      ...(status === 429 ? ([['retry-after', '60']] as const) : []),
    ],
    body,
  };
}

/** An answer that is nothing but trailers. @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses */
export function grpcProblem({ code, message, hint, record }: NativeError): Answer {
  const text = [`postern: ${message}`, hint, record === undefined ? undefined : `record ${record}`];
  return {
    status: 200,
    headers: [
      ['content-type', 'application/grpc'],
      ['grpc-status', String(GRPC[statusOf(code)] ?? 13)],
      ['grpc-message', percent(text.filter((each) => each !== undefined).join('. '))],
    ],
    body: '',
  };
}

const percent = (text: string): string =>
  [...Buffer.from(text.slice(0, 1000))]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
