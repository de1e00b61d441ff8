import type { ErrorCode } from '../../core/errors.ts';
import { Back, cstring, message } from './wire.ts';

/**
 * Postern's reasons as PostgreSQL errors.
 *
 * @see https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
export const SQLSTATE: Readonly<Partial<Record<ErrorCode, string>>> = {
  POSTERN_AUTH_FAILED: '28P01',
  POSTERN_CREDENTIAL_EXPIRED: '28000',
  POSTERN_PRINCIPAL_INACTIVE: '28000',
  POSTERN_RESOURCE_UNKNOWN: '3D000',
  POSTERN_GRANT_MISSING: '42501',
  POSTERN_GRANT_EXPIRED: '57P01',
  POSTERN_GRANT_REVOKED: '57P01',
  POSTERN_REQUEST_PENDING: '28000',
  POSTERN_SCOPE_DENIED: '42501',
  POSTERN_CONDITION_DENIED: '42501',
  POSTERN_LIMIT_EXCEEDED: '54000',
  POSTERN_MASKED: '42501',
  POSTERN_STATEMENT_UNSEEN: '42501',
  POSTERN_STATEMENT_INVALID: '42601',
  POSTERN_STATEMENT_TOO_LARGE: '54000',
  POSTERN_UNSUPPORTED: '0A000',
  POSTERN_AUDIT_UNAVAILABLE: '58030',
  POSTERN_UPSTREAM_UNAVAILABLE: '08006',
  POSTERN_PROTOCOL_VIOLATION: '08P01',
  POSTERN_TLS_REQUIRED: '28000',
  POSTERN_TOO_MANY_SESSIONS: '53300',
  POSTERN_TOO_MANY_REQUESTS: '28000',
  POSTERN_SHUTTING_DOWN: '57P01',
  POSTERN_TIMEOUT: '57014',
};

export interface NativeError {
  readonly severity: 'ERROR' | 'FATAL';
  readonly code: ErrorCode;
  /** Where PostgreSQL has a more exact SQLSTATE than the code's own. */
  readonly sqlstate?: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** Character position in the statement, from 1. */
  readonly position?: number | undefined;
}

/** An ErrorResponse. @see https://www.postgresql.org/docs/18/protocol-error-fields.html */
export function errorResponse(error: NativeError): Buffer {
  const field = (code: string, value: string): Buffer => cstring(code + value.replaceAll('\0', ''));
  const parts = [
    field('S', error.severity),
    field('V', error.severity),
    field('C', error.sqlstate ?? SQLSTATE[error.code] ?? 'XX000'),
    field('M', `postern: ${error.message}`),
  ];
  if (error.detail !== undefined) parts.push(field('D', error.detail));
  if (error.hint !== undefined) parts.push(field('H', error.hint));
  if (error.position !== undefined) parts.push(field('P', String(error.position)));
  // The constraint-name field has no use here; the code goes where drivers show it untouched: the routine.
  parts.push(field('R', error.code), Buffer.alloc(1));
  return message(Back.errorResponse, ...parts);
}
