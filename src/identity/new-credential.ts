/** How a credential begins and ends, whoever asks for it. */
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Delegator } from '../core/record.ts';
import type { Change } from '../store/changes.ts';
import type { Credential, Exchange } from '../store/entities.ts';
import { findGrant, findPrincipal, findResource, found, listGrants } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { atMillis } from './input.ts';

export interface Wanted {
  readonly principal: string;
  readonly kind: Credential['kind'];
  readonly ttlSeconds: number;
  /** A further end, in milliseconds: of the proof. */
  readonly notAfter?: number | null;
  readonly grant?: string | undefined;
  /** Name or id. */
  readonly resource?: string | undefined;
  readonly exchange?: Exchange;
  /** Id of the person who issues it. */
  readonly issuedBy?: string;
  readonly delegation?: readonly Delegator[];
}

/**
 * A credential that begins now, and ends no later than its principal, its grant, and what it is exchanged for.
 *
 * @throws PosternError POSTERN_PRINCIPAL_INACTIVE; POSTERN_GRANT_MISSING, _EXPIRED or _REVOKED for the grant or resource named
 */
export async function newCredential(db: StateDb, wanted: Wanted): Promise<Credential> {
  const principal = found(await findPrincipal(db, wanted.principal), 'principal', wanted.principal);
  const now = Date.now();
  if (principal.status !== 'active') {
    throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is ${principal.status}.`);
  }
  const ends = [now + wanted.ttlSeconds * 1000];
  if (typeof wanted.notAfter === 'number') ends.push(wanted.notAfter);
  if (principal.expiresAt !== null) ends.push(Date.parse(principal.expiresAt));
  let resource: string | null = null;
  if (wanted.grant !== undefined) {
    const grant = await openGrant(db, wanted.grant, principal.id, now);
    ends.push(Date.parse(grant.end));
    resource = grant.resource.id;
  }
  if (wanted.resource !== undefined) {
    const asked = await findResource(db, wanted.resource);
    const end = asked && (await endOn(db, principal.id, asked.id, now));
    if (asked === undefined || end === undefined || (resource ?? asked.id) !== asked.id)
      throw new PosternError(
        'POSTERN_GRANT_MISSING',
        `No grant gives ${principal.name} a resource named ${JSON.stringify(wanted.resource.slice(0, 80))}.`,
      );
    ends.push(end);
    resource = asked.id;
  }
  const end = Math.min(...ends);
  if (end <= now) throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} has expired.`);
  return {
    id: uuidv7(),
    principal: { id: principal.id, name: principal.name },
    grant: wanted.grant ?? null,
    resource: wanted.resource === undefined ? null : resource,
    kind: wanted.kind,
    certificateSha256: null,
    confirmation: null,
    exchange: wanted.exchange ?? null,
    ...(wanted.issuedBy !== undefined && { issuedBy: wanted.issuedBy }),
    delegation: wanted.delegation ?? [],
    expiresAt: atMillis(end),
    status: 'active',
    endReason: null,
    endedAt: null,
    createdAt: atMillis(now),
  };
}

export const issuedCredential = (after: Credential): Change => ({
  type: 'credential.issued',
  entity: 'credential',
  before: null,
  after,
  principal: after.principal,
});

/** The change that ends a credential before its time. */
export function revokedCredential(before: Credential, at: string, reason: string): Change {
  return {
    type: 'credential.revoked',
    entity: 'credential',
    before,
    after: { ...before, status: 'revoked', endReason: reason, endedAt: at },
    principal: before.principal,
    reason,
  };
}

async function openGrant(db: StateDb, id: string, principalId: string, now: number) {
  const grant = await findGrant(db, id);
  if (!grant || grant.principal.id !== principalId) {
    throw new PosternError('POSTERN_GRANT_MISSING', `The principal has no grant ${JSON.stringify(id)}.`);
  }
  if (grant.status === 'revoked') {
    throw new PosternError('POSTERN_GRANT_REVOKED', `The grant ${id} was revoked: ${grant.endReason}.`);
  }
  if (grant.status === 'expired' || Date.parse(grant.end) <= now) {
    throw new PosternError('POSTERN_GRANT_EXPIRED', `The grant ${id} ended at ${grant.end}.`);
  }
  return grant;
}

/** When the last grant ends that a principal has on a resource; undefined where it has none. */
async function endOn(
  db: StateDb,
  principal: string,
  resource: string,
  now: number,
): Promise<number | undefined> {
  const grants = await listGrants(db, { principal, resource, status: 'active' });
  const ends = grants.map(({ end }) => Date.parse(end)).filter((end) => end > now);
  return ends.length === 0 ? undefined : Math.max(...ends);
}
