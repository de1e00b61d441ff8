/** Whether a session has lost what it stands on. */
import type { GrantView } from '../core/views.ts';
import type { Directory, SessionEnd } from './contract.ts';
import { isActive } from './grant-conditions.ts';
import type { SessionIdentity } from './session-records.ts';

/**
 * Why a session must end now, or null.
 *
 * @param grants all grants of the session that are known, ended ones too
 * @param used the ids of those under which it ran something
 */
export function mustEnd(
  directory: Directory,
  { principal, credential, resource }: SessionIdentity,
  grants: readonly GrantView[],
  used: ReadonlySet<string>,
  nowMs: number,
): SessionEnd | null {
  const now = directory.principal(principal.id);
  if (now === undefined || now.status !== 'active' || (now.expiresAt !== null && now.expiresAt <= nowMs)) {
    const status = now === undefined || now.status === 'active' ? 'past its expiry' : now.status;
    const message = `session closed: principal ${principal.name} is ${status}`;
    return { kind: 'principal inactive', code: 'POSTERN_PRINCIPAL_INACTIVE', message };
  }
  const { status } = directory.resource(resource.id) ?? { status: 'retired' };
  if (status === 'withdrawn') {
    const message = `session closed: the secret of resource ${resource.name} cannot be opened`;
    return { kind: 'resource withdrawn', code: 'POSTERN_GRANT_REVOKED', message };
  }
  if (status !== 'active') {
    const message = `session closed: resource ${resource.name} is retired`;
    return { kind: 'resource retired', code: 'POSTERN_GRANT_REVOKED', message };
  }
  if (directory.credential(credential.id)?.status === 'revoked') {
    const message = `session closed: its credential was revoked`;
    return { kind: 'credential revoked', code: 'POSTERN_GRANT_REVOKED', message };
  }
  // A credential may be over while its session goes on; what it stood on may not.
  const { basis } = credential;
  if (basis?.ids.some((id) => (directory.endedAt(id) ?? Number.NEGATIVE_INFINITY) >= basis.since)) {
    const message = `session closed: what its credential was exchanged for has ended`;
    return { kind: 'credential revoked', code: 'POSTERN_GRANT_REVOKED', message };
  }
  const ended = grants.find((grant) => used.has(grant.id) && !isActive(grant, nowMs));
  if (ended !== undefined) return grantEnded(ended, resource.name);
  if (grants.some((grant) => isActive(grant, nowMs))) return null;
  const last = grants.at(-1);
  if (last !== undefined) return grantEnded(last, resource.name);
  return {
    kind: 'grant ended',
    code: 'POSTERN_GRANT_REVOKED',
    message: 'session closed: no grant is left',
  };
}

function grantEnded(grant: GrantView, resource: string): SessionEnd {
  const expired = grant.status === 'expired' || (grant.status === 'active' && grant.end <= Date.now());
  const at = new Date(grant.end).toISOString();
  const reason = grant.endReason === null ? '' : `: ${grant.endReason}`;
  return {
    kind: expired ? 'grant expired' : 'grant revoked',
    code: expired ? 'POSTERN_GRANT_EXPIRED' : 'POSTERN_GRANT_REVOKED',
    message: expired
      ? `session closed: the grant on ${resource} ended at ${at}`
      : `session closed: the grant on ${resource} was revoked${reason}`,
    hint: `Grant ${grant.id}. Ask for a new grant to go on.`,
  };
}
