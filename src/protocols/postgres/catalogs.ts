/**
 * System relations that drivers and tools read and that show no data: names, types, settings, sizes. Everything else in
 * the system schemas (passwords, statistics with sampled values, other sessions, server files) needs an explicit scope.
 */

/** In `pg_catalog`. What psql's backslash commands, pg_dump, JDBC, Npgsql, SQLAlchemy and node-postgres ask for. */
const READABLE = new Set([
  'pg_aggregate',
  'pg_am',
  'pg_amop',
  'pg_amproc',
  'pg_attrdef',
  'pg_attribute',
  'pg_auth_members',
  'pg_available_extension_versions',
  'pg_available_extensions',
  'pg_cast',
  'pg_class',
  'pg_collation',
  'pg_constraint',
  'pg_conversion',
  'pg_database',
  'pg_default_acl',
  'pg_depend',
  'pg_description',
  'pg_enum',
  'pg_event_trigger',
  'pg_extension',
  'pg_foreign_data_wrapper',
  'pg_foreign_server',
  'pg_foreign_table',
  'pg_index',
  'pg_indexes',
  'pg_inherits',
  'pg_init_privs',
  'pg_language',
  'pg_largeobject_metadata',
  'pg_locks',
  'pg_matviews',
  'pg_namespace',
  'pg_opclass',
  'pg_operator',
  'pg_opfamily',
  'pg_partitioned_table',
  'pg_policies',
  'pg_policy',
  'pg_proc',
  'pg_publication',
  'pg_publication_namespace',
  'pg_publication_rel',
  'pg_publication_tables',
  'pg_range',
  'pg_rewrite',
  'pg_roles',
  'pg_rules',
  'pg_seclabel',
  'pg_seclabels',
  'pg_sequence',
  'pg_settings',
  'pg_shdepend',
  'pg_shdescription',
  'pg_shseclabel',
  'pg_statistic_ext',
  'pg_tables',
  'pg_tablespace',
  'pg_timezone_abbrevs',
  'pg_timezone_names',
  'pg_transform',
  'pg_trigger',
  'pg_ts_config',
  'pg_ts_config_map',
  'pg_ts_dict',
  'pg_ts_parser',
  'pg_ts_template',
  'pg_type',
  'pg_user',
  'pg_views',
]);

/** The views of `information_schema` that tell of other servers' users and options. PostgreSQL filters all others by privilege. */
const HIDDEN_INFORMATION = new Set(['user_mapping_options', 'user_mappings', '_pg_user_mappings']);

/** May everyone with a session read it? */
export function isReadableCatalog(schema: string | null, name: string): boolean {
  if (schema === 'pg_catalog') return READABLE.has(name);
  return schema === 'information_schema' && !HIDDEN_INFORMATION.has(name);
}
