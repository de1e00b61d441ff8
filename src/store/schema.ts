/** The tables of `state.db` as Kysely sees them. Names and checks are in `migrations.ts`. */

import type { SignInMethod } from '../core/record.ts';
import type { Binding, Trust } from './entities.ts';
import type { NotifyTables } from './notify-schema.ts';

export interface PersonTable {
  id: string;
  name: string;
  email: string;
  /** JSON array of roles. */
  roles: string;
  status: 'active' | 'disabled';
  status_reason: string | null;
  created_at: string;
  /** JSON of `PersonDirectory`. */
  directory: string | null;
}

export interface ApiTokenTable {
  id: string;
  person_id: string;
  /** SHA-256 of the token: the token itself is kept nowhere. */
  token_hash: Uint8Array;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
  /** Until when sensitive acts are open to its holder. */
  fresh_until: string | null;
}

export interface PrincipalTable {
  id: string;
  name: string;
  kind: 'service_account' | 'ci_runner' | 'workload' | 'agent';
  owner_id: string;
  backup_owner_id: string | null;
  purpose: string;
  environment: string;
  review_interval_days: number;
  expires_at: string | null;
  /** JSON object of strings. */
  tags: string;
  sponsor: string | null;
  rehome_by: string | null;
  active_since: string;
  status: 'active' | 'suspended' | 'disabled' | 'retired';
  status_reason: string | null;
  created_at: string;
}

export interface ResourceTable {
  id: string;
  name: string;
  protocol: 'postgres' | 'http';
  host: string;
  port: number;
  database: string;
  /** JSON object; null for another protocol. */
  http: string | null;
  tls_mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  tls_ca: string | null;
  tls_server_name: string | null;
  tls_negotiation: 'postgres' | 'direct';
  environment: string;
  classification: string;
  durability: 'process' | 'power';
  catalog_access: 'tools' | 'none';
  result_digest: 0 | 1;
  upstream_user: string;
  upstream_secret: string | null;
  upstream_source: string | null;
  upstream_since: string;
  admin_user: string | null;
  admin_secret: string | null;
  admin_source: string | null;
  admin_since: string | null;
  rotate_seconds: number | null;
  owner_id: string | null;
  status: 'active' | 'retired';
  status_reason: string | null;
  created_at: string;
}

/** Of upstream credentials, and of administering ones: the same shape. */
export interface VaultSecretTable {
  id: string;
  sealed: Uint8Array;
}

/** Passwords that are to take the place of others. No part of who may do what. */
export interface VaultPendingTable {
  /** Of the secret. */
  id: string;
  resource_id: string;
  login: 'upstream' | 'admin';
  /** JSON of an `Actor`. */
  actor: string;
  reason: string;
  since: string;
}

export interface GrantTable {
  id: string;
  principal_id: string;
  resource_id: string;
  scope: string;
  /** JSON of `GrantConditions`. */
  conditions: string;
  start_at: string;
  end_at: string;
  status: 'active' | 'expired' | 'revoked';
  end_reason: string | null;
  ended_at: string | null;
  /** JSON of `Authority`. */
  authority: string;
  created_at: string;
}

