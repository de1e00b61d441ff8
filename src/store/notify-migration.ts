import { NAME, TIME } from './migration-checks.ts';

/** Where people are told of something, by what they answer from elsewhere, and what is on its way. */
export const NOTIFY_MIGRATION = `
CREATE TABLE channels (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT channel_name_is_never_reused UNIQUE
    CONSTRAINT channel_name_is_plain CHECK (${NAME('name')}),
  kind TEXT NOT NULL CONSTRAINT channel_kind_known CHECK (kind IN ('webhook', 'slack', 'email')),
  status TEXT NOT NULL CONSTRAINT channel_status_known CHECK (status IN ('active', 'retired')),
  body TEXT NOT NULL CONSTRAINT channel_is_an_object CHECK (json_valid(body))
) STRICT;
CREATE TABLE channel_secrets (
  channel_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed BLOB NOT NULL CONSTRAINT channel_secret_is_sealed CHECK (length(sealed) > 28),
  PRIMARY KEY (channel_id, name)
) STRICT;
CREATE TABLE links (
  id TEXT PRIMARY KEY NOT NULL,
  person_id TEXT NOT NULL CONSTRAINT link_has_a_person REFERENCES persons (id),
  identifier TEXT,
  status TEXT NOT NULL CONSTRAINT link_status_known CHECK (status IN ('active', 'removed')),
  expires_at TEXT CONSTRAINT link_expires_at_is_a_time CHECK (expires_at ${TIME}),
  body TEXT NOT NULL CONSTRAINT link_is_an_object CHECK (json_valid(body))
) STRICT;
CREATE UNIQUE INDEX account_elsewhere_is_of_one_person ON links (identifier) WHERE status = 'active';
CREATE INDEX links_by_person ON links (person_id) WHERE status = 'active';
CREATE TABLE link_secrets (
  link_id TEXT PRIMARY KEY NOT NULL,
  sealed BLOB NOT NULL CONSTRAINT link_secret_is_sealed CHECK (length(sealed) > 28)
) STRICT;

-- Messages on their way. Not part of who may do what: no record, no fold.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY NOT NULL,
  event TEXT NOT NULL,
  kind TEXT NOT NULL,
  channel_id TEXT NOT NULL CONSTRAINT delivery_has_a_channel REFERENCES channels (id),
  recipient TEXT NOT NULL,
  person_id TEXT,
  principal_id TEXT,
  fields TEXT NOT NULL CONSTRAINT delivery_fields_are_an_object CHECK (json_valid(fields) AND json_type(fields) = 'object'),
  status TEXT NOT NULL
    CONSTRAINT delivery_status_known CHECK (status IN ('waiting', 'delivered', 'dead', 'held', 'dropped')),
  attempts INTEGER NOT NULL,
  next_ms INTEGER NOT NULL,
  error TEXT,
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  CONSTRAINT told_once UNIQUE (event, channel_id, recipient),
  CONSTRAINT what_waits_has_not_ended CHECK ((status = 'waiting') = (ended_ms IS NULL))
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (channel_id, next_ms) WHERE status = 'waiting';
CREATE INDEX deliveries_ended ON deliveries (ended_ms) WHERE status <> 'waiting';
CREATE INDEX deliveries_by_place ON deliveries (channel_id, recipient, created_ms);
`;
