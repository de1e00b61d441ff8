import { type ErrorCode, PosternError } from '../core/errors.ts';
import type { CredentialView, GrantView, PrincipalView, ResourceView } from '../core/views.ts';
import type { AccessAnswer, Directory } from './contract.ts';
import { addressOf, isActive, placeAndTime } from './grant-conditions.ts';

/**
 * The resource and the grants that a connection, or a request, is for.
 *
 * @param protocol of the listener
 * @param asked the name of the resource, as the client gives it
 * @param source of the client, `address:port`
 * @param hint how a client of this protocol names a resource
 * @throws Refused when no grant of the principal is active there, with what the principal may know of why
 */
export function openGrants(
  directory: Directory,
  protocol: ResourceView['protocol'],
  asked: string,
  principal: PrincipalView,
  credential: CredentialView,
  source: string,
  hint: string,
): { readonly resource: ResourceView; readonly grants: readonly GrantView[] } {
  const resource = directory.resourceByName(asked);
  // A credential for one resource knows of no other.
  const elsewhere = credential.resourceId !== undefined && credential.resourceId !== resource?.id;
  const known =
    resource === undefined || resource.status !== 'active' || resource.protocol !== protocol || elsewhere
      ? []
      : directory
          .grantsOf(principal.id, resource.id)
          .filter((grant) => credential.grantId === null || grant.id === credential.grantId);
  const now = Date.now();
  const active = known.filter((grant) => isActive(grant, now));
  if (resource === undefined || known.length === 0) {
    throw new Refused(
      'POSTERN_GRANT_MISSING',
      `no grant gives ${principal.name} a resource named ${JSON.stringify(asked)}`,
      principal,
      resource,
      `${hint} Ask for a grant: postern grant add --principal ${principal.name} --resource RESOURCE --scope SCOPE --for 1h --ticket TICKET`,
    );
  }
  if (active.length === 0) throw inactive(principal, resource, known, now);
  const address = addressOf(source);
  const grants = active.filter((grant) => placeAndTime(grant.conditions).reaches(address));
  if (grants.length === 0) {
    const message = `the grant of ${principal.name} on ${resource.name} is not for ${address}`;
    throw new Refused('POSTERN_CONDITION_DENIED', message, principal, resource);
  }
  return { resource, grants };
}

/** Why a credential that was proven does not open the door, or null. */
export function unusable(
  principal: PrincipalView,
  credential: CredentialView,
  nowMs: number,
): { readonly code: ErrorCode; readonly message: string } | null {
  const of = `credential ${credential.id} of "${principal.name}"`;
  if (credential.status !== 'active')
    return { code: 'POSTERN_CREDENTIAL_EXPIRED', message: `${of} was revoked` };
  if (credential.expiresAt <= nowMs) {
    const at = new Date(credential.expiresAt).toISOString();
    return { code: 'POSTERN_CREDENTIAL_EXPIRED', message: `${of} expired at ${at}` };
  }
  const inactive = 'POSTERN_PRINCIPAL_INACTIVE';
  if (principal.status !== 'active')
    return { code: inactive, message: `principal "${principal.name}" is ${principal.status}` };
  if (principal.expiresAt !== null && principal.expiresAt <= nowMs)
    return { code: inactive, message: `principal "${principal.name}" is past its expiry` };
  return null;
}

/** A refusal that concerns a known principal. */
export class Refused extends PosternError {
  readonly principal: PrincipalView | undefined;
  readonly resource: ResourceView | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    principal?: PrincipalView,
    resource?: ResourceView,
    hint?: string,
  ) {
    super(code, message, hint);
    this.principal = principal;
    this.resource = resource;
  }
}

const WITHOUT_GRANT: ReadonlySet<ErrorCode> = new Set([
  'POSTERN_GRANT_MISSING',
  'POSTERN_GRANT_EXPIRED',
  'POSTERN_GRANT_REVOKED',
]);

/** The resource for which connecting may ask, where nothing but a grant is missing; else null. */
export function askable(
  error: unknown,
  credential: CredentialView,
  protocol: ResourceView['protocol'],
): ResourceView | null {
  if (!(error instanceof Refused) || !WITHOUT_GRANT.has(error.code)) return null;
  const { resource } = error;
  if (resource?.status !== 'active' || resource.protocol !== protocol) return null;
  // A credential of one grant, or of another resource, is not for a new one.
  const elsewhere = credential.resourceId !== undefined && credential.resourceId !== resource.id;
  return credential.grantId === null && !elsewhere ? resource : null;
}

/** What the client is told whose asking did not give it a grant. @param without why it could not come in at first */
export function notYet(answer: AccessAnswer, without: Refused): Refused {
  const { principal, resource, hint } = without;
  if (answer.outcome === 'pending') {
    return new Refused(
      'POSTERN_REQUEST_PENDING',
      `the request ${answer.request} of ${principal?.name} for ${resource?.name} waits for ${answer.needs.join('; ')}`,
      principal,
      resource,
      `Connect again when it is granted. Who has to agree does so with: postern request approve ${answer.request}`,
    );
  }
  if (answer.outcome !== 'denied') return without;
  const message = `no grant gives ${principal?.name} the resource ${resource?.name}: ${answer.reason}`;
  return new Refused('POSTERN_GRANT_MISSING', message, principal, resource, hint);
}

function inactive(
  principal: PrincipalView,
  resource: ResourceView,
  known: readonly GrantView[],
  now: number,
): Refused {
  const grant = known.reduce((a, b) => (b.end > a.end ? b : a));
  const ask = `Ask for a new one: postern grant add --principal ${principal.name} --resource ${resource.name} --scope SCOPE --for 1h --ticket TICKET`;
  if (grant.status === 'active' && grant.start > now) {
    const text = `the grant of ${principal.name} on ${resource.name} begins at ${new Date(grant.start).toISOString()}`;
    return new Refused('POSTERN_GRANT_MISSING', text, principal, resource);
  }
  if (grant.status === 'revoked') {
    const why = grant.endReason === null ? '' : `: ${grant.endReason}`;
    return new Refused(
      'POSTERN_GRANT_REVOKED',
      `the grant of ${principal.name} on ${resource.name} was revoked${why}`,
      principal,
      resource,
      ask,
    );
  }
  const text = `the grant of ${principal.name} on ${resource.name} ended at ${new Date(grant.end).toISOString()}`;
  return new Refused('POSTERN_GRANT_EXPIRED', text, principal, resource, ask);
}
