import type { DatabaseSync } from 'node:sqlite';
import { PosternError } from '../core/errors.ts';
import { globMatches } from '../core/glob.ts';
import { BLOCK, DECISION, KIND, type Kind, NAME, type NameKind } from './schema.ts';
import { microsOf } from './times.ts';

/** What to look for. All given conditions must hold. References are an id or a name (a person: also the e-mail). */
export interface ActivityFilter {
  readonly principal?: string | undefined;
  readonly owner?: string | undefined;
  readonly resource?: string | undefined;
  readonly grant?: string | undefined;
  readonly session?: string | undefined;
  readonly verb?: string | undefined;
  /** Glob over object names: `*` any run, `?` one character. */
  readonly object?: string | undefined;
  readonly decision?: 'allow' | 'deny' | undefined;
  /** Default `command`. */
  readonly type?: 'command' | 'session' | 'change' | 'all' | undefined;
  /** RFC 3339; inclusive. */
  readonly since?: string | undefined;
  /** RFC 3339; exclusive. */
  readonly until?: string | undefined;
}

/** A run of leaves to look through, of one principal (its number) or of all (null). */
export interface Segment {
  readonly principal: number | null;
  readonly first: number;
  readonly last: number;
}

/** A filter with every name resolved to the numbers of the index. */
export interface Plan {
  readonly segments: readonly Segment[];
  readonly kind: Kind | null;
  readonly resource: number | null;
  readonly grant: number | null;
  readonly session: number | null;
  readonly decision: number | null;
  readonly classes: readonly number[] | null;
  readonly since: number | null;
  readonly until: number | null;
}

interface Named {
  readonly n: number;
  readonly id: string;
  readonly principal: number;
  readonly first: number;
  readonly last: number;
}

const KINDS = { command: KIND.command, session: KIND.session, change: KIND.change, all: null } as const;
const NOTHING: readonly Segment[] = [];

/**
 * Resolves a filter against the index: to the segments of leaves in which every match must lie, and to the
 * conditions on single rows.
 *
 * @throws PosternError POSTERN_NOT_FOUND where it names a principal, person, resource, grant or session that the log
 * does not know; POSTERN_INVALID for a time that is none
 */
export function plan(db: DatabaseSync, filter: ActivityFilter): Plan {
  const principal = named(db, NAME.principal, 'principal', filter.principal);
  const resource = named(db, NAME.resource, 'resource', filter.resource);
  const grant = named(db, NAME.grant, 'grant', filter.grant);
  const session = named(db, NAME.session, 'session', filter.session);
  const since = filter.since === undefined ? null : microsOf(filter.since);
  const until = filter.until === undefined ? null : microsOf(filter.until);
  const classes =
    filter.verb === undefined && filter.object === undefined
      ? null
      : matchingClasses(db, filter.verb, filter.object);
  const bounds = timeBounds(db, since, until);
  let { first, last } = bounds;
  for (const name of [principal, grant, session]) {
    if (name === null) continue;
    first = Math.max(first, name.first);
    last = Math.min(last, name.last);
  }
  const owner = filter.owner === undefined ? null : ownedBy(db, filter.owner);
  const one = principal?.n ?? [grant?.principal, session?.principal].find((n) => n !== undefined && n !== 0);
  return {
    segments: first > last ? NOTHING : segments(db, { first, last }, one ?? null, owner, resource, classes),
    kind: KINDS[filter.type ?? 'command'],
    resource: resource?.n ?? null,
    grant: grant?.n ?? null,
    session: session?.n ?? null,
    decision: filter.decision === undefined ? null : DECISION[filter.decision],
    classes,
    since,
    until,
  };
}

function named(db: DatabaseSync, kind: NameKind, word: string, ref: string | undefined): Named | null {
  if (ref === undefined) return null;
  const columns = 'SELECT n, id, principal, first, last FROM names WHERE kind = ?';
  const found =
    db.prepare(`${columns} AND id = ?`).get(kind, ref) ??
    (kind <= NAME.resource ? db.prepare(`${columns} AND name = ? AND kind <= 2`).get(kind, ref) : undefined);
  if (found === undefined) throw unknown(word, ref);
  return found as unknown as Named;
}

function unknown(word: string, ref: string): PosternError {
  return new PosternError(
    'POSTERN_NOT_FOUND',
    `The log knows no ${word} ${JSON.stringify(ref.slice(0, 128))}.`,
    `List what there is, or leave the ${word} out.`,
  );
}

