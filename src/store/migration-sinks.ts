import { NAME, TIME } from './migration-checks.ts';

/** Where events go, and questions that people keep. */
export const SINKS_MIGRATION = `
CREATE TABLE sinks (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT sink_name_never_reused UNIQUE
    CONSTRAINT sink_name_is_plain CHECK (${NAME('name')}),
  status TEXT NOT NULL CONSTRAINT sink_status_known CHECK (status IN ('active', 'paused', 'retired')),
  body TEXT NOT NULL CONSTRAINT sink_is_json CHECK (json_valid(body))
) STRICT;

-- Written before the record of the sink, hence without a foreign key.
CREATE TABLE sink_secrets (
  sink_id TEXT PRIMARY KEY NOT NULL,
  sealed BLOB NOT NULL
) STRICT;

-- Not part of who may do what: no record, no fold.
CREATE TABLE saved_queries (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT saved_query_name_is_plain CHECK (${NAME('name')}),
  person_id TEXT NOT NULL CONSTRAINT saved_query_is_of_a_person REFERENCES persons (id),
  shared INTEGER NOT NULL CONSTRAINT shared_or_not CHECK (shared IN (0, 1)),
  filter TEXT NOT NULL CONSTRAINT saved_query_is_json CHECK (json_valid(filter)),
  created_at TEXT NOT NULL CONSTRAINT saved_query_created_at_is_a_time CHECK (created_at ${TIME})
) STRICT;
CREATE UNIQUE INDEX saved_query_of_a_person ON saved_queries (person_id, name) WHERE shared = 0;
CREATE UNIQUE INDEX saved_query_of_everybody ON saved_queries (name) WHERE shared = 1;
`;
