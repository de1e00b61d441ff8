/** Takes away roles that Postern made and nobody needs any more. */
import type { AdminConnection } from './admin-connection.ts';
import { type GrantMark, type RoleMark, readMark, type SessionMark } from './role-names.ts';
import { ident, literal } from './role-privileges.ts';
import { ServerError } from './server-error.ts';

/** `dependent_objects_still_exist`. @see https://www.postgresql.org/docs/18/errcodes-appendix.html */
const HAS_OBJECTS = '2BP01';
/** `undefined_object`: the role is not there any more. */
export const UNDEFINED_OBJECT = '42704';
/** Who changes the privileges of roles at once in one database would trip over each other. */
export const ONE_AT_A_TIME = `select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('postern roles'))`;

/** What a role made can be in use; then it is dropped later. Milliseconds. */
const LOCK_MS = 250;

/**
 * Drops the role of a session that ended. What it still runs is cut off: a cancel request can be caught by a function, this
 * cannot. What it made belongs to `heir`, the fixed upstream user, from then on.
 *
 * @throws WireError
 */
export async function dropSessionRole(
  connection: AdminConnection,
  role: string,
  heir: string,
): Promise<void> {
  try {
    await connection.run(`${terminate(role)}; drop role if exists ${ident(role)}`);
  } catch (error) {
    if (!(error instanceof ServerError) || error.sqlstate !== HAS_OBJECTS) throw error;
    await connection.run(
      `select pg_catalog.set_config('lock_timeout', '${LOCK_MS}ms', true); ` +
        `reassign owned by ${ident(role)} to ${ident(heir)}; ` +
        `drop owned by ${ident(role)}; drop role ${ident(role)}`,
    );
  }
}

function terminate(role: string): string {
  return `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where usename = ${literal(role)}`;
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

/**
 * Drops what nobody needs any more. A role that cannot be dropped now keeps no other one.
 *
 * @throws Error where the server cannot be asked, or does not let a role go: the first reason, and how many there were
 */
export async function sweep(input: SweepInput): Promise<void> {
  const rows = await input.connection.run(
    `select rolname, pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles where rolname like 'postern\\_%'`,
  );
  const faults: unknown[] = [];
  for (const [role, comment] of rows) {
    const mark = readMark(role ?? '', comment ?? null);
    if (mark?.installation !== input.installation || !isNeedless(mark, input)) continue;
    await dropMarked(role ?? '', mark, input).catch((error: unknown) => faults.push(error));
  }
  if (faults.length > 0) throw new Error(`${faults.length} could not be dropped: ${String(faults[0])}`);
}

function isNeedless(mark: RoleMark, input: SweepInput): boolean {
  return mark.kind === 'session' ? isOrphan(mark, input) : input.worker === 0 && input.isOver(mark);
}

async function dropMarked(role: string, mark: RoleMark, input: SweepInput): Promise<void> {
  const { connection } = input;
  const [there] = await connection.run(
    `select 1 from pg_catalog.pg_database where datname = ${literal(mark.database)}`,
  );
  // Of a database that is gone nothing is left that could depend on the role.
  const inside = there === undefined ? connection : input.connectionTo(mark.database);
  if (mark.kind === 'session') return dropSessionRole(inside, role, input.heir);
  // Sessions of the grant have ended with it; a role that is still a member loses what it had.
  await inside
    .run(`${ONE_AT_A_TIME}; drop owned by ${ident(role)}; drop role ${ident(role)}`)
    .catch((error: unknown) => {
      // Another resource on the same server was faster.
      if (!(error instanceof ServerError) || error.sqlstate !== UNDEFINED_OBJECT) throw error;
    });
}

/** Of this worker, but not of a session that it has; or of a worker that there is not any more. */
function isOrphan(mark: SessionMark, input: SweepInput): boolean {
  if (mark.worker === input.worker) return mark.boot !== input.boot || !input.isLive(mark.session);
  return input.worker === 0 && mark.worker >= input.workers;
}
