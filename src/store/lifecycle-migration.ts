const TIME = "GLOB '????-??-??T??:??:??.??????Z'";

/** When principals are suspended that nobody answers for or uses, and who has to be told. */
export const LIFECYCLE_MIGRATION = `
CREATE TABLE lifecycle (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT lifecycle_is_one CHECK (id = 'lifecycle'),
  policy TEXT NOT NULL CONSTRAINT lifecycle_policy_is_json CHECK (json_valid(policy))
) STRICT;
CREATE TABLE notices (
  id TEXT PRIMARY KEY NOT NULL,
  principal_id TEXT NOT NULL CONSTRAINT notice_is_about_a_principal REFERENCES principals (id),
  kind TEXT NOT NULL
    CONSTRAINT notice_kind_known CHECK (kind IN ('owner_left', 'backup_owner_left', 'nobody_left')),
  to_id TEXT CONSTRAINT notice_is_for_a_person REFERENCES persons (id),
  text TEXT NOT NULL CONSTRAINT notice_says_something CHECK (length(text) > 0),
  effective_at TEXT CONSTRAINT notice_effective_at_is_a_time CHECK (effective_at ${TIME}),
  status TEXT NOT NULL CONSTRAINT notice_status_known CHECK (status IN ('open', 'ended')),
  end_reason TEXT,
  ended_at TEXT,
  created_at TEXT NOT NULL CONSTRAINT notice_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT ended_notice_says_when_and_why
    CHECK ((status = 'open') = (ended_at IS NULL) AND (status = 'open') = (end_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_open_notice_of_a_kind ON notices (principal_id, kind) WHERE status = 'open';
CREATE INDEX notices_by_person ON notices (to_id) WHERE status = 'open';
`;

/** What `postern apply` made, and for which set of files. */
export const DECLARATIONS_MIGRATION = `
CREATE TABLE declarations (
  id TEXT PRIMARY KEY NOT NULL,
  set_name TEXT NOT NULL CONSTRAINT set_has_a_name CHECK (length(set_name) BETWEEN 2 AND 63),
  kind TEXT NOT NULL CONSTRAINT declared_kind_known CHECK (kind IN ('principal', 'resource', 'binding', 'mask')),
  object_id TEXT NOT NULL,
  object_name TEXT NOT NULL,
  status TEXT NOT NULL CONSTRAINT declaration_status_known CHECK (status IN ('held', 'released')),
  created_at TEXT NOT NULL CONSTRAINT declaration_created_at_is_a_time CHECK (created_at ${TIME})
) STRICT;
CREATE UNIQUE INDEX declared_in_one_set ON declarations (kind, object_id) WHERE status = 'held';
CREATE INDEX declarations_by_set ON declarations (set_name) WHERE status = 'held';
`;
