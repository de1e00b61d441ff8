import { TIME } from './migration-checks.ts';

/** Passwords of resources that can be replaced, and where each is kept. */
export const VAULT_MIGRATION = `
-- A password has an id of its own: one that takes the place of another is another secret.
ALTER TABLE vault_secrets RENAME COLUMN resource_id TO id;
ALTER TABLE resources ADD COLUMN upstream_secret TEXT;
ALTER TABLE resources ADD COLUMN upstream_source TEXT
  CONSTRAINT upstream_source_is_no_text_without_end CHECK (length(upstream_source) BETWEEN 1 AND 1000);
ALTER TABLE resources ADD COLUMN upstream_since TEXT NOT NULL DEFAULT '';
ALTER TABLE resources ADD COLUMN admin_source TEXT
  CONSTRAINT admin_source_is_no_text_without_end CHECK (length(admin_source) BETWEEN 1 AND 1000);
ALTER TABLE resources ADD COLUMN admin_since TEXT;
ALTER TABLE resources ADD COLUMN rotate_seconds INTEGER
  CONSTRAINT rotation_in_bounds CHECK (rotate_seconds BETWEEN 3600 AND 34560000);
UPDATE resources SET upstream_secret = id, upstream_since = created_at;
UPDATE resources SET admin_since = created_at WHERE admin_user IS NOT NULL;
CREATE TABLE vault_pending (
  id TEXT PRIMARY KEY NOT NULL,
  resource_id TEXT NOT NULL,
  login TEXT NOT NULL CONSTRAINT pending_login_known CHECK (login IN ('upstream', 'admin')),
  actor TEXT NOT NULL CONSTRAINT pending_has_an_actor CHECK (json_valid(actor)),
  reason TEXT NOT NULL,
  since TEXT NOT NULL CONSTRAINT pending_since_is_a_time CHECK (since ${TIME}),
  CONSTRAINT one_password_takes_the_place_of_one UNIQUE (resource_id, login)
) STRICT;
`;
