import { ALERT_MIGRATION } from './alert-migration.ts';
import { EVIDENCE_MIGRATION } from './evidence-migration.ts';
import { HTTP_MIGRATION } from './http-migration.ts';
import { DECLARATIONS_MIGRATION, LIFECYCLE_MIGRATION } from './lifecycle-migration.ts';
import { NAME, TIME } from './migration-checks.ts';
import { EXCHANGE_MIGRATION } from './migration-exchange.ts';
import { PEOPLE_MIGRATION } from './migration-people.ts';
import { SINKS_MIGRATION } from './migration-sinks.ts';
import { VAULT_MIGRATION } from './migration-vault.ts';
import { NOTIFY_MIGRATION } from './notify-migration.ts';
import { POLICY_MIGRATION } from './policy-migration.ts';
import { RECONCILE_MIGRATION } from './reconcile-migration.ts';
import { REVIEW_MIGRATION } from './review-migration.ts';

/**
 * The schema of `state.db`, as an ordered list: `PRAGMA user_version` counts how many were applied. An entry
 * that was released is never edited; a change is a new entry.
 *
 * The constraints state again what the code already refuses, so that a mistake in the code stops at the
 * database instead of becoming state. Their names say what they promise.
 */
export const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE persons (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT person_has_a_name CHECK (length(name) BETWEEN 1 AND 100),
  email TEXT NOT NULL CONSTRAINT email_belongs_to_one_person UNIQUE,
  roles TEXT NOT NULL CONSTRAINT roles_are_a_list CHECK (json_valid(roles) AND json_type(roles) = 'array'),
  status TEXT NOT NULL CONSTRAINT person_status_known CHECK (status IN ('active', 'disabled')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT person_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT email_is_lower_case CHECK (email = lower(email))
) STRICT;

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY NOT NULL,
  person_id TEXT NOT NULL CONSTRAINT token_has_a_person REFERENCES persons (id),
  token_hash BLOB NOT NULL CONSTRAINT token_hash_unique UNIQUE
    CONSTRAINT token_hash_is_sha256 CHECK (length(token_hash) = 32),
  created_at TEXT NOT NULL CONSTRAINT token_created_at_is_a_time CHECK (created_at ${TIME}),
  expires_at TEXT NOT NULL CONSTRAINT token_expires_at_is_a_time CHECK (expires_at ${TIME}),
  last_used_at TEXT,
  CONSTRAINT token_ends_after_it_begins CHECK (expires_at > created_at)
) STRICT;
CREATE INDEX api_tokens_by_person ON api_tokens (person_id);

