/** Entities to rows and back. The two directions undo each other, which is what makes the log foldable. */

import type { GrantConditions } from '../core/conditions.ts';
import type { Confirmation } from '../core/confirmation.ts';
import type { MaskMatch, Transform } from '../core/masks.ts';
import type { Authority, Delegator, Ref } from '../core/record.ts';
import type {
  AccessPolicy,
  AccessRequest,
  Alert,
  AlertRules,
  Authenticator,
  Binding,
  Credential,
  Declaration,
  Delegation,
  Directory,
  EvidenceSchedule,
  Exchange,
  FrameworkParameters,
  Grant,
  Group,
  IdentityProvider,
  LegalHold,
  LifecyclePolicy,
  LogReview,
  MaskRule,
  Notice,
  Person,
  PersonDirectory,
  PersonRef,
  Principal,
  Reconciliation,
  Resource,
  RetentionPolicy,
  Review,
  ReviewItem,
  ReviewSchedule,
  Role,
  SignInSettings,
  Sink,
  Trust,
  Unmanaged,
} from './entities.ts';
import type {
  AccessPolicyTable,
  AccessRequestTable,
  AlertRulesTable,
  AlertTable,
  AuthenticatorTable,
  BindingTable,
  CredentialTable,
  DeclarationTable,
  DelegationTable,
  DirectoryTable,
  EvidenceScheduleTable,
  FrameworkParametersTable,
  GrantTable,
  GroupTable,
  IdentityProviderTable,
  LegalHoldTable,
  LifecycleTable,
  LogReviewTable,
  MaskTable,
  NoticeTable,
  PersonTable,
  PrincipalTable,
  ReconciliationTable,
  ResourceTable,
  RetentionTable,
  ReviewItemTable,
  ReviewScheduleTable,
  ReviewTable,
  SignInTable,
  SinkTable,
  TrustTable,
  UnmanagedTable,
} from './schema.ts';

export const personRow = (e: Person): PersonTable => ({
  id: e.id,
  name: e.name,
  email: e.email,
  roles: JSON.stringify(e.roles),
  status: e.status,
  status_reason: e.statusReason,
  created_at: e.createdAt,
  // Records of before there were directories say nothing of them.
  directory: e.directory == null ? null : JSON.stringify(e.directory),
});

export const personOf = (r: PersonTable): Person => ({
  id: r.id,
  name: r.name,
  email: r.email,
  roles: JSON.parse(r.roles) as Role[],
  status: r.status,
  statusReason: r.status_reason,
  createdAt: r.created_at,
  directory: r.directory === null ? null : (JSON.parse(r.directory) as PersonDirectory),
});

export const principalRow = (e: Principal): PrincipalTable => ({
  id: e.id,
  name: e.name,
  kind: e.kind,
  owner_id: e.owner.id,
  backup_owner_id: e.backupOwner?.id ?? null,
  purpose: e.purpose,
  environment: e.environment,
  review_interval_days: e.reviewIntervalDays,
  expires_at: e.expiresAt,
  // Records of before there were these do not have them.
  tags: JSON.stringify(e.tags ?? {}),
  sponsor: e.sponsor ?? null,
  rehome_by: e.rehomeBy ?? null,
  active_since: e.activeSince ?? e.createdAt,
  status: e.status,
  status_reason: e.statusReason,
  created_at: e.createdAt,
});

export const principalOf = (
  r: PrincipalTable,
  owner: PersonRef,
  backupOwner: PersonRef | null,
): Principal => ({
  id: r.id,
  name: r.name,
  kind: r.kind,
  owner,
  backupOwner,
  purpose: r.purpose,
  environment: r.environment,
  reviewIntervalDays: r.review_interval_days,
  expiresAt: r.expires_at,
  tags: JSON.parse(r.tags) as Record<string, string>,
  sponsor: r.sponsor,
  rehomeBy: r.rehome_by,
  activeSince: r.active_since,
  status: r.status,
  statusReason: r.status_reason,
  createdAt: r.created_at,
});

