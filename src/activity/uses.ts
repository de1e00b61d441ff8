import type { DatabaseSync } from 'node:sqlite';
import { RECORD_TYPES } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { KIND, NAME } from './schema.ts';

/** A network from which sessions were opened. Times are RFC 3339 UTC. */
export interface SourceSeen {
  readonly network: string;
  readonly first: string;
  readonly last: string;
  readonly sessions: number;
}

/**
 * When principals were last used: a session opened, a command asked for, a credential of their own got. Those never used are absent.
 *
 * @param ids of principals
 */
export function lastUsesOf(db: DatabaseSync, ids: readonly string[]): Map<string, string> {
  const rows = db
    .prepare(
      'SELECT n.id, u.time FROM json_each(?) i JOIN names n ON n.kind = ? AND n.id = i.value ' +
        'JOIN last_uses u ON u.principal = n.n',
    )
    .all(JSON.stringify(ids), NAME.principal);
  return new Map(rows.map(({ id, time }) => [String(id), rfc3339(Number(time))]));
}

/** Leaves of what became of a principal and of the notices about it, in the order of the log, from after `leaf` on. */
export function historyOf(db: DatabaseSync, id: string, after: number, limit: number): number[] {
  const types = RECORD_TYPES.flatMap((type, n) => (/^(principal|notice)\./.test(type) ? [n] : []));
  const rows = db
    .prepare(
      `SELECT e.leaf FROM names n JOIN events e ON e.principal = n.n AND e.kind = ${KIND.change} ` +
        `AND e.type IN (${types.join(', ')}) WHERE n.kind = ? AND n.id = ? AND e.leaf > ? ORDER BY e.leaf LIMIT ?`,
    )
    .all(NAME.principal, id, after, limit);
  return rows.map(({ leaf }) => Number(leaf));
}

/** Networks from which sessions of a principal were opened, the one seen last first. */
export function sourcesOf(db: DatabaseSync, id: string): SourceSeen[] {
  const rows = db
    .prepare(
      'SELECT s.network, s.first, s.last, s.sessions FROM names n JOIN sources s ON s.principal = n.n ' +
        'WHERE n.kind = ? AND n.id = ? ORDER BY s.last DESC, s.network',
    )
    .all(NAME.principal, id);
  return rows.map(({ network, first, last, sessions }) => ({
    network: String(network),
    first: rfc3339(Number(first)),
    last: rfc3339(Number(last)),
    sessions: Number(sessions),
  }));
}
