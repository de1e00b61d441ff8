/** Takes away roles that Postern made and nobody needs any more. */
import type { AdminConnection } from './admin-connection.ts';
import { type GrantMark, readMark, type SessionMark } from './role-names.ts';
import { ident, literal } from './role-privileges.ts';
import { ServerError } from './simple-query.ts';

/** `dependent_objects_still_exist`. @see https://www.postgresql.org/docs/18/errcodes-appendix.html */
const HAS_OBJECTS = '2BP01';

/**
 * Drops the role of a session that ended. What it made belongs to `heir`, the fixed upstream user, from then on.
 *
 * @throws WireError
 */
export async function dropSessionRole(
  connection: AdminConnection,
  role: string,
  heir: string,
): Promise<void> {
  try {
    await connection.run(`drop role if exists ${ident(role)}`);
  } catch (error) {
    if (!(error instanceof ServerError) || error.sqlstate !== HAS_OBJECTS) throw error;
    await connection.run(
      `reassign owned by ${ident(role)} to ${ident(heir)}; ` +
        `drop owned by ${ident(role)}; drop role ${ident(role)}`,
    );
  }
}

export interface SweepInput {
  readonly connection: AdminConnection;
  /** Privileges and objects belong to a database, so that they go from there. */
  readonly connectionTo: (database: string) => AdminConnection;
  readonly heir: string;
  readonly installation: string;
  readonly worker: number;
  readonly workers: number;
  readonly boot: string;
  readonly isLive: (session: string) => boolean;
  readonly isOver: (mark: GrantMark) => boolean;
}

/** @throws WireError where the server cannot be asked, or does not let a role go */
export async function sweep(input: SweepInput): Promise<void> {
  const rows = await input.connection.run(
    `select rolname, pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles where rolname like 'postern\\_%'`,
  );
  const sessions: { role: string; mark: SessionMark }[] = [];
  const grants: { role: string; mark: GrantMark }[] = [];
  for (const [role, comment] of rows) {
    const mark = readMark(comment ?? null);
    if (role === null || role === undefined || mark?.installation !== input.installation) continue;
    if (mark.kind === 'session' && isOrphan(mark, input)) sessions.push({ role, mark });
    if (mark.kind === 'grant' && input.worker === 0 && input.isOver(mark)) grants.push({ role, mark });
  }
  for (const { role, mark } of sessions) {
    await input.connection.run(
      `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where usename = ${literal(role)}`,
    );
    await dropSessionRole(input.connectionTo(mark.database), role, input.heir);
  }
  for (const { role, mark } of grants) {
    // Sessions of the grant have ended with it; a role that is still a member loses what it had.
    await input.connectionTo(mark.database).run(`drop owned by ${ident(role)}; drop role ${ident(role)}`);
  }
}

/** Of this worker, but not of a session that it has; or of a worker that there is not any more. */
function isOrphan(mark: SessionMark, input: SweepInput): boolean {
  if (mark.worker === input.worker) return mark.boot !== input.boot || !input.isLive(mark.session);
  return input.worker === 0 && mark.worker >= input.workers;
}