export interface CredentialTable {
  id: string;
  principal_id: string;
  grant_id: string | null;
  /** Id; sessions on others are refused. */
  resource_id: string | null;
  kind: 'password' | 'certificate' | 'ssh' | 'jwt';
  certificate_sha256: string | null;
  /** JSON of `Confirmation`. */
  confirmation: string | null;
  /** JSON of `Exchange`. */
  exchange: string | null;
  /** JSON array of `Delegator`. */
  delegation: string;
  /** Id of a person. */
  issued_by: string | null;
  expires_at: string;
  status: 'active' | 'revoked';
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

export interface CredentialVerifierTable {
  credential_id: string;
  stored_key: Uint8Array;
  server_key: Uint8Array;
}

export interface MaskTable {
  id: string;
  name: string;
  revision: number;
  resource_id: string | null;
  principal_id: string | null;
  grant_id: string | null;
  /** JSON of `MaskMatch`. */
  match: string;
  /** JSON of `Transform`. */
  transform: string;
  probes: 'deny' | 'allow';
  status: 'active' | 'retired';
  status_reason: string | null;
  created_at: string;
}

export interface BindingTable {
  id: string;
  principal_id: string;
  kind: Binding['kind'];
  /** JSON object of what is particular to the kind. */
  details: string;
  status: Binding['status'];
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

/** One-time tokens with which a key pair joins. */
export interface JoinTokenTable {
  binding_id: string;
  /** SHA-256: the token itself is kept nowhere. */
  token_hash: Uint8Array;
}

/** The last use of an enrolled key. */
export interface KeyUseTable {
  binding_id: string;
  sequence: number;
}

export interface TrustTable {
  id: string;
  kind: Trust['kind'];
  name: string;
  url: string | null;
  keys: string | null;
  status: Trust['status'];
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

export interface DelegationTable {
  id: string;
  /** JSON of its subject. */
  subject: string;
  /** JSON array of `Delegator`. */
  chain: string;
  actor_id: string;
  credential_id: string | null;
  expires_at: string;
  status: 'active' | 'revoked';
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

/** A proof that was shown, until it ends. */
export interface SpentProofTable {
  /** Hex SHA-256 of what tells it again. */
  mark: string;
  /** Milliseconds since the Unix epoch. */
  ends_ms: number;
}

export interface LegalHoldTable {
  id: string;
  /** Null: all principals. */
  principal_id: string | null;
  reason: string;
  /** JSON of a `Ref`. */
  placed_by: string;
  status: 'active' | 'released';
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

export interface FrameworkParametersTable {
  id: 'parameters';
  revision: number;
  text: string;
  sha256: string;
}

export interface RetentionTable {
  id: string;
  /** JSON of `RetentionPolicy`. */
  policy: string;
}

export interface LifecycleTable {
  id: string;
  /** JSON of `LifecyclePolicy`. */
  policy: string;
}

export interface NoticeTable {
  id: string;
  principal_id: string;
  kind: 'owner_left' | 'backup_owner_left' | 'nobody_left';
  /** Null: every administrator. */
  to_id: string | null;
  text: string;
  effective_at: string | null;
  status: 'open' | 'ended';
  end_reason: string | null;
  ended_at: string | null;
  created_at: string;
}

export interface DeclarationTable {
  id: string;
  set_name: string;
  kind: 'principal' | 'resource' | 'binding' | 'mask' | 'policy';
  object_id: string;
  object_name: string;
  status: 'held' | 'released';
  created_at: string;
}

/** Things of this installation that are no entity: the set-up token's hash, the sealed SCRAM salt secret. */
export interface SettingTable {
  name: string;
  value: Uint8Array;
}

export interface AuthenticatorTable {
  id: string;
  person_id: string;
  /** What a login shows: issuer and subject, or the passkey's credential id. */
  identifier: string;
  status: 'active' | 'removed';
  /** JSON of the entity. */
  body: string;
}

export interface PasskeyCounterTable {
  authenticator_id: string;
  counter: number;
  last_used_at: string | null;
}

export interface IdentityProviderTable {
  id: string;
  name: string;
  status: 'active' | 'removed';
  body: string;
}

export interface IdentityProviderSecretTable {
  provider_id: string;
  sealed: Uint8Array;
}

export interface SinkTable {
  id: string;
  name: string;
  status: 'active' | 'paused' | 'retired';
  body: string;
}

export interface SinkSecretTable {
  sink_id: string;
  sealed: Uint8Array;
}

export interface SavedQueryTable {
  id: string;
  name: string;
  person_id: string;
  /** 1: everybody may use it. */
  shared: number;
  /** JSON of the filter as it was given. */
  filter: string;
  created_at: string;
}

export interface DirectoryTable {
  id: string;
  name: string;
  status: 'active' | 'removed';
  body: string;
}

export interface DirectoryTokenTable {
  directory_id: string;
  token_hash: Uint8Array;
  expires_at: string;
  last_used_at: string | null;
}

export interface GroupTable {
  id: string;
  directory_id: string;
  name: string;
  status: 'active' | 'removed';
  body: string;
}

export interface SignInTable {
  id: string;
  /** JSON of `SignInSettings`. */
  settings: string;
}

export interface PersonSessionTable {
  id: string;
  person_id: string;
  /** SHA-256 of the token. */
  token_hash: Uint8Array;
  kind: 'browser' | 'cli';
  method: SignInMethod;
  /** JSON of a `Ref`. */
  provider: string | null;
  source: string;
  authenticated_at: string | null;
  created_at: string;
  last_used_at: string;
  idle_seconds: number;
  expires_at: string;
}

export interface InvitationTable {
  id: string;
  person_id: string;
  token_hash: Uint8Array;
  expires_at: string;
}

export interface RecoveryCodeTable {
  person_id: string;
  /** One salt for all codes of a person: one computation tells whether what is shown is any of them. */
  salt: Uint8Array;
  /** scrypt of the code. */
  hash: Uint8Array;
}

export interface AccessPolicyTable {
  id: string;
  name: string;
  revision: number;
  text: string;
  status: 'active' | 'retired';
  status_reason: string | null;
  created_at: string;
}

export interface AccessRequestTable {
  id: string;
  principal_id: string;
  resource_id: string;
  status: 'pending' | 'granted' | 'denied' | 'withdrawn' | 'lapsed';
  expires_at: string;
  /** JSON of an `AccessRequest`. */
  body: string;
}

export interface ReviewTable {
  id: string;
  name: string;
  schedule_id: string | null;
  status: 'open' | 'closed';
  /** JSON of a `Review`. */
  body: string;
}

export interface ReviewItemTable {
  id: string;
  review_id: string;
  principal_id: string;
  grant_id: string | null;
  status: 'open' | 'decided' | 'lapsed' | 'withdrawn';
  /** JSON of a `ReviewItem`. */
  body: string;
}

export interface EvidenceScheduleTable {
  id: string;
  name: string;
  status: 'active' | 'ended';
  /** JSON of an `EvidenceSchedule`. */
  body: string;
}

export interface ReviewScheduleTable {
  id: string;
  name: string;
  status: 'active' | 'ended';
  /** JSON of a `ReviewSchedule`. */
  body: string;
}

export interface ReconciliationTable {
  id: string;
  resource_id: string;
  status: 'done' | 'failed';
  /** JSON of a `Reconciliation`. */
  body: string;
}

export interface UnmanagedTable {
  id: string;
  resource_id: string;
  kind: 'account' | 'connection' | 'statements';
  key: string;
  status: 'open' | 'accepted' | 'adopted' | 'remediated' | 'gone';
  /** JSON of an `Unmanaged`. */
  body: string;
}

/** What a person was shown of an item last. Not part of who may do what: no record, no fold. */
export interface ReviewViewTable {
  item_id: string;
  person_id: string;
  /** Hex SHA-256 of `view`. */
  sha256: string;
  shown_at: string;
  view: string;
}

export interface LogReviewTable {
  id: string;
  principal_id: string;
  reviewer_id: string;
  from_leaf: number;
  to_leaf: number;
  privileged: 0 | 1;
  finding: string;
  ticket: string | null;
  log_size: number;
  log_root: string;
  created_at: string;
}

export interface AlertTable {
  id: string;
  rule: string;
  principal_id: string;
  resource_id: string | null;
  status: 'open' | 'acknowledged' | 'closed';
  last_leaf: number;
  /** JSON of an `Alert`. */
  body: string;
}

export interface AlertRulesTable {
  id: string;
  /** JSON of an `AlertRules`. */
  body: string;
}

export interface StateTables extends NotifyTables {
  persons: PersonTable;
  api_tokens: ApiTokenTable;
  principals: PrincipalTable;
  resources: ResourceTable;
  vault_secrets: VaultSecretTable;
  vault_admin_secrets: VaultSecretTable;
  vault_pending: VaultPendingTable;
  grants: GrantTable;
  credentials: CredentialTable;
  credential_verifiers: CredentialVerifierTable;
  bindings: BindingTable;
  trust: TrustTable;
  join_tokens: JoinTokenTable;
  key_uses: KeyUseTable;
  spent_proofs: SpentProofTable;
  delegations: DelegationTable;
  settings: SettingTable;
  masks: MaskTable;
  legal_holds: LegalHoldTable;
  retention: RetentionTable;
  framework_parameters: FrameworkParametersTable;
  authenticators: AuthenticatorTable;
  passkey_counters: PasskeyCounterTable;
  identity_providers: IdentityProviderTable;
  identity_provider_secrets: IdentityProviderSecretTable;
  directories: DirectoryTable;
  directory_tokens: DirectoryTokenTable;
  groups: GroupTable;
  sign_in: SignInTable;
  person_sessions: PersonSessionTable;
  invitations: InvitationTable;
  recovery_codes: RecoveryCodeTable;
  lifecycle: LifecycleTable;
  notices: NoticeTable;
  declarations: DeclarationTable;
  policies: AccessPolicyTable;
  requests: AccessRequestTable;
  reviews: ReviewTable;
  review_items: ReviewItemTable;
  log_reviews: LogReviewTable;
  review_schedules: ReviewScheduleTable;
  evidence_schedules: EvidenceScheduleTable;
  review_views: ReviewViewTable;
  alerts: AlertTable;
  alert_rules: AlertRulesTable;
  reconciliations: ReconciliationTable;
  unmanaged: UnmanagedTable;
  sinks: SinkTable;
  sink_secrets: SinkSecretTable;
  saved_queries: SavedQueryTable;
}
