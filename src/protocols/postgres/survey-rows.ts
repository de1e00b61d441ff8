/** Rows of a survey as values: what a server sends is cut to what such a thing can be, and what is none becomes null. Pure. */
import type { AccountSeen, CallsSeen, ConnectionSeen } from '../../core/upstream-facts.ts';
import { readMark } from './role-names.ts';
import { WireError } from './wire.ts';

export const MAX_ACCOUNTS = 2000;
export const MAX_CONNECTIONS = 5000;
export const MAX_USERS = 2000;

type Row = readonly (string | null)[];
type Cell = string | null | undefined;

/** A name of PostgreSQL has at most 63 bytes; builds of one's own may allow more. */
const NAME_MAX = 128;

/** Line ends and what turns the direction of writing have no place in a name that people read. */
const text = (cell: Cell, most = NAME_MAX): string =>
  (cell ?? '')
    .slice(0, most)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .toWellFormed();

const flag = (cell: Cell): boolean => cell === 't';

/** A whole number that can be counted with; 0 for anything else. */
export function countOf(cell: Cell): number {
  const value = Number(cell ?? Number.NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** RFC 3339, or null. */
export function timeOf(cell: Cell): string | null {
  const fits = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(cell ?? '');
  return fits && !Number.isNaN(Date.parse(cell as string)) ? (cell as string) : null;
}

export interface Session {
  readonly pid: number;
  readonly version: string;
  readonly user: string;
  readonly at: string;
  readonly seesConnections: boolean;
  readonly seesPasswords: boolean;
}

/** @throws WireError where the server does not even say when it is */
export function sessionOf([pid, version, user, at, stats, passwords]: Row): Session {
  const time = timeOf(at);
  if (time === null) throw new WireError('the server gives no answer that makes sense');
  return {
    pid: countOf(pid),
    version: text(version),
    user: text(user),
    at: time,
    seesConnections: flag(stats),
    seesPasswords: flag(passwords),
  };
}

export function accountOf(row: Row, installation: string): AccountSeen {
  const [name, oid, login, superuser, createRole, createDb, replication, bypassRls, password, until] = row;
  const [memberOf, comment] = row.slice(10);
  const mark = readMark(name ?? '', comment ?? null);
  return {
    name: text(name),
    oid: text(oid, 10),
    login: flag(login),
    superuser: flag(superuser),
    createRole: flag(createRole),
    createDb: flag(createDb),
    replication: flag(replication),
    bypassRls: flag(bypassRls),
    password: password === 'none' || password === 'md5' || password === 'scram' ? password : null,
    validUntil: timeOf(until),
    memberOf: namesOf(memberOf),
    mark:
      mark === null
        ? null
        : mark.installation === installation && mark.kind === 'session'
          ? { session: mark.session }
          : 'other',
  };
}

function namesOf(json: Cell): string[] {
  if (json === null || json === undefined || json.length > 20_000) return [];
  try {
    const names = JSON.parse(json) as unknown;
    return Array.isArray(names) ? names.slice(0, 20).map((name) => text(String(name))) : [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
}

export function connectionOf(row: Row): ConnectionSeen {
  const [pid, user, database, application, client, startedAt, active] = row;
  return {
    pid: countOf(pid),
    user: text(user),
    database: database === null ? null : text(database),
    application: text(application),
    client: client === null ? null : text(client, 64),
    startedAt: timeOf(startedAt),
    active: flag(active),
  };
}

/** By role, of the whole server; a role that is gone has no name. */
export function statementsQuery(schema: string, toplevel: boolean): string {
  return `select s.userid, (select r.rolname from pg_catalog.pg_roles r where r.oid = s.userid), pg_catalog.sum(s.calls)
    from ${schema}.pg_stat_statements s ${toplevel ? 'where s.toplevel' : ''} group by 1 order by 3 desc limit ${MAX_USERS + 1}`;
}

export function callsOf([oid, user, calls]: Row): CallsSeen {
  return { oid: text(oid, 10), user: user == null ? null : text(user), calls: countOf(calls) };
}

/** Where the extension is; `toplevel`: it tells statements of clients from those within functions. */
export function extensionOf(
  row: Row | undefined,
): { readonly schema: string; readonly toplevel: boolean; readonly track: string } | null {
  if (row === undefined) return null;
  const [schema, version, track] = row;
  const [major = 0, minor = 0] = (version ?? '').split('.').map(countOf);
  // 1.9 came with PostgreSQL 14; an extension that was not updated since lacks the column.
  return { schema: text(schema), toplevel: major > 1 || (major === 1 && minor >= 9), track: text(track) };
}