export const resourceRow = (e: Resource): ResourceTable => ({
  id: e.id,
  name: e.name,
  protocol: e.protocol,
  host: e.host,
  port: e.port,
  database: e.database,
  // Records of before there were others than PostgreSQL do not have it.
  http: e.http ? JSON.stringify(e.http) : null,
  tls_mode: e.tls.mode,
  tls_ca: e.tls.ca,
  tls_server_name: e.tls.serverName,
  // Records from before there was a choice do not have it.
  tls_negotiation: e.tls.negotiation ?? 'postgres',
  environment: e.environment,
  classification: e.classification,
  durability: e.durability,
  // Records of before this could be said do not have it.
  catalog_access: e.catalogAccess ?? 'tools',
  result_digest: e.resultDigest ? 1 : 0,
  upstream_user: e.upstream.user,
  // Of these, records from before passwords could be replaced have the user alone.
  upstream_secret: e.upstream.secret ?? e.id,
  upstream_source: e.upstream.source ?? null,
  upstream_since: e.upstream.since ?? e.createdAt,
  // Records of before there were any do not have it.
  admin_user: e.admin?.user ?? null,
  admin_secret: e.admin?.secret ?? null,
  admin_source: e.admin?.source ?? null,
  admin_since: e.admin ? (e.admin.since ?? e.createdAt) : null,
  rotate_seconds: e.rotateSeconds ?? null,
  owner_id: e.owner?.id ?? null,
  status: e.status,
  status_reason: e.statusReason,
  created_at: e.createdAt,
});

export const resourceOf = (r: ResourceTable, owner: PersonRef | null): Resource => ({
  id: r.id,
  name: r.name,
  protocol: r.protocol,
  host: r.host,
  port: r.port,
  database: r.database,
  http: r.http === null ? null : (JSON.parse(r.http) as Resource['http']),
  tls: { mode: r.tls_mode, ca: r.tls_ca, serverName: r.tls_server_name, negotiation: r.tls_negotiation },
  environment: r.environment,
  classification: r.classification,
  durability: r.durability,
  catalogAccess: r.catalog_access,
  resultDigest: r.result_digest === 1,
  upstream: {
    user: r.upstream_user,
    secret: r.upstream_secret ?? r.id,
    source: r.upstream_source,
    since: r.upstream_since,
  },
  admin:
    r.admin_user === null || r.admin_secret === null
      ? null
      : {
          user: r.admin_user,
          secret: r.admin_secret,
          source: r.admin_source,
          since: r.admin_since ?? r.created_at,
        },
  rotateSeconds: r.rotate_seconds,
  owner,
  status: r.status,
  statusReason: r.status_reason,
  createdAt: r.created_at,
});

export const grantRow = (e: Grant): GrantTable => ({
  id: e.id,
  principal_id: e.principal.id,
  resource_id: e.resource.id,
  scope: e.scope,
  // Records of before there were conditions do not have them.
  conditions: JSON.stringify(e.conditions ?? {}),
  start_at: e.start,
  end_at: e.end,
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  authority: JSON.stringify(e.authority),
  created_at: e.createdAt,
});

export const grantOf = (r: GrantTable & { principal_name: string; resource_name: string }): Grant => ({
  id: r.id,
  principal: { id: r.principal_id, name: r.principal_name },
  resource: { id: r.resource_id, name: r.resource_name },
  scope: r.scope,
  conditions: JSON.parse(r.conditions) as GrantConditions,
  start: r.start_at,
  end: r.end_at,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  authority: JSON.parse(r.authority) as Authority,
  createdAt: r.created_at,
});

export const credentialRow = (e: Credential): CredentialTable => ({
  id: e.id,
  principal_id: e.principal.id,
  grant_id: e.grant,
  kind: e.kind,
  // Records from before there were certificates do not have it.
  certificate_sha256: e.certificateSha256 ?? null,
  // Nor from before there was an exchange.
  resource_id: e.resource ?? null,
  confirmation: e.confirmation ? JSON.stringify(e.confirmation) : null,
  exchange: e.exchange ? JSON.stringify(e.exchange) : null,
  delegation: JSON.stringify(e.delegation ?? []),
  issued_by: e.issuedBy ?? null,
  expires_at: e.expiresAt,
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  created_at: e.createdAt,
});

export const credentialOf = (r: CredentialTable & { principal_name: string }): Credential => ({
  id: r.id,
  principal: { id: r.principal_id, name: r.principal_name },
  grant: r.grant_id,
  resource: r.resource_id,
  kind: r.kind,
  certificateSha256: r.certificate_sha256,
  confirmation: r.confirmation === null ? null : (JSON.parse(r.confirmation) as Confirmation),
  exchange: r.exchange === null ? null : (JSON.parse(r.exchange) as Exchange),
  delegation: JSON.parse(r.delegation) as Delegator[],
  ...(r.issued_by !== null && { issuedBy: r.issued_by }),
  expiresAt: r.expires_at,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  createdAt: r.created_at,
});

export const delegationRow = (e: Delegation): DelegationTable => ({
  id: e.id,
  subject: JSON.stringify(e.subject),
  chain: JSON.stringify(e.chain),
  actor_id: e.actor.id,
  credential_id: e.credential,
  expires_at: e.expiresAt,
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  created_at: e.createdAt,
});

export const delegationOf = (r: DelegationTable & { actor_name: string }): Delegation => ({
  id: r.id,
  subject: JSON.parse(r.subject) as Delegation['subject'],
  chain: JSON.parse(r.chain) as Delegator[],
  actor: { id: r.actor_id, name: r.actor_name },
  credential: r.credential_id,
  expiresAt: r.expires_at,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  createdAt: r.created_at,
});

