/** What is taken away by records that are written while state does not take them: workers are told of it all the same. */
import type { ChangeRecord } from '../core/record.ts';
import type { CredentialView, Delta, Snapshot } from '../core/views.ts';
import type { Binding, Credential, Grant, Principal, Resource } from '../store/entities.ts';
import { endedOf } from './ended.ts';
import type { Resources } from './resources.ts';
import { bindingView, commonView, grantView, principalView } from './views.ts';

/** Fits no proof. */
const NO_KEY = Buffer.alloc(32).toString('base64');

function credentialView(c: Credential): CredentialView {
  const common = commonView(c);
  return c.certificateSha256 === null
    ? { ...common, kind: 'password', storedKey: NO_KEY, serverKey: NO_KEY }
    : { ...common, kind: 'certificate', sha256: c.certificateSha256 };
}

/**
 * What records that take something away mean for workers, told without the database: a credential comes without its
 * verifier. Null where they take nothing.
 */
export async function withdrawalOf(
  resources: Resources,
  records: readonly ChangeRecord[],
  version: number,
): Promise<Delta | null> {
  if (records.length === 0) return null;
  const after = <T>(entity: ChangeRecord['change']['entity']): T[] =>
    records.filter(({ change }) => change.entity === entity).map(({ change }) => change.after as T);
  return {
    version,
    principals: after<Principal>('principal').map(principalView),
    resources: await Promise.all(after<Resource>('resource').map((resource) => resources.view(resource))),
    grants: after<Grant>('grant').map(grantView),
    ended: endedOf(records),
    credentials: [
      ...after<Credential>('credential').map(credentialView),
      ...after<Binding>('binding')
        .map((each) => bindingView(each))
        .filter((view) => view !== null),
    ],
  };
}

/** A snapshot of tables that do not show a withdrawal yet, as it would be if they did. */
export function withdrawFrom(snapshot: Snapshot, withdrawn: Delta): Snapshot {
  const without = <T extends { readonly id: string }>(rows: readonly T[], gone: readonly T[] = []): T[] => {
    const ids = new Set(gone.map(({ id }) => id));
    return rows.filter(({ id }) => !ids.has(id));
  };
  const { principals = [], resources, grants, credentials } = withdrawn;
  return {
    ...snapshot,
    principals: [...without(snapshot.principals, principals), ...principals],
    resources: without(snapshot.resources, resources),
    grants: without(snapshot.grants, grants),
    credentials: without(snapshot.credentials, credentials),
  };
}
