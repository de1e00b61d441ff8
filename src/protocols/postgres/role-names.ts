import { createHash } from 'node:crypto';
import type { GrantView } from '../../core/views.ts';

/**
 * Names and marks of the roles that Postern makes in a database. The mark, a comment on the role, says whose it is: a role
 * without it is never touched.
 */

/** The longest name of PostgreSQL is 63 bytes. */
const PRINCIPAL_CHARACTERS = 40;

/** What people call the session: the part of its id that is random. */
export const shortSession = (session: string): string => session.slice(-12);

/** `postern_nightly-batch_9f6b01c2d3e4`. Names of principals hold nothing but lower-case ASCII, digits and `._-`. */
export function sessionRole(principal: string, session: string): string {
  return `postern_${principal.slice(0, PRINCIPAL_CHARACTERS)}_${shortSession(session)}`;
}

/** One for each grant and database: roles belong to the whole server, privileges to a database. */
export function grantRole(grant: string, database: string): string {
  const of = createHash('sha256').update(database).digest('hex').slice(0, 8);
  return `postern_g_${grant.replaceAll('-', '')}_${of}`;
}

/** `application_name` upstream: the server's own log says who it was. The client's name for itself is cut where it must be. */
export function upstreamApplication(principal: string, session: string, client: string): string {
  const who = `postern/${principal.slice(0, PRINCIPAL_CHARACTERS)}/${shortSession(session)}/`;
  // The server replaces what is not printable ASCII, so a character is a byte.
  return `${who}${client}`.slice(0, 63);
}

export interface SessionMark {
  readonly kind: 'session';
  /** Of Postern: several may use one server. */
  readonly installation: string;
  readonly worker: number;
  /** Of the worker's process. */
  readonly boot: string;
  readonly session: string;
  readonly database: string;
}

export interface GrantMark {
  readonly kind: 'grant';
  readonly installation: string;
  readonly grant: string;
  readonly principal: string;
  readonly database: string;
  /** Of the statements that gave the role its privileges. */
  readonly privileges: string;
}

export type RoleMark = SessionMark | GrantMark;

const PREFIX = 'postern: ';

export const writeMark = (mark: RoleMark): string => PREFIX + JSON.stringify(mark);

/** Null for a comment that is none of Postern's, or is that of another role. */
export function readMark(role: string, comment: string | null): RoleMark | null {
  if (comment === null || !comment.startsWith(PREFIX)) return null;
  try {
    const mark = JSON.parse(comment.slice(PREFIX.length)) as Record<string, unknown> | null;
    if (mark === null || typeof mark.database !== 'string') return null;
    const { kind, session, grant, database } = mark;
    const fits =
      (kind === 'session' && typeof session === 'string' && role.endsWith(`_${shortSession(session)}`)) ||
      (kind === 'grant' && typeof grant === 'string' && role === grantRole(grant, database));
    return fits ? (mark as unknown as RoleMark) : null;
  } catch {
    return null;
  }
}

/** The beginning of the mark that the role of a grant has, however its privileges have changed since. */
export function grantMarkStart({ kind, installation, grant }: GrantMark): string {
  return writeMark({ kind, installation, grant } as GrantMark).slice(0, -1);
}

/** The end of the last of the grants, as SQL takes it. */
export function validUntil(grants: readonly GrantView[]): string {
  return new Date(Math.max(...grants.map((grant) => grant.end))).toISOString();
}
