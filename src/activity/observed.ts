/** What principals were seen to do, by class of statement: what right-sizing and back-tests of the policy go by. */
import type { DatabaseSync } from 'node:sqlite';
import type { Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { idText } from './event-tables.ts';
import type { Known } from './known.ts';
import { BLOCK } from './schema.ts';
import { microsOf } from './times.ts';

/** Statements that differ in literals only, of one principal on one resource. */
export interface ObservedClass {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  /** Hex; null where it does not parse. */
  readonly fingerprint: string | null;
  /** Commands let through and refused, over all that the log has. */
  readonly allowed: number;
  readonly denied: number;
  /** RFC 3339. */
  readonly firstAt: string;
  /** When one was let through last; null where none was. */
  readonly lastAllowedAt: string | null;
  /** Record id of that one. */
  readonly lastAllowed: string | null;
}

export interface ObservedFilter {
  /** Number of the principal in the index; null: all of them. */
  readonly principal: number | null;
  readonly resource: number | null;
  /** RFC 3339: only what was done since then, give or take a thousand records of the log. */
  readonly since: string | null;
}

/** Each class once, in the order of its first use. Nothing is read but one row of each, however often it was used. */
export function observed(db: DatabaseSync, known: Known, filter: ObservedFilter): ObservedClass[] {
  const rows = db
    .prepare(
      'SELECT u.principal, u.resource, u.allowed, u.denied, c.verbs, c.objects, c.fingerprint, f.time AS first, ' +
        'l.time AS last, l.id FROM uses u JOIN classes c ON c.n = u.class JOIN events f ON f.leaf = u.first ' +
        'LEFT JOIN events l ON l.leaf = u.last_allowed WHERE u.resource <> 0 AND u.allowed + u.denied > 0 ' +
        'AND (?1 IS NULL OR u.principal = ?1) AND (?2 IS NULL OR u.resource = ?2) AND u.last >= ?3 ORDER BY u.first',
    )
    .all(filter.principal, filter.resource, firstLeaf(db, filter.since));
  return rows.flatMap((row) => {
    const principal = known.ref(Number(row.principal));
    const resource = known.ref(Number(row.resource));
    if (principal === null || resource === null) return [];
    return [
      {
        principal,
        resource,
        verbs: JSON.parse(String(row.verbs)) as string[],
        objects: JSON.parse(String(row.objects)) as string[],
        fingerprint: row.fingerprint === '' ? null : String(row.fingerprint),
        allowed: Number(row.allowed),
        denied: Number(row.denied),
        firstAt: rfc3339(Number(row.first)),
        lastAllowedAt: row.last === null ? null : rfc3339(Number(row.last)),
        lastAllowed: row.id === null ? null : idText(row.id as Uint8Array),
      },
    ];
  });
}

function firstLeaf(db: DatabaseSync, since: string | null): number {
  if (since === null) return 0;
  const row = db
    .prepare('SELECT block FROM blocks WHERE max_time >= ? ORDER BY block LIMIT 1')
    .get(microsOf(since));
  return row === undefined ? Number.MAX_SAFE_INTEGER : Number(row.block) * BLOCK;
}
