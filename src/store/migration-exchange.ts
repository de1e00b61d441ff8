import { TIME } from './migration-checks.ts';

/** What came with the exchange: credentials of further kinds, with what they were exchanged for, and delegations. */
export const EXCHANGE_MIGRATION = `
-- Credentials of the exchange. SQLite changes a constraint only with its table.
CREATE TABLE credentials_new (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT credential_has_a_principal REFERENCES principals (id),
  grant_id TEXT CONSTRAINT credential_grant_exists REFERENCES grants (id),
  resource_id TEXT CONSTRAINT credential_resource_exists REFERENCES resources (id),
  kind TEXT NOT NULL CONSTRAINT credential_kind_known CHECK (kind IN ('password', 'certificate', 'ssh', 'jwt')),
  certificate_sha256 TEXT
    CONSTRAINT certificate_sha256_is_hex CHECK (length(certificate_sha256) = 64 AND certificate_sha256 NOT GLOB '*[^0-9a-f]*'),
  confirmation TEXT CONSTRAINT confirmation_is_json CHECK (json_valid(confirmation)),
  exchange TEXT CONSTRAINT exchange_names_a_binding CHECK (exchange IS NULL OR json_extract(exchange, '$.binding') IS NOT NULL),
  delegation TEXT NOT NULL DEFAULT '[]' CONSTRAINT delegation_is_a_short_list CHECK (json_array_length(delegation) <= 4),
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
    (id, principal_id, grant_id, kind, certificate_sha256, expires_at, status, end_reason, ended_at, created_at)
  SELECT id, principal_id, grant_id, kind, certificate_sha256, expires_at, status, end_reason, ended_at, created_at
    FROM credentials;
DROP TABLE credentials;
ALTER TABLE credentials_new RENAME TO credentials;
CREATE INDEX credentials_by_principal ON credentials (principal_id);
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE status = 'active';
CREATE UNIQUE INDEX certificate_is_of_one_credential ON credentials (certificate_sha256);
CREATE INDEX credentials_by_proof ON credentials (json_extract(exchange, '$.binding'))
  WHERE status = 'active' AND exchange IS NOT NULL;
CREATE INDEX credentials_on_behalf ON credentials (id) WHERE status = 'active' AND delegation <> '[]';

CREATE TABLE delegations (
  id TEXT PRIMARY KEY NOT NULL,
  subject TEXT NOT NULL CONSTRAINT delegation_has_a_subject
    CHECK (json_extract(subject, '$.kind') IN ('person', 'principal') AND json_extract(subject, '$.id') IS NOT NULL),
  chain TEXT NOT NULL CONSTRAINT delegation_chain_is_short CHECK (json_array_length(chain) <= 3),
  actor_id TEXT NOT NULL CONSTRAINT delegation_has_an_actor REFERENCES principals (id),
  credential_id TEXT CONSTRAINT delegation_credential_exists REFERENCES credentials (id),
  expires_at TEXT NOT NULL CONSTRAINT delegation_expires_at_is_a_time CHECK (expires_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT delegation_status_known CHECK (status IN ('active', 'revoked')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT delegation_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT delegation_ends_after_it_begins CHECK (expires_at > created_at),
  CONSTRAINT revoked_delegation_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
CREATE INDEX delegations_open ON delegations (expires_at) WHERE status = 'active';
`;
