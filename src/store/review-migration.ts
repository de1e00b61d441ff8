import { NAME } from './migration-checks.ts';

/** Reviews of grants and principals, what they are about, when they are opened, and what reviewers were shown. */
export const REVIEW_MIGRATION = `
CREATE TABLE review_schedules (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT review_schedule_name_is_never_reused UNIQUE
    CONSTRAINT review_schedule_name_is_plain CHECK (${NAME('name')}),
  status TEXT NOT NULL CONSTRAINT review_schedule_status_known CHECK (status IN ('active', 'ended')),
  body TEXT NOT NULL CONSTRAINT review_schedule_is_an_object CHECK (json_valid(body))
) STRICT;
CREATE TABLE reviews (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT review_name_is_never_reused UNIQUE
    CONSTRAINT review_name_is_plain CHECK (${NAME('name')}),
  schedule_id TEXT CONSTRAINT review_comes_from_a_schedule REFERENCES review_schedules (id),
  status TEXT NOT NULL CONSTRAINT review_status_known CHECK (status IN ('open', 'closed')),
  body TEXT NOT NULL CONSTRAINT review_is_an_object CHECK (json_valid(body))
) STRICT;
CREATE INDEX reviews_open ON reviews (id) WHERE status = 'open';
CREATE UNIQUE INDEX one_open_review_of_a_schedule ON reviews (schedule_id) WHERE status = 'open';
CREATE TABLE review_items (
  id TEXT PRIMARY KEY NOT NULL,
  review_id TEXT NOT NULL CONSTRAINT review_item_has_a_review REFERENCES reviews (id),
  principal_id TEXT NOT NULL CONSTRAINT review_item_has_a_principal REFERENCES principals (id),
  grant_id TEXT CONSTRAINT review_item_has_its_grant REFERENCES grants (id),
  status TEXT NOT NULL
    CONSTRAINT review_item_status_known CHECK (status IN ('open', 'decided', 'lapsed', 'withdrawn')),
  body TEXT NOT NULL CONSTRAINT review_item_is_an_object CHECK (json_valid(body)),
  CONSTRAINT decided_item_names_what_was_seen
    CHECK ((status = 'decided') = (coalesce(length(json_extract(body, '$.decision.view')), 0) = 64))
) STRICT;
CREATE UNIQUE INDEX one_item_for_each_subject ON review_items (review_id, principal_id, coalesce(grant_id, ''));
CREATE INDEX review_items_open ON review_items (review_id) WHERE status = 'open';
CREATE INDEX review_items_by_principal ON review_items (principal_id);
CREATE INDEX review_items_by_grant ON review_items (grant_id);

-- What a person was shown of an item last. Not part of who may do what: no record, no fold.
CREATE TABLE review_views (
  item_id TEXT NOT NULL CONSTRAINT review_view_is_of_an_item REFERENCES review_items (id),
  person_id TEXT NOT NULL CONSTRAINT review_view_is_for_a_person REFERENCES persons (id),
  sha256 TEXT NOT NULL CONSTRAINT review_view_digest_is_sha256 CHECK (length(sha256) = 64),
  shown_at TEXT NOT NULL,
  view TEXT NOT NULL,
  PRIMARY KEY (item_id, person_id)
) STRICT;
`;