CREATE TABLE principals (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT principal_name_never_reused UNIQUE
    CONSTRAINT principal_name_is_plain CHECK (${NAME('name')}),
  kind TEXT NOT NULL
    CONSTRAINT principal_kind_known CHECK (kind IN ('service_account', 'ci_runner', 'workload', 'agent')),
  owner_id TEXT NOT NULL CONSTRAINT principal_has_an_owner REFERENCES persons (id),
  backup_owner_id TEXT CONSTRAINT backup_owner_is_a_person REFERENCES persons (id),
  purpose TEXT NOT NULL CONSTRAINT principal_has_a_purpose CHECK (length(purpose) > 0),
  environment TEXT NOT NULL,
  review_interval_days INTEGER NOT NULL
    CONSTRAINT review_interval_in_bounds CHECK (review_interval_days BETWEEN 1 AND 366),
  expires_at TEXT CONSTRAINT principal_expires_at_is_a_time CHECK (expires_at IS NULL OR expires_at ${TIME}),
  status TEXT NOT NULL
    CONSTRAINT principal_status_known CHECK (status IN ('active', 'suspended', 'disabled', 'retired')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT principal_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT backup_owner_is_someone_else CHECK (backup_owner_id IS NULL OR backup_owner_id <> owner_id)
) STRICT;
CREATE INDEX principals_by_owner ON principals (owner_id);
CREATE INDEX principals_by_expiry ON principals (expires_at) WHERE status IN ('active', 'suspended');

CREATE TABLE resources (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT resource_name_never_reused UNIQUE
    CONSTRAINT resource_name_is_plain CHECK (${NAME('name')}),
  protocol TEXT NOT NULL CONSTRAINT protocol_known CHECK (protocol IN ('postgres')),
  host TEXT NOT NULL CONSTRAINT resource_has_a_host CHECK (length(host) BETWEEN 1 AND 253),
  port INTEGER NOT NULL CONSTRAINT port_in_bounds CHECK (port BETWEEN 1 AND 65535),
  database TEXT NOT NULL CONSTRAINT resource_has_a_database CHECK (length(database) BETWEEN 1 AND 63),
  tls_mode TEXT NOT NULL
    CONSTRAINT tls_mode_known CHECK (tls_mode IN ('disable', 'require', 'verify-ca', 'verify-full')),
  tls_ca TEXT,
  tls_server_name TEXT,
  environment TEXT NOT NULL,
  classification TEXT NOT NULL,
  durability TEXT NOT NULL CONSTRAINT durability_known CHECK (durability IN ('process', 'power')),
  upstream_user TEXT NOT NULL CONSTRAINT upstream_user_given CHECK (length(upstream_user) BETWEEN 1 AND 63),
  status TEXT NOT NULL CONSTRAINT resource_status_known CHECK (status IN ('active', 'retired')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT resource_created_at_is_a_time CHECK (created_at ${TIME})
) STRICT;

-- Written before the record of the change that needs them, hence without a foreign key.
CREATE TABLE vault_secrets (
  resource_id TEXT PRIMARY KEY NOT NULL,
  sealed BLOB NOT NULL CONSTRAINT secret_is_sealed CHECK (length(sealed) > 28)
) STRICT;

CREATE TABLE grants (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT grant_has_a_principal REFERENCES principals (id),
  resource_id TEXT NOT NULL CONSTRAINT grant_has_a_resource REFERENCES resources (id),
  scope TEXT NOT NULL CONSTRAINT grant_has_a_scope CHECK (length(scope) > 0),
  start_at TEXT NOT NULL CONSTRAINT grant_start_is_a_time CHECK (start_at ${TIME}),
  end_at TEXT NOT NULL CONSTRAINT grant_end_is_a_time CHECK (end_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT grant_status_known CHECK (status IN ('active', 'expired', 'revoked')),
  end_reason TEXT,
  ended_at TEXT,
  authority TEXT NOT NULL
    CONSTRAINT grant_has_an_approver CHECK (json_array_length(authority, '$.approvers') >= 1),
  created_at TEXT NOT NULL CONSTRAINT grant_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT grant_ends_after_it_starts CHECK (end_at > start_at),
  CONSTRAINT ended_grant_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE INDEX grants_by_principal ON grants (principal_id);
CREATE INDEX grants_by_resource ON grants (resource_id);
CREATE INDEX grants_open_by_end ON grants (end_at) WHERE status = 'active';

CREATE TABLE credentials (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT credential_has_a_principal REFERENCES principals (id),
  grant_id TEXT CONSTRAINT credential_grant_exists REFERENCES grants (id),
  kind TEXT NOT NULL CONSTRAINT credential_kind_known CHECK (kind IN ('password')),
  expires_at TEXT NOT NULL CONSTRAINT credential_expires_at_is_a_time CHECK (expires_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT credential_status_known CHECK (status IN ('active', 'revoked')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT credential_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT credential_ends_after_it_begins CHECK (expires_at > created_at),
  CONSTRAINT revoked_credential_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE INDEX credentials_by_principal ON credentials (principal_id);
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE status = 'active';

CREATE TABLE credential_verifiers (
  credential_id TEXT PRIMARY KEY NOT NULL,
  stored_key BLOB NOT NULL CONSTRAINT stored_key_is_sha256 CHECK (length(stored_key) = 32),
  server_key BLOB NOT NULL CONSTRAINT server_key_is_sha256 CHECK (length(server_key) = 32)
) STRICT;

CREATE TABLE settings (
  name TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL
) STRICT;
`,
  `
CREATE TABLE legal_holds (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT CONSTRAINT hold_is_on_a_principal REFERENCES principals (id),
  reason TEXT NOT NULL CONSTRAINT hold_has_a_reason CHECK (length(reason) > 0),
  placed_by TEXT NOT NULL CONSTRAINT hold_says_who_placed_it CHECK (json_valid(placed_by)),
  status TEXT NOT NULL CONSTRAINT hold_status_known CHECK (status IN ('active', 'released')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT hold_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT released_hold_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE INDEX legal_holds_open ON legal_holds (principal_id) WHERE status = 'active';

CREATE TABLE retention (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT one_retention_policy CHECK (id = 'retention'),
  policy TEXT NOT NULL CONSTRAINT retention_policy_is_json CHECK (json_valid(policy))
) STRICT;
`,
  `
CREATE TABLE masks (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT mask_name_never_reused UNIQUE
    CONSTRAINT mask_name_is_plain CHECK (${NAME('name')}),
  revision INTEGER NOT NULL CONSTRAINT mask_revision_counts_from_one CHECK (revision >= 1),
  resource_id TEXT CONSTRAINT mask_is_of_a_resource REFERENCES resources (id),
  principal_id TEXT CONSTRAINT mask_is_for_a_principal REFERENCES principals (id),
  grant_id TEXT CONSTRAINT mask_is_of_a_grant REFERENCES grants (id),
  match TEXT NOT NULL CONSTRAINT mask_matches_something CHECK (
    json_array_length(match, '$.columns') + json_array_length(match, '$.names')
      + json_array_length(match, '$.detectors') >= 1),
  transform TEXT NOT NULL CONSTRAINT mask_transform_known CHECK (
    json_extract(transform, '$.kind') IN ('null', 'redact', 'hash', 'tokenise', 'generalise', 'partial')),
  probes TEXT NOT NULL CONSTRAINT mask_probes_known CHECK (probes IN ('deny', 'allow')),
  status TEXT NOT NULL CONSTRAINT mask_status_known CHECK (status IN ('active', 'retired')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT mask_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT retired_mask_says_why CHECK ((status = 'active') = (status_reason IS NULL))
) STRICT;
CREATE INDEX masks_open ON masks (id) WHERE status = 'active';
`,
  `
-- Credentials that are certificates. SQLite changes a constraint only with its table.
CREATE TABLE credentials_new (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT credential_has_a_principal REFERENCES principals (id),
  grant_id TEXT CONSTRAINT credential_grant_exists REFERENCES grants (id),
  kind TEXT NOT NULL CONSTRAINT credential_kind_known CHECK (kind IN ('password', 'certificate')),
  certificate_sha256 TEXT
    CONSTRAINT certificate_sha256_is_hex CHECK (length(certificate_sha256) = 64 AND certificate_sha256 NOT GLOB '*[^0-9a-f]*'),
  expires_at TEXT NOT NULL CONSTRAINT credential_expires_at_is_a_time CHECK (expires_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT credential_status_known CHECK (status IN ('active', 'revoked')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT credential_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT credential_ends_after_it_begins CHECK (expires_at > created_at),
  CONSTRAINT certificate_credential_has_a_certificate
    CHECK ((kind = 'certificate') = (certificate_sha256 IS NOT NULL)),
  CONSTRAINT revoked_credential_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
INSERT INTO credentials_new
  SELECT id, principal_id, grant_id, kind, NULL, expires_at, status, end_reason, ended_at, created_at FROM credentials;
DROP TABLE credentials;
ALTER TABLE credentials_new RENAME TO credentials;
CREATE INDEX credentials_by_principal ON credentials (principal_id);
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE status = 'active';
CREATE UNIQUE INDEX certificate_is_of_one_credential ON credentials (certificate_sha256);

ALTER TABLE resources ADD COLUMN tls_negotiation TEXT NOT NULL DEFAULT 'postgres'
  CONSTRAINT tls_negotiation_known CHECK (tls_negotiation IN ('postgres', 'direct'));
`,
  `
ALTER TABLE grants ADD COLUMN conditions TEXT NOT NULL DEFAULT '{}'
  CONSTRAINT grant_conditions_are_an_object CHECK (json_valid(conditions) AND json_type(conditions) = 'object');
ALTER TABLE resources ADD COLUMN catalog_access TEXT NOT NULL DEFAULT 'tools'
  CONSTRAINT catalog_access_known CHECK (catalog_access IN ('tools', 'none'));
`,
  `
ALTER TABLE resources ADD COLUMN admin_user TEXT
  CONSTRAINT admin_user_given CHECK (length(admin_user) BETWEEN 1 AND 63);
ALTER TABLE resources ADD COLUMN admin_secret TEXT
  CONSTRAINT admin_user_has_a_secret CHECK ((admin_user IS NULL) = (admin_secret IS NULL));
-- Of the administering credential, where a resource has one. A new one has a new row, so that the old one serves until the record is written.
CREATE TABLE vault_admin_secrets (
  id TEXT PRIMARY KEY NOT NULL,
  sealed BLOB NOT NULL CONSTRAINT admin_secret_is_sealed CHECK (length(sealed) > 28)
) STRICT;
`,
  `
CREATE TABLE bindings (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT binding_has_a_principal REFERENCES principals (id),
  kind TEXT NOT NULL CONSTRAINT binding_kind_known CHECK (kind IN ('oidc')),
  issuer TEXT NOT NULL CONSTRAINT issuer_is_https CHECK (issuer GLOB 'https://?*'),
  audience TEXT NOT NULL CONSTRAINT binding_has_an_audience CHECK (length(audience) > 0),
  claims TEXT NOT NULL CONSTRAINT binding_has_a_claim CHECK (json_valid(claims) AND length(claims) > 2),
  status TEXT NOT NULL CONSTRAINT binding_status_known CHECK (status IN ('active', 'removed')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT binding_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT removed_binding_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE INDEX bindings_by_principal ON bindings (principal_id);
`,
  `
ALTER TABLE resources ADD COLUMN result_digest INTEGER NOT NULL DEFAULT 0
  CONSTRAINT result_digest_is_yes_or_no CHECK (result_digest IN (0, 1));
`,
  `
-- Bindings of every kind: what is particular to one is in its details.
CREATE TABLE bindings_new (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT binding_has_a_principal REFERENCES principals (id),
  kind TEXT NOT NULL CONSTRAINT binding_kind_known
    CHECK (kind IN ('oidc', 'aws', 'kubernetes', 'spiffe', 'certificate', 'key', 'ssh', 'secret')),
  details TEXT NOT NULL
    CONSTRAINT binding_details_are_an_object CHECK (json_valid(details) AND json_type(details) = 'object'),
  status TEXT NOT NULL
    CONSTRAINT binding_status_known CHECK (status IN ('requested', 'active', 'locked', 'expired', 'removed')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT binding_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT oidc_binding_says_which_tokens CHECK (kind <> 'oidc' OR (
    coalesce(json_extract(details, '$.issuer'), '') GLOB 'https://?*'
    AND length(coalesce(json_extract(details, '$.audience'), '')) > 0
    AND length(coalesce(json_extract(details, '$.claims'), '')) > 2)),
  CONSTRAINT static_secret_ends CHECK (kind <> 'secret' OR coalesce(json_extract(details, '$.expiresAt'), '') ${TIME}),
  CONSTRAINT ended_binding_says_when_and_why CHECK (
    (status IN ('requested', 'active')) = (ended_at IS NULL)
    AND (status IN ('requested', 'active')) = (end_reason IS NULL))
) STRICT;
INSERT INTO bindings_new
  SELECT id, principal_id, kind,
    json_object('issuer', issuer, 'audience', audience, 'claims', json(claims)),
    status, end_reason, ended_at, created_at
  FROM bindings;
DROP TABLE bindings;
ALTER TABLE bindings_new RENAME TO bindings;
CREATE INDEX bindings_by_principal ON bindings (principal_id);
`,
  `
ALTER TABLE principals ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'
  CONSTRAINT tags_are_an_object CHECK (json_valid(tags) AND json_type(tags) = 'object');
ALTER TABLE principals ADD COLUMN sponsor TEXT CONSTRAINT sponsor_is_named CHECK (length(sponsor) BETWEEN 1 AND 200);
ALTER TABLE principals ADD COLUMN rehome_by TEXT CONSTRAINT rehome_by_is_a_time CHECK (rehome_by ${TIME})
  CONSTRAINT only_the_active_wait_for_an_owner CHECK (rehome_by IS NULL OR status = 'active');
ALTER TABLE principals ADD COLUMN active_since TEXT NOT NULL DEFAULT '';
UPDATE principals SET active_since = created_at;
CREATE INDEX principals_by_rehoming ON principals (rehome_by) WHERE rehome_by IS NOT NULL;
CREATE INDEX principals_by_backup_owner ON principals (backup_owner_id);
CREATE INDEX persons_disabled ON persons (id) WHERE status = 'disabled';
`,
  PEOPLE_MIGRATION,
  `
-- What was shown once and may not be shown again before it ends. Not part of who may do what: no record, no fold.
CREATE TABLE spent_proofs (
  mark TEXT PRIMARY KEY NOT NULL CONSTRAINT mark_is_a_digest CHECK (length(mark) = 64),
  ends_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX spent_proofs_by_end ON spent_proofs (ends_ms);
`,
  `
CREATE TABLE trust (
  id TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL CONSTRAINT trust_kind_known CHECK (kind IN ('spiffe', 'x509', 'ssh')),
  name TEXT NOT NULL CONSTRAINT trust_has_a_name CHECK (length(name) BETWEEN 1 AND 255),
  url TEXT CONSTRAINT bundle_url_is_https CHECK (url GLOB 'https://?*'),
  keys TEXT,
  status TEXT NOT NULL CONSTRAINT trust_status_known CHECK (status IN ('active', 'removed')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT trust_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT keys_are_given_or_fetched CHECK ((url IS NULL) <> (keys IS NULL)),
  CONSTRAINT removed_trust_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX trust_by_name ON trust (kind, name) WHERE status = 'active';

-- Written before the record of the binding that waits for it, hence without a foreign key.
CREATE TABLE join_tokens (
  binding_id TEXT PRIMARY KEY NOT NULL,
  token_hash BLOB NOT NULL CONSTRAINT join_token_hash_is_sha256 CHECK (length(token_hash) = 32)
) STRICT;

-- Which use of a key was the last. Not part of who may do what: no record, no fold.
CREATE TABLE key_uses (
  binding_id TEXT PRIMARY KEY NOT NULL,
  sequence INTEGER NOT NULL CONSTRAINT sequence_counts_up CHECK (sequence >= 0)
) STRICT;
`,
  LIFECYCLE_MIGRATION,
  DECLARATIONS_MIGRATION,
  VAULT_MIGRATION,
  EXCHANGE_MIGRATION,
  POLICY_MIGRATION,
  `
ALTER TABLE resources ADD COLUMN owner_id TEXT CONSTRAINT resource_owner_is_a_person REFERENCES persons (id);
`,
  REVIEW_MIGRATION,
  `
ALTER TABLE credentials ADD COLUMN issued_by TEXT CONSTRAINT credential_issuer_is_a_person REFERENCES persons (id);
`,
  `
CREATE TABLE framework_parameters (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT one_text_of_parameters CHECK (id = 'parameters'),
  revision INTEGER NOT NULL CONSTRAINT parameters_revision_counts_up CHECK (revision >= 1),
  text TEXT NOT NULL,
  sha256 TEXT NOT NULL CONSTRAINT parameters_sha256_is_hex CHECK (length(sha256) = 64)
) STRICT;
`,
  `
CREATE TABLE log_reviews (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT log_review_is_of_a_principal REFERENCES principals (id),
  reviewer_id TEXT NOT NULL CONSTRAINT log_review_is_by_a_person REFERENCES persons (id),
  from_leaf INTEGER NOT NULL,
  to_leaf INTEGER NOT NULL,
  privileged INTEGER NOT NULL CONSTRAINT log_review_privileged_is_a_flag CHECK (privileged IN (0, 1)),
  finding TEXT NOT NULL CONSTRAINT log_review_has_a_finding CHECK (length(finding) > 0),
  ticket TEXT,
  log_size INTEGER NOT NULL,
  log_root TEXT NOT NULL,
  created_at TEXT NOT NULL CONSTRAINT log_review_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT log_review_is_of_what_was_there CHECK (0 <= from_leaf AND from_leaf <= to_leaf AND to_leaf < log_size)
) STRICT;
CREATE INDEX log_reviews_by_principal ON log_reviews (principal_id);
`,
  NOTIFY_MIGRATION,
  HTTP_MIGRATION,
  ALERT_MIGRATION,
  RECONCILE_MIGRATION,
  SINKS_MIGRATION,
  EVIDENCE_MIGRATION,
];
