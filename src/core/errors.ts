/**
 * The one catalogue of refusals. Codes are stable: scripts and runbooks match on them. Each protocol gives
 * every code its native form (`src/protocols/<name>/errors.ts`), the API its HTTP status.
 */
export const ERROR_CODES = {
  POSTERN_AUTH_FAILED:
    'The claimed name and the credential do not belong together, or the credential is not valid.',
  POSTERN_CREDENTIAL_EXPIRED: 'The credential was right but its time is over.',
  POSTERN_PRINCIPAL_INACTIVE: 'The principal is suspended, disabled, retired or past its expiry.',
  POSTERN_RESOURCE_UNKNOWN: 'No resource of that name is open to this principal.',
  POSTERN_GRANT_MISSING: 'No grant gives this principal this resource.',
  POSTERN_GRANT_EXPIRED: 'The grant has ended by its own end time.',
  POSTERN_GRANT_REVOKED: 'The grant was ended before its time.',
  POSTERN_REQUEST_PENDING: 'Access was asked for, and people have to agree first.',
  POSTERN_SCOPE_DENIED: 'The command touches something that no active grant covers.',
  POSTERN_CONDITION_DENIED: 'A condition of the grant does not hold for this command, here or now.',
  POSTERN_LIMIT_EXCEEDED: 'The result is larger than the grant allows.',
  POSTERN_MASKED: 'The command would show, compare or keep masked values in a way that cannot be masked.',
  POSTERN_STATEMENT_UNSEEN:
    'What the command would do cannot be seen from its text, so it is not let through.',
  POSTERN_STATEMENT_INVALID: 'The command is not valid in this protocol or language.',
  POSTERN_STATEMENT_TOO_LARGE: 'The command is larger or deeper than what can be examined.',
  POSTERN_UNSUPPORTED: 'The protocol feature is not supported.',
  POSTERN_AUDIT_UNAVAILABLE: 'The record of the command cannot be written, so the command is not forwarded.',
  POSTERN_UPSTREAM_UNAVAILABLE: 'The resource does not answer or refuses the credential that Postern holds.',
  POSTERN_PROTOCOL_VIOLATION: 'The bytes received are not valid in this protocol.',
  POSTERN_TLS_REQUIRED: 'The connection must use TLS.',
  POSTERN_TOO_MANY_SESSIONS: 'The limit of concurrent sessions is reached.',
  POSTERN_SHUTTING_DOWN: 'The gateway is shutting down.',
  POSTERN_TIMEOUT: 'The peer took longer than it may.',
  POSTERN_NOT_FOUND: 'No such thing.',
  POSTERN_CONFLICT: 'The name is taken, or the state does not allow the change.',
  POSTERN_INVALID: 'The input is not valid.',
  POSTERN_UNAUTHORIZED: 'The API call carries no valid token.',
  POSTERN_FORBIDDEN: 'The person may not do this.',
  POSTERN_REAUTHENTICATE: 'The act is sensitive, and the person has not shown lately who they are.',
  POSTERN_TOO_MANY_REQUESTS: 'The caller comes too often.',
  POSTERN_INTERNAL: 'A fault of Postern itself.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * An error of the catalogue. `message` says what was refused and why, in words for the person who reads it;
 * `hint` says what to do; neither ever holds a secret.
 */
export class PosternError extends Error {
  override readonly name = 'PosternError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
