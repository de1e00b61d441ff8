import { NAME, TIME } from './migration-checks.ts';

const KEPT = [
  ...[
    'id',
    'name',
    'protocol',
    'host',
    'port',
    'database',
    'tls_mode',
    'tls_ca',
    'tls_server_name',
    'tls_negotiation',
  ],
  ...[
    'environment',
    'classification',
    'durability',
    'catalog_access',
    'result_digest',
    'upstream_user',
    'upstream_secret',
  ],
  ...[
    'upstream_source',
    'upstream_since',
    'admin_user',
    'admin_secret',
    'admin_source',
    'admin_since',
    'rotate_seconds',
  ],
  ...['owner_id', 'status', 'status_reason', 'created_at'],
].join(', ');

/** Resources of another protocol than PostgreSQL. SQLite changes a constraint only with its table. */
export const HTTP_MIGRATION = `
CREATE TABLE resources_new (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL CONSTRAINT resource_name_never_reused UNIQUE
    CONSTRAINT resource_name_is_plain
      CHECK (${NAME('name')}),
  protocol TEXT NOT NULL CONSTRAINT protocol_known CHECK (protocol IN ('postgres', 'http')),
  host TEXT NOT NULL CONSTRAINT resource_has_a_host CHECK (length(host) BETWEEN 1 AND 253),
  port INTEGER NOT NULL CONSTRAINT port_in_bounds CHECK (port BETWEEN 1 AND 65535),
  database TEXT NOT NULL
    CONSTRAINT database_of_a_database_server CHECK (length(database) <= 63 AND (protocol = 'postgres') = (database <> '')),
  http TEXT CONSTRAINT http_settings_of_a_service
    CHECK ((protocol = 'http') = (http IS NOT NULL) AND (http IS NULL OR json_type(http) = 'object')),
  tls_mode TEXT NOT NULL
    CONSTRAINT tls_mode_known CHECK (tls_mode IN ('disable', 'require', 'verify-ca', 'verify-full')),
  tls_ca TEXT,
  tls_server_name TEXT,
  tls_negotiation TEXT NOT NULL
    CONSTRAINT tls_negotiation_known CHECK (tls_negotiation IN ('postgres', 'direct')),
  environment TEXT NOT NULL,
  classification TEXT NOT NULL,
  durability TEXT NOT NULL CONSTRAINT durability_known CHECK (durability IN ('process', 'power')),
  catalog_access TEXT NOT NULL CONSTRAINT catalog_access_known CHECK (catalog_access IN ('tools', 'none')),
  result_digest INTEGER NOT NULL CONSTRAINT result_digest_is_yes_or_no CHECK (result_digest IN (0, 1)),
  upstream_user TEXT NOT NULL CONSTRAINT upstream_user_given CHECK (length(upstream_user) BETWEEN 1 AND 63),
  upstream_secret TEXT,
  upstream_source TEXT
    CONSTRAINT upstream_source_is_no_text_without_end CHECK (length(upstream_source) BETWEEN 1 AND 1000),
  upstream_since TEXT NOT NULL,
  admin_user TEXT CONSTRAINT admin_user_given CHECK (length(admin_user) BETWEEN 1 AND 63),
  admin_secret TEXT,
  admin_source TEXT CONSTRAINT admin_source_is_no_text_without_end CHECK (length(admin_source) BETWEEN 1 AND 1000),
  admin_since TEXT,
  rotate_seconds INTEGER CONSTRAINT rotation_in_bounds CHECK (rotate_seconds BETWEEN 3600 AND 34560000),
  owner_id TEXT CONSTRAINT resource_owner_is_a_person REFERENCES persons (id),
  status TEXT NOT NULL CONSTRAINT resource_status_known CHECK (status IN ('active', 'retired')),
  status_reason TEXT,
  created_at TEXT NOT NULL CONSTRAINT resource_created_at_is_a_time CHECK (created_at ${TIME}),
  CONSTRAINT admin_user_has_a_secret CHECK ((admin_user IS NULL) = (admin_secret IS NULL))
) STRICT;
INSERT INTO resources_new (${KEPT}) SELECT ${KEPT} FROM resources;
DROP TABLE resources;
ALTER TABLE resources_new RENAME TO resources;
`;
