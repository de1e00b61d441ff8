/** From state to what gateway workers know (src/core/views.ts). */
import type { ChangeRecord } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type {
  CredentialView,
  Delta,
  GrantView,
  MaskRuleView,
  PrincipalView,
  ResourceView,
  Snapshot,
} from '../core/views.ts';
import { loggedBy } from '../identity/presets/presets.ts';
import type {
  Binding,
  Credential,
  Exchange,
  Grant,
  MaskRule,
  Principal,
  Resource,
} from '../store/entities.ts';
import {
  listBindings,
  listCredentials,
  listGrants,
  listMasks,
  listPrincipals,
  listResources,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { endedOf } from './ended.ts';
import { type Resources, withoutSecrets } from './resources.ts';

const millis = (time: string): number => Date.parse(time);

export const principalView = (p: Principal): PrincipalView => ({
  id: p.id,
  name: p.name,
  ownerId: p.owner.id,
  status: p.status,
  expiresAt: p.expiresAt === null ? null : millis(p.expiresAt),
});

export const grantView = (g: Grant): GrantView => ({
  id: g.id,
  principalId: g.principal.id,
  resourceId: g.resource.id,
  scope: g.scope,
  conditions: g.conditions ?? {},
  start: millis(g.start),
  end: millis(g.end),
  status: g.status,
  endReason: g.endReason,
  authority: g.authority,
});

export const maskView = (m: MaskRule): MaskRuleView => ({
  id: m.id,
  name: m.name,
  revision: m.revision,
  resourceId: m.resource?.id ?? null,
  principalId: m.principal?.id ?? null,
  grantId: m.grant,
  match: m.match,
  transform: m.transform,
  probes: m.probes,
  status: m.status,
});

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Fits no proof. */
const NO_KEYS = { storedKey: base64(Buffer.alloc(32)), serverKey: base64(Buffer.alloc(32)) };

/**
 * What workers know of a binding; null for those that prove nothing to a worker.
 *
 * @param keys verifier of a static secret; absent: nothing fits it
 */
export function bindingView(b: Binding, keys: typeof NO_KEYS = NO_KEYS): CredentialView | null {
  const common = {
    id: b.id,
    principalId: b.principal.id,
    grantId: null,
    expiresAt: Number.MAX_SAFE_INTEGER,
    status: b.status === 'active' ? 'active' : 'revoked',
  } as const;
  switch (b.kind) {
    case 'oidc':
      return {
        ...common,
        ...{ kind: b.kind, issuer: b.issuer, audience: b.audience, claims: b.claims },
        ...(b.contains && { contains: b.contains }),
        logged: loggedBy(b.preset),
      };
    case 'spiffe':
      return { ...common, kind: b.kind, spiffeId: b.spiffeId, audience: b.audience };
    case 'certificate':
      return { ...common, kind: 'bound_certificate', trustId: b.trust?.id ?? null, by: b.by, value: b.value };
    case 'secret':
      return b.status === 'requested'
        ? null
        : { ...common, kind: 'password', expiresAt: millis(b.expiresAt), ...keys };
    default:
      return null;
  }
}

const basisOf = ({ delegation }: Credential, { binding }: Exchange): string[] => [
  binding,
  ...delegation.flatMap((each) => [each.id, each.delegation]),
];

/** What workers know of a credential, whatever its kind. */
export const commonView = (c: Credential) => ({
  id: c.id,
  principalId: c.principal.id,
  grantId: c.grant,
  ...(c.resource && { resourceId: c.resource }),
  ...(c.delegation.length > 0 && { delegation: c.delegation }),
  ...(c.exchange !== null && { basis: { ids: basisOf(c, c.exchange), since: millis(c.createdAt) } }),
  expiresAt: millis(c.expiresAt),
  status: c.status,
});

/** Null for kinds that no worker takes yet, and where the verifier is missing, which a crash between verifier and record cannot cause but a restored backup can: nobody can prove such a credential, so no worker needs it. */
async function credentialView(db: StateDb, c: Credential): Promise<CredentialView | null> {
  if (c.kind === 'ssh' || c.kind === 'jwt') return null;
  const common = commonView(c);
  if (c.kind === 'certificate') {
    return c.certificateSha256 === null ? null : { ...common, kind: c.kind, sha256: c.certificateSha256 };
  }
  const keys = await verifierOf(db, c.id);
  return keys && { ...common, kind: c.kind, ...keys };
}

async function verifierOf(db: StateDb, id: string): Promise<typeof NO_KEYS | null> {
  const query = db.selectFrom('credential_verifiers').selectAll().where('credential_id', '=', id);
  const row = await query.executeTakeFirst();
  return row ? { storedKey: base64(row.stored_key), serverKey: base64(row.server_key) } : null;
}

async function bindingViews(db: StateDb, bindings: readonly Binding[]): Promise<CredentialView[]> {
  const views = await Promise.all(
    bindings.map(async (each) =>
      bindingView(each, each.kind === 'secret' ? ((await verifierOf(db, each.id)) ?? NO_KEYS) : NO_KEYS),
    ),
  );
  return views.filter((view) => view !== null);
}

/**
 * Everything a fresh worker needs: every principal (also those that ended, so that a refusal can say why), and the
 * resources, grants, credentials and masks that are not over. Only when no change is under way.
 *
 * @param onFault told of a resource whose secret cannot be opened: it is left out, the others go on
 */
export async function snapshotOf(
  db: StateDb,
  resources: Resources,
  version: number,
  onFault: (error: unknown) => void,
): Promise<Snapshot> {
  const at = rfc3339(nowMicros());
  const open = await listCredentials(db, { status: 'active', at });
  const credentials = await Promise.all(open.map((credential) => credentialView(db, credential)));
  const resourceViews: ResourceView[] = [];
  for (const resource of await listResources(db, { status: 'active' })) {
    try {
      resourceViews.push(await resources.view(resource));
    } catch (error) {
      onFault(error);
    }
  }
  return {
    version,
    principals: (await listPrincipals(db, {})).map(principalView),
    resources: resourceViews,
    grants: (await listGrants(db, { status: 'active' })).map(grantView),
    credentials: [
      ...credentials.filter((view) => view !== null),
      ...(await bindingViews(db, await listBindings(db, { status: 'active' }))),
    ],
    masks: (await listMasks(db, { status: 'active' })).map(maskView),
  };
}

/**
 * What the records mean for workers, or null where they mean nothing (a person). The change stands already: a resource
 * whose secret cannot be opened does not keep the rest from them, nor do they go on with what they knew of it.
 *
 * @param onFault told of such a resource
 */
export async function deltaOf(
  db: StateDb,
  resources: Resources,
  records: readonly ChangeRecord[],
  version: number,
  onFault: (error: unknown) => void,
): Promise<Delta | null> {
  const viewOf = (resource: Resource): Promise<ResourceView> =>
    resources.view(resource).catch((error: unknown) => {
      onFault(error);
      return withoutSecrets(resource, 'withdrawn');
    });
  const principals: PrincipalView[] = [];
  const resourceViews: ResourceView[] = [];
  const grants: GrantView[] = [];
  const credentials: CredentialView[] = [];
  const masks: MaskRuleView[] = [];
  for (const { change } of records) {
    if (change.entity === 'principal') principals.push(principalView(change.after as Principal));
    if (change.entity === 'resource') resourceViews.push(await viewOf(change.after as Resource));
    if (change.entity === 'grant') grants.push(grantView(change.after as Grant));
    if (change.entity === 'mask') masks.push(maskView(change.after as MaskRule));
    if (change.entity === 'binding') credentials.push(...(await bindingViews(db, [change.after as Binding])));
    if (change.entity === 'credential') {
      const view = await credentialView(db, change.after as Credential);
      if (view) credentials.push(view);
    }
  }
  const ended = endedOf(records);
  const rows = [principals, resourceViews, grants, credentials, masks, ended];
  if (rows.every((each) => each.length === 0)) return null;
  return {
    version,
    ...(principals.length > 0 && { principals }),
    ...(resourceViews.length > 0 && { resources: resourceViews }),
    ...(grants.length > 0 && { grants }),
    ...(credentials.length > 0 && { credentials }),
    ...(masks.length > 0 && { masks }),
    ...(ended.length > 0 && { ended }),
  };
}
