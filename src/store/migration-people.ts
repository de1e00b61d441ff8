import { NAME, TIME } from './migration-checks.ts';

/** How people come in. One of the `MIGRATIONS`. */
export const PEOPLE_MIGRATION = `
-- How people come in.
ALTER TABLE persons ADD COLUMN directory TEXT
  CONSTRAINT directory_knows_them_by_a_name CHECK (json_extract(directory, '$.userName') IS NOT NULL OR directory IS NULL);
CREATE UNIQUE INDEX user_name_is_of_one_person ON persons
  (json_extract(directory, '$.id'), lower(json_extract(directory, '$.userName'))) WHERE directory IS NOT NULL;
ALTER TABLE api_tokens ADD COLUMN fresh_until TEXT
  CONSTRAINT token_fresh_until_is_a_time CHECK (fresh_until IS NULL OR fresh_until ${TIME});

CREATE TABLE authenticators (
  id TEXT PRIMARY KEY NOT NULL,
  person_id TEXT NOT NULL CONSTRAINT authenticator_has_a_person REFERENCES persons (id),
  identifier TEXT NOT NULL CONSTRAINT authenticator_has_an_identifier CHECK (length(identifier) > 0),
  status TEXT NOT NULL CONSTRAINT authenticator_status_known CHECK (status IN ('active', 'removed')),
  body TEXT NOT NULL CONSTRAINT authenticator_is_json CHECK (json_valid(body))
) STRICT;
CREATE INDEX authenticators_by_person ON authenticators (person_id);
CREATE UNIQUE INDEX authenticator_is_of_one_person ON authenticators (identifier) WHERE status = 'active';

CREATE TABLE passkey_counters (
  authenticator_id TEXT PRIMARY KEY NOT NULL,
  counter INTEGER NOT NULL CONSTRAINT counter_counts CHECK (counter >= 0),
  last_used_at TEXT
) STRICT;

CREATE TABLE identity_providers (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT provider_name_never_reused UNIQUE
    CONSTRAINT provider_name_is_plain CHECK (${NAME('name')}),
  status TEXT NOT NULL CONSTRAINT provider_status_known CHECK (status IN ('active', 'removed')),
  body TEXT NOT NULL CONSTRAINT provider_is_json CHECK (json_valid(body))
) STRICT;
CREATE TABLE identity_provider_secrets (
  provider_id TEXT PRIMARY KEY NOT NULL,
  sealed BLOB NOT NULL CONSTRAINT client_secret_is_sealed CHECK (length(sealed) > 28)
) STRICT;

CREATE TABLE directories (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT directory_name_never_reused UNIQUE
    CONSTRAINT directory_name_is_plain CHECK (${NAME('name')}),
  status TEXT NOT NULL CONSTRAINT directory_status_known CHECK (status IN ('active', 'removed')),
  body TEXT NOT NULL CONSTRAINT directory_is_json CHECK (json_valid(body))
) STRICT;
CREATE TABLE directory_tokens (
  directory_id TEXT PRIMARY KEY NOT NULL,
  token_hash BLOB NOT NULL CONSTRAINT directory_token_hash_unique UNIQUE
    CONSTRAINT directory_token_hash_is_sha256 CHECK (length(token_hash) = 32),
  expires_at TEXT NOT NULL CONSTRAINT directory_token_ends CHECK (expires_at ${TIME}),
  last_used_at TEXT
) STRICT;

CREATE TABLE groups (
  id TEXT PRIMARY KEY NOT NULL,
  directory_id TEXT NOT NULL CONSTRAINT group_is_of_a_directory REFERENCES directories (id),
  name TEXT NOT NULL CONSTRAINT group_has_a_name CHECK (length(name) BETWEEN 1 AND 200),
  status TEXT NOT NULL CONSTRAINT group_status_known CHECK (status IN ('active', 'removed')),
  body TEXT NOT NULL CONSTRAINT group_is_json CHECK (json_valid(body))
) STRICT;
CREATE UNIQUE INDEX group_name_is_of_one_group ON groups (directory_id, lower(name)) WHERE status = 'active';

CREATE TABLE sign_in (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT one_sign_in_setting CHECK (id = 'sign_in'),
  settings TEXT NOT NULL CONSTRAINT sign_in_is_json CHECK (json_valid(settings))
) STRICT;

CREATE TABLE person_sessions (
  id TEXT PRIMARY KEY NOT NULL,
  person_id TEXT NOT NULL CONSTRAINT session_has_a_person REFERENCES persons (id),
  token_hash BLOB NOT NULL CONSTRAINT session_token_hash_unique UNIQUE
    CONSTRAINT session_token_hash_is_sha256 CHECK (length(token_hash) = 32),
  kind TEXT NOT NULL CONSTRAINT session_kind_known CHECK (kind IN ('browser', 'cli')),
  method TEXT NOT NULL
    CONSTRAINT session_method_known CHECK (method IN ('oidc', 'device', 'passkey', 'recovery_code', 'invitation')),
  provider TEXT,
  source TEXT NOT NULL,
  authenticated_at TEXT CONSTRAINT session_authenticated_at_is_a_time CHECK (authenticated_at IS NULL OR authenticated_at ${TIME}),
  created_at TEXT NOT NULL CONSTRAINT session_created_at_is_a_time CHECK (created_at ${TIME}),
  last_used_at TEXT NOT NULL CONSTRAINT session_last_used_at_is_a_time CHECK (last_used_at ${TIME}),
  idle_seconds INTEGER NOT NULL CONSTRAINT session_idles_for_a_while CHECK (idle_seconds > 0),
  expires_at TEXT NOT NULL CONSTRAINT session_expires_at_is_a_time CHECK (expires_at ${TIME}),
  CONSTRAINT session_ends_after_it_begins CHECK (expires_at > created_at)
) STRICT;
CREATE INDEX person_sessions_by_person ON person_sessions (person_id);

CREATE TABLE invitations (
  id TEXT PRIMARY KEY NOT NULL,
  person_id TEXT NOT NULL CONSTRAINT invitation_has_a_person REFERENCES persons (id),
  token_hash BLOB NOT NULL CONSTRAINT invitation_token_hash_unique UNIQUE
    CONSTRAINT invitation_token_hash_is_sha256 CHECK (length(token_hash) = 32),
  expires_at TEXT NOT NULL CONSTRAINT invitation_ends CHECK (expires_at ${TIME})
) STRICT;

CREATE TABLE recovery_codes (
  person_id TEXT NOT NULL CONSTRAINT recovery_code_has_a_person REFERENCES persons (id),
  salt BLOB NOT NULL CONSTRAINT recovery_salt_is_random CHECK (length(salt) = 16),
  hash BLOB NOT NULL CONSTRAINT recovery_code_is_hashed CHECK (length(hash) = 32),
  PRIMARY KEY (person_id, hash)
) STRICT;
`;