/** The leaves that can hold a time in [since, until): whole blocks, so never too few. */
function timeBounds(
  db: DatabaseSync,
  since: number | null,
  until: number | null,
): { first: number; last: number } {
  const size = Number(db.prepare("SELECT value FROM meta WHERE key = 'size'").get()?.value ?? 0);
  const all = { first: 0, last: size - 1 };
  if (since !== null) {
    const row = db.prepare('SELECT block FROM blocks WHERE max_time >= ? ORDER BY block LIMIT 1').get(since);
    all.first = row === undefined ? size : Number(row.block) * BLOCK;
  }
  if (until !== null) {
    const row = db
      .prepare('SELECT block FROM blocks WHERE min_time < ? ORDER BY block DESC LIMIT 1')
      .get(until);
    all.last = row === undefined ? -1 : Math.min(all.last, Number(row.block) * BLOCK + BLOCK - 1);
  }
  return all;
}

/** Numbers of the statement classes with that verb and an object that matches the glob. */
function matchingClasses(db: DatabaseSync, verb: string | undefined, object: string | undefined): number[] {
  const found: number[] = [];
  for (const row of db.prepare('SELECT n, verbs, objects FROM classes').iterate()) {
    if (verb !== undefined && !(JSON.parse(String(row.verbs)) as string[]).includes(verb)) continue;
    if (object !== undefined) {
      const objects = JSON.parse(String(row.objects)) as string[];
      if (!objects.some((name) => globMatches(object, name))) continue;
    }
    found.push(Number(row.n));
  }
  return found;
}

/** For each principal a person owns or owned: from which leaf on and up to which. */
function ownedBy(db: DatabaseSync, ref: string): Map<number, { first: number; last: number }[]> {
  const person = db
    .prepare("SELECT id FROM entities WHERE kind = 'person' AND (id = ?1 OR name = ?1 OR email = ?1)")
    .get(ref);
  if (person === undefined) throw unknown('person', ref);
  const rows = db
    .prepare(
      'SELECT n, owner, leaf, lead(leaf) OVER (PARTITION BY owners.principal ORDER BY leaf) AS next ' +
        'FROM owners JOIN names ON names.kind = ? AND names.id = owners.principal',
    )
    .all(NAME.principal);
  const owned = new Map<number, { first: number; last: number }[]>();
  for (const row of rows) {
    if (row.owner !== person.id) continue;
    const last = row.next === null ? Number.MAX_SAFE_INTEGER : Number(row.next) - 1;
    const held = owned.get(Number(row.n)) ?? [];
    held.push({ first: Number(row.leaf), last });
    owned.set(Number(row.n), held);
  }
  return owned;
}

function segments(
  db: DatabaseSync,
  bounds: { first: number; last: number },
  principal: number | null,
  owned: ReadonlyMap<number, readonly { first: number; last: number }[]> | null,
  resource: Named | null,
  classes: readonly number[] | null,
): readonly Segment[] {
  let whole: Segment[];
  if (resource === null && classes === null) {
    whole =
      principal === null && owned !== null
        ? [...owned.keys()].map((n) => ({ principal: n, ...bounds }))
        : [{ principal, ...bounds }];
  } else {
    const rows = db
      .prepare(
        'SELECT principal, min(first) AS first, max(last) AS last FROM uses ' +
          'WHERE (?1 IS NULL OR principal = ?1) AND (?2 IS NULL OR resource = ?2) ' +
          'AND (?3 IS NULL OR class IN (SELECT value FROM json_each(?3))) GROUP BY principal',
      )
      .all(principal, resource?.n ?? null, classes === null ? null : JSON.stringify(classes));
    whole = rows.map((row) => ({
      principal: Number(row.principal),
      first: Math.max(bounds.first, Number(row.first)),
      last: Math.min(bounds.last, Number(row.last)),
    }));
  }
  const cut = owned === null ? whole : whole.flatMap((segment) => within(segment, owned));
  return cut.filter((segment) => segment.first <= segment.last);
}

function within(
  segment: Segment,
  owned: ReadonlyMap<number, readonly { first: number; last: number }[]>,
): Segment[] {
  return (owned.get(segment.principal ?? 0) ?? []).map((span) => ({
    principal: segment.principal,
    first: Math.max(segment.first, span.first),
    last: Math.min(segment.last, span.last),
  }));
}
