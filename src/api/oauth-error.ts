/** Refusals of the token endpoint in the words of OAuth. */
import type { ErrorCode } from '../core/errors.ts';
import { PosternError } from '../core/errors.ts';

/**
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5.2
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-5
 */
export type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_dpop_proof'
  | 'temporarily_unavailable';

export class OAuthError extends Error {
  readonly code: OAuthCode;

  constructor(code: OAuthCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface OAuthAnswer {
  readonly status: number;
  readonly body: {
    readonly error: OAuthCode;
    readonly error_description: string;
    /** Postern's own code for it. */
    readonly postern_code?: ErrorCode;
  };
}

const CODES: Partial<Record<ErrorCode, readonly [number, OAuthCode]>> = {
  POSTERN_INVALID: [400, 'invalid_request'],
  POSTERN_UNAUTHORIZED: [400, 'invalid_grant'],
  POSTERN_FORBIDDEN: [400, 'unauthorized_client'],
  POSTERN_PRINCIPAL_INACTIVE: [400, 'unauthorized_client'],
  POSTERN_GRANT_MISSING: [400, 'invalid_target'],
  POSTERN_GRANT_EXPIRED: [400, 'invalid_target'],
  POSTERN_GRANT_REVOKED: [400, 'invalid_target'],
  POSTERN_NOT_FOUND: [400, 'invalid_target'],
  POSTERN_TOO_MANY_REQUESTS: [429, 'temporarily_unavailable'],
  POSTERN_AUDIT_UNAVAILABLE: [503, 'temporarily_unavailable'],
  POSTERN_SHUTTING_DOWN: [503, 'temporarily_unavailable'],
  POSTERN_TIMEOUT: [503, 'temporarily_unavailable'],
};

/**
 * The answer for a refusal; null for a fault, of which the client learns nothing.
 *
 * @param client whether the client proved itself by an assertion of its own, and not by a token as a grant
 */
export function oauthAnswer(error: unknown, client: boolean): OAuthAnswer | null {
  if (error instanceof OAuthError)
    return { status: 400, body: { error: error.code, error_description: plain(error.message) } };
  if (!(error instanceof PosternError)) return null;
  const found = CODES[error.code];
  if (found === undefined) return null;
  const refusedClient = client && error.code === 'POSTERN_UNAUTHORIZED';
  const [status, code] = refusedClient ? ([401, 'invalid_client'] as const) : found;
  const description = plain(error.hint === undefined ? error.message : `${error.message} ${error.hint}`);
  return { status, body: { error: code, error_description: description, postern_code: error.code } };
}

/** The characters that a description may have (RFC 6749, 5.2). */
const plain = (text: string): string =>
  text.replaceAll('"', "'").replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?');