export const maskRow = (e: MaskRule): MaskTable => ({
  id: e.id,
  name: e.name,
  revision: e.revision,
  resource_id: e.resource?.id ?? null,
  principal_id: e.principal?.id ?? null,
  grant_id: e.grant,
  match: JSON.stringify(e.match),
  transform: JSON.stringify(e.transform),
  probes: e.probes,
  status: e.status,
  status_reason: e.statusReason,
  created_at: e.createdAt,
});

const refOrNull = (id: string | null, name: string | null): Ref | null =>
  id === null ? null : { id, name: name ?? id };

export const maskOf = (
  r: MaskTable & { resource_name: string | null; principal_name: string | null },
): MaskRule => ({
  id: r.id,
  name: r.name,
  revision: r.revision,
  resource: refOrNull(r.resource_id, r.resource_name),
  principal: refOrNull(r.principal_id, r.principal_name),
  grant: r.grant_id,
  match: JSON.parse(r.match) as MaskMatch,
  transform: JSON.parse(r.transform) as Transform,
  probes: r.probes,
  status: r.status,
  statusReason: r.status_reason,
  createdAt: r.created_at,
});

export const bindingRow = (e: Binding): BindingTable => {
  const { id, principal, kind, status, endReason, endedAt, createdAt, ...details } = e;
  return {
    id,
    principal_id: principal.id,
    kind,
    details: JSON.stringify(details),
    status,
    end_reason: endReason,
    ended_at: endedAt,
    created_at: createdAt,
  };
};

export const bindingOf = (r: BindingTable & { principal_name: string }): Binding =>
  ({
    id: r.id,
    principal: { id: r.principal_id, name: r.principal_name },
    kind: r.kind,
    ...(JSON.parse(r.details) as object),
    status: r.status,
    endReason: r.end_reason,
    endedAt: r.ended_at,
    createdAt: r.created_at,
  }) as Binding;

export const trustRow = (e: Trust): TrustTable => ({
  id: e.id,
  kind: e.kind,
  name: e.name,
  url: e.url,
  keys: e.keys,
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  created_at: e.createdAt,
});

export const trustOf = (r: TrustTable): Trust => ({
  id: r.id,
  kind: r.kind,
  name: r.name,
  url: r.url,
  keys: r.keys,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  createdAt: r.created_at,
});

export const legalHoldRow = (e: LegalHold): LegalHoldTable => ({
  id: e.id,
  principal_id: e.principal?.id ?? null,
  reason: e.reason,
  placed_by: JSON.stringify(e.placedBy),
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  created_at: e.createdAt,
});

export const legalHoldOf = (r: LegalHoldTable & { principal_name: string | null }): LegalHold => ({
  id: r.id,
  principal: refOrNull(r.principal_id, r.principal_name),
  reason: r.reason,
  placedBy: JSON.parse(r.placed_by) as Ref,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  createdAt: r.created_at,
});

export const frameworkParametersRow = (e: FrameworkParameters): FrameworkParametersTable => ({ ...e });

export const retentionRow = (e: RetentionPolicy): RetentionTable => ({ id: e.id, policy: JSON.stringify(e) });

export const retentionOf = (r: RetentionTable): RetentionPolicy => JSON.parse(r.policy) as RetentionPolicy;

/** Under which a login finds the authenticator. An issuer is a URL, so no space is in it. */
export const identifierOf = (e: Authenticator): string =>
  e.kind === 'oidc' ? `oidc ${e.issuer} ${e.subject}` : `passkey ${e.credentialId}`;

export const authenticatorRow = (e: Authenticator): AuthenticatorTable => ({
  id: e.id,
  person_id: e.person.id,
  identifier: identifierOf(e),
  status: e.status,
  body: JSON.stringify(e),
});

