/** Asks a server who can and who does reach it. The server is believed in nothing but what it says of itself: all is cut and counted. */
import type { Survey, UpstreamFacts } from '../../core/upstream-facts.ts';
import type { ResourceView } from '../../core/views.ts';
import { ident } from './role-privileges.ts';
import { ServerError } from './server-error.ts';
import { simpleQuery, type TextRows } from './simple-query.ts';
import {
  accountOf,
  callsOf,
  connectionOf,
  countOf,
  extensionOf,
  MAX_ACCOUNTS,
  MAX_CONNECTIONS,
  MAX_USERS,
  type Session,
  sessionOf,
  statementsQuery,
  timeOf,
} from './survey-rows.ts';
import { connectUpstream, type Upstream } from './upstream.ts';

const LIMITS = { rows: 10_000, bytes: 16 * 1024 * 1024 } as const;
const SETTINGS = [
  ['application_name', 'postern reconcile'],
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['search_path', 'pg_catalog'],
  ['default_transaction_read_only', 'on'],
] as const;

const TIME = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

const SESSION_QUERY = `select pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version'), current_user,
  pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC', ${TIME}),
  pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
  pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'select')`;

/** The verifier never leaves the server: only of which kind it is. */
const PASSWORD = `(select case when a.rolpassword is null then 'none' when a.rolpassword like 'md5%' then 'md5' else 'scram' end
  from pg_catalog.pg_authid a where a.oid = r.oid)`;

const accountsQuery = (seesPasswords: boolean): string => `select r.rolname, r.oid, r.rolcanlogin, r.rolsuper,
  r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, ${seesPasswords ? PASSWORD : 'null'},
  case when pg_catalog.isfinite(r.rolvaliduntil) then pg_catalog.to_char(r.rolvaliduntil at time zone 'UTC', ${TIME}) end,
  (select pg_catalog.json_agg(m.rolname) from (select g.rolname from pg_catalog.pg_auth_members a
    join pg_catalog.pg_roles g on g.oid = a.roleid where a.member = r.oid order by 1 limit 20) m),
  pg_catalog.left(pg_catalog.shobj_description(r.oid, 'pg_authid'), 2000)
  from pg_catalog.pg_roles r where (r.rolcanlogin or r.rolsuper or r.rolreplication) and r.rolname !~ '^pg_'
  order by r.oid limit ${MAX_ACCOUNTS + 1}`;

/** Of others' connections who may not see more does not see of what kind they are: one with a database may be a helper of another, too. */
const CONNECTIONS_QUERY = `select pid, usename, datname, application_name, host(client_addr),
  pg_catalog.to_char(backend_start at time zone 'UTC', ${TIME}), coalesce(state, 'active') in ('active', 'fastpath function call')
  from pg_catalog.pg_stat_activity where usename is not null and pid <> pg_catalog.pg_backend_pid()
  and (backend_type in ('client backend', 'walsender') or backend_type is null and datname is not null) order by backend_start limit ${MAX_CONNECTIONS + 1}`;

const EXTENSION_QUERY = `select n.nspname, e.extversion, pg_catalog.current_setting('pg_stat_statements.track', true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_stat_statements'`;

/**
 * Who can log in at a server, who is connected, and how much each role ran. Never throws.
 *
 * @param resource with the credential to ask with as its upstream one
 * @param installation whose marks on roles are this Postern's
 * @param timeoutMs for connecting, and for all questions together
 * @see https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
 * @see https://www.postgresql.org/docs/18/pgstatstatements.html
 */
export async function survey(
  resource: ResourceView,
  installation: string,
  timeoutMs: number,
): Promise<Survey> {
  try {
    const settings = new Map<string, string>(SETTINGS)
      .set('lock_timeout', String(timeoutMs))
      .set('statement_timeout', String(timeoutMs));
    const upstream = await connectUpstream(resource, resource.database, settings, timeoutMs);
    try {
      return { outcome: 'seen', facts: await ask(upstream, installation, Date.now() + timeoutMs) };
    } finally {
      upstream.socket.destroy();
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { outcome: 'failed', why: why.slice(0, 500) };
  }
}

async function ask(upstream: Upstream, installation: string, deadline: number): Promise<UpstreamFacts> {
  const rows = (sql: string): Promise<TextRows> =>
    simpleQuery(upstream, sql, Math.max(1, deadline - Date.now()), LIMITS);
  const session = sessionOf((await rows(SESSION_QUERY))[0] ?? []);
  // Before the rest: whatever runs meanwhile is in the records that are read afterwards, and not in these.
  const { statements, why } = await statementsOf(rows);
  const accounts = (await rows(accountsQuery(session.seesPasswords))).map((row) =>
    accountOf(row, installation),
  );
  const connections = (await rows(CONNECTIONS_QUERY)).map(connectionOf);
  return {
    at: session.at,
    version: session.version,
    user: session.user,
    accounts: accounts.slice(0, MAX_ACCOUNTS),
    connections: connections.slice(0, MAX_CONNECTIONS),
    statements,
    statementsWhy: why,
    seesConnections: session.seesConnections,
    pooled: isPooled(session, upstream),
    cut: accounts.length > MAX_ACCOUNTS || connections.length > MAX_CONNECTIONS,
  };
}

/** A pooler answers with process ids of its own. */
const isPooled = ({ pid }: Session, { cancelKey }: Upstream): boolean => pid !== cancelKey.readInt32BE(0);

type Ask = (sql: string) => Promise<TextRows>;

async function statementsOf(
  rows: Ask,
): Promise<{ statements: UpstreamFacts['statements']; why: string | null }> {
  const extension = extensionOf((await rows(EXTENSION_QUERY))[0]);
  if (extension === null) {
    return { statements: null, why: 'pg_stat_statements is not there in the database of the resource' };
  }
  try {
    const { schema, toplevel, track } = extension;
    const calls = (await rows(statementsQuery(ident(schema), toplevel))).map(callsOf);
    if (calls.length > MAX_USERS)
      return { statements: null, why: `more than ${MAX_USERS} roles ran statements` };
    const [info] = toplevel
      ? await rows(`select dealloc, pg_catalog.to_char(stats_reset at time zone 'UTC', ${TIME})
          from ${ident(schema)}.pg_stat_statements_info`)
      : [];
    return {
      statements: {
        calls,
        evicted: info === undefined ? null : countOf(info[0]),
        resetAt: info === undefined ? null : timeOf(info[1]),
        nested: !toplevel && track === 'all',
      },
      why: null,
    };
  } catch (error) {
    // Not loaded, or not to be read by this user.
    if (!(error instanceof ServerError)) throw error;
    return { statements: null, why: error.message.slice(0, 200) };
  }
}
