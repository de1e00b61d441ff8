import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change } from '../store/changes.ts';
import type { Principal } from '../store/entities.ts';
import { listBindings, listCredentials, listGrants } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { removedBinding } from './bindings.ts';
import { revokedCredential } from './new-credential.ts';

/** What ends with a principal that is retired: its grants, credentials and bindings. */
export async function endingsOf(db: StateDb, principal: Principal): Promise<Change[]> {
  const at = rfc3339(nowMicros());
  const reason = 'principal retired';
  const grants = await listGrants(db, { principal: principal.id, status: 'active' });
  const credentials = await listCredentials(db, { principal: principal.id, status: 'active', at });
  const bindings = await listBindings(db, { principal: principal.id, status: 'open' });
  return [
    ...grants.map(
      (before): Change => ({
        type: 'grant.revoked',
        entity: 'grant',
        before,
        after: { ...before, status: 'revoked', endReason: reason, endedAt: at },
        principal: { id: principal.id, name: principal.name },
        reason,
      }),
    ),
    ...credentials.map((before) => revokedCredential(before, at, reason)),
    ...bindings.map((before) => removedBinding(before, at, reason)),
  ];
}