export const identityProviderRow = (e: IdentityProvider): IdentityProviderTable => ({
  id: e.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const directoryRow = (e: Directory): DirectoryTable => ({
  id: e.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const sinkRow = (e: Sink): SinkTable => ({
  id: e.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const groupRow = (e: Group): GroupTable => ({
  id: e.id,
  directory_id: e.directory.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const signInRow = (e: SignInSettings): SignInTable => ({ id: e.id, settings: JSON.stringify(e) });
export const lifecycleRow = (e: LifecyclePolicy): LifecycleTable => ({ id: e.id, policy: JSON.stringify(e) });

export const lifecycleOf = (r: LifecycleTable): LifecyclePolicy => JSON.parse(r.policy) as LifecyclePolicy;

export const noticeRow = (e: Notice): NoticeTable => ({
  id: e.id,
  principal_id: e.principal.id,
  kind: e.kind,
  to_id: e.to?.id ?? null,
  text: e.text,
  effective_at: e.effectiveAt,
  status: e.status,
  end_reason: e.endReason,
  ended_at: e.endedAt,
  created_at: e.createdAt,
});

export const noticeOf = (r: NoticeTable & { principal_name: string }, to: PersonRef | null): Notice => ({
  id: r.id,
  principal: { id: r.principal_id, name: r.principal_name },
  kind: r.kind,
  to,
  text: r.text,
  effectiveAt: r.effective_at,
  status: r.status,
  endReason: r.end_reason,
  endedAt: r.ended_at,
  createdAt: r.created_at,
});

export const declarationRow = (e: Declaration): DeclarationTable => ({
  id: e.id,
  set_name: e.set,
  kind: e.kind,
  object_id: e.object.id,
  object_name: e.object.name,
  status: e.status,
  created_at: e.createdAt,
});

export const declarationOf = (r: DeclarationTable): Declaration => ({
  id: r.id,
  set: r.set_name,
  kind: r.kind,
  object: { id: r.object_id, name: r.object_name },
  status: r.status,
  createdAt: r.created_at,
});
export const policyRow = (e: AccessPolicy): AccessPolicyTable => ({
  id: e.id,
  name: e.name,
  revision: e.revision,
  text: e.text,
  status: e.status,
  status_reason: e.statusReason,
  created_at: e.createdAt,
});

export const policyOf = (r: AccessPolicyTable): AccessPolicy => ({
  id: r.id,
  name: r.name,
  revision: r.revision,
  text: r.text,
  status: r.status,
  statusReason: r.status_reason,
  createdAt: r.created_at,
});

export const requestRow = (e: AccessRequest): AccessRequestTable => ({
  id: e.id,
  principal_id: e.principal.id,
  resource_id: e.resource.id,
  status: e.status,
  expires_at: e.expiresAt,
  body: JSON.stringify(e),
});

export const requestOf = (r: AccessRequestTable): AccessRequest => JSON.parse(r.body) as AccessRequest;

export const reviewRow = (e: Review): ReviewTable => ({
  id: e.id,
  name: e.name,
  schedule_id: e.schedule?.id ?? null,
  status: e.status,
  body: JSON.stringify(e),
});

export const reviewItemRow = (e: ReviewItem): ReviewItemTable => ({
  id: e.id,
  review_id: e.review.id,
  principal_id: e.principal.id,
  grant_id: e.grant,
  status: e.status,
  body: JSON.stringify(e),
});

export const alertRow = (e: Alert): AlertTable => ({
  id: e.id,
  rule: e.rule,
  principal_id: e.principal.id,
  resource_id: e.resource?.id ?? null,
  status: e.status,
  last_leaf: e.lastFound,
  body: JSON.stringify(e),
});

export const alertRulesRow = (e: AlertRules): AlertRulesTable => ({ id: e.id, body: JSON.stringify(e) });

export const evidenceScheduleRow = (e: EvidenceSchedule): EvidenceScheduleTable => ({
  id: e.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const reviewScheduleRow = (e: ReviewSchedule): ReviewScheduleTable => ({
  id: e.id,
  name: e.name,
  status: e.status,
  body: JSON.stringify(e),
});

export const logReviewRow = (e: LogReview): LogReviewTable => ({
  id: e.id,
  principal_id: e.principal.id,
  reviewer_id: e.reviewer.id,
  from_leaf: e.fromLeaf,
  to_leaf: e.toLeaf,
  privileged: e.privileged ? 1 : 0,
  finding: e.finding,
  ticket: e.ticket,
  log_size: e.logSize,
  log_root: e.logRoot,
  created_at: e.createdAt,
});

export const logReviewOf = (
  r: LogReviewTable & { principal_name: string; reviewer_name: string },
): LogReview => ({
  id: r.id,
  principal: { id: r.principal_id, name: r.principal_name },
  reviewer: { id: r.reviewer_id, name: r.reviewer_name },
  fromLeaf: r.from_leaf,
  toLeaf: r.to_leaf,
  privileged: r.privileged === 1,
  finding: r.finding,
  ticket: r.ticket,
  logSize: r.log_size,
  logRoot: r.log_root,
  createdAt: r.created_at,
});

export const reconciliationRow = (e: Reconciliation): ReconciliationTable => ({
  id: e.id,
  resource_id: e.resource.id,
  status: e.status,
  body: JSON.stringify(e),
});

export const unmanagedRow = (e: Unmanaged): UnmanagedTable => ({
  id: e.id,
  resource_id: e.resource.id,
  kind: e.kind,
  key: e.key,
  status: e.status,
  body: JSON.stringify(e),
});
