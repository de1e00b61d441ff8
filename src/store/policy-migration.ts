const TIME = "GLOB '????-??-??T??:??:??.??????Z'";

/** The access policy, what is asked for under it, and grants that rest on a rule of it. */
export const POLICY_MIGRATION = `
-- A grant rests on people or on a rule of the policy. SQLite changes a constraint only with its table.
CREATE TABLE grants_new (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT grant_has_a_principal REFERENCES principals (id),
  resource_id TEXT NOT NULL CONSTRAINT grant_has_a_resource REFERENCES resources (id),
  scope TEXT NOT NULL CONSTRAINT grant_has_a_scope CHECK (length(scope) > 0),
  conditions TEXT NOT NULL
    CONSTRAINT grant_conditions_are_an_object CHECK (json_valid(conditions) AND json_type(conditions) = 'object'),
  start_at TEXT NOT NULL CONSTRAINT grant_start_is_a_time CHECK (start_at ${TIME}),
  end_at TEXT NOT NULL CONSTRAINT grant_end_is_a_time CHECK (end_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT grant_status_known CHECK (status IN ('active', 'expired', 'revoked')),
  end_reason TEXT,
  ended_at TEXT,
  authority TEXT NOT NULL CONSTRAINT grant_has_an_approver_or_a_rule
    CHECK (json_array_length(authority, '$.approvers') >= 1 OR json_type(authority, '$.rule') IS 'object'),
  created_at TEXT NOT NULL CONSTRAINT grant_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT grant_ends_after_it_starts CHECK (end_at > start_at),
  CONSTRAINT ended_grant_says_when_and_why
    CHECK ((status = 'active') = (ended_at IS NULL) AND (status = 'active') = (end_reason IS NULL))
) STRICT;
INSERT INTO grants_new
  SELECT id, principal_id, resource_id, scope, conditions, start_at, end_at, status, end_reason, ended_at, authority, created_at
  FROM grants;
DROP TABLE grants;
ALTER TABLE grants_new RENAME TO grants;
CREATE INDEX grants_by_principal ON grants (principal_id);
CREATE INDEX grants_by_resource ON grants (resource_id);
CREATE INDEX grants_open_by_end ON grants (end_at) WHERE status = 'active';

CREATE TABLE policies (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT policy_name_is_never_reused UNIQUE,
  revision INTEGER NOT NULL CONSTRAINT policy_revision_counts CHECK (revision >= 1),
  text TEXT NOT NULL,
  status TEXT NOT NULL CONSTRAINT policy_status_known CHECK (status IN ('active', 'retired')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT policy_created_at_is_a_time CHECK (created_at ${TIME})
) STRICT;
CREATE TABLE requests (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT request_has_a_principal REFERENCES principals (id),
  resource_id TEXT NOT NULL CONSTRAINT request_has_a_resource REFERENCES resources (id),
  status TEXT NOT NULL
    CONSTRAINT request_status_known CHECK (status IN ('pending', 'granted', 'denied', 'withdrawn', 'lapsed')),
  expires_at TEXT NOT NULL CONSTRAINT request_expires_at_is_a_time CHECK (expires_at ${TIME}),
  body TEXT NOT NULL CONSTRAINT request_is_an_object CHECK (json_valid(body)),
  CONSTRAINT granted_request_has_a_grant CHECK ((status = 'granted') = (json_extract(body, '$.grant') IS NOT NULL))
) STRICT;
CREATE INDEX requests_by_principal ON requests (principal_id);
CREATE INDEX requests_pending ON requests (expires_at) WHERE status = 'pending';

-- Sets of files declare texts of the policy too.
CREATE TABLE declarations_new (
  id TEXT PRIMARY KEY NOT NULL,
  set_name TEXT NOT NULL CONSTRAINT set_has_a_name CHECK (length(set_name) BETWEEN 2 AND 63),
  kind TEXT NOT NULL
    CONSTRAINT declared_kind_known CHECK (kind IN ('principal', 'resource', 'binding', 'mask', 'policy')),
  object_id TEXT NOT NULL,
  object_name TEXT NOT NULL,
  status TEXT NOT NULL CONSTRAINT declaration_status_known CHECK (status IN ('held', 'released')),
  created_at TEXT NOT NULL CONSTRAINT declaration_created_at_is_a_time CHECK (created_at ${TIME})
) STRICT;
INSERT INTO declarations_new SELECT * FROM declarations;
DROP TABLE declarations;
ALTER TABLE declarations_new RENAME TO declarations;
CREATE UNIQUE INDEX declared_in_one_set ON declarations (kind, object_id) WHERE status = 'held';
CREATE INDEX declarations_by_set ON declarations (set_name) WHERE status = 'held';
`;
