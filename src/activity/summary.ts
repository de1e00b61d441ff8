import type { DatabaseSync } from 'node:sqlite';
import type { Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import type { GrantShown } from './entities.ts';
import type { Plan } from './filter.ts';
import type { Known } from './known.ts';
import { conditions, source } from './plan-sql.ts';
import { DECISION } from './schema.ts';

/** What was done with what, how often. */
export interface VerbObject {
  readonly verb: string;
  readonly object: string;
  readonly allowed: number;
  readonly denied: number;
  readonly rows: number;
}

export interface ActivitySummary {
  readonly principals: readonly {
    readonly id: string;
    readonly name: string;
    readonly owner: Ref | null;
    readonly kind: string | null;
    readonly purpose: string | null;
    readonly status: string | null;
  }[];
  /** Commands that were let through. */
  readonly commands: number;
  readonly denied: number;
  /** Sessions in which at least one such command was asked for. */
  readonly sessions: number;
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  readonly byVerbObject: readonly VerbObject[];
  /** The grants under which the commands ran. */
  readonly grants: readonly (GrantShown & { readonly owner: Ref | null })[];
}

/** Adds up everything that a plan finds. */
export function summarize(db: DatabaseSync, known: Known, planned: Plan): ActivitySummary {
  const tally = new VerbObjectTally();
  const principals = new Map<number, number>();
  const sessions = new Set<number>();
  const grants = new Set<number>();
  const total = { commands: 0, denied: 0, first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY };
  for (const segment of planned.segments) {
    const { sql, values } = conditions(planned, segment);
    const rows = db
      .prepare(
        'SELECT e.principal, e.session, e.grant_n, e.class, e.decision, count(*) AS n, sum(o.row_count) AS row_count, ' +
          `min(e.time) AS first, max(e.time) AS last, max(e.leaf) AS leaf FROM ${source(planned, segment)} ` +
          `LEFT JOIN outcomes o ON o.intent = e.leaf WHERE ${sql} ` +
          'GROUP BY e.principal, e.session, e.grant_n, e.class, e.decision',
      )
      .all(...values);
    for (const row of rows) {
      const n = Number(row.n);
      const allowed = row.decision === DECISION.allow;
      total.commands += allowed ? n : 0;
      total.denied += allowed ? 0 : n;
      total.first = Math.min(total.first, Number(row.first));
      total.last = Math.max(total.last, Number(row.last));
      principals.set(
        Number(row.principal),
        Math.max(principals.get(Number(row.principal)) ?? 0, Number(row.leaf)),
      );
      sessions.add(Number(row.session));
      if (row.grant_n !== 0) grants.add(Number(row.grant_n));
      tally.addClass(Number(row.class), allowed, n, Number(row.row_count ?? 0));
    }
  }
  const classOf = db.prepare('SELECT verbs, objects FROM classes WHERE n = ?');
  return {
    principals: [...principals].flatMap(([n, leaf]) => principalShown(known, n, leaf)),
    commands: total.commands,
    denied: total.denied,
    sessions: sessions.size,
    firstAt: principals.size === 0 ? null : rfc3339(total.first),
    lastAt: principals.size === 0 ? null : rfc3339(total.last),
    byVerbObject: tally.rows((n) => {
      const row = classOf.get(n);
      return { verbs: JSON.parse(String(row?.verbs)), objects: JSON.parse(String(row?.objects)) };
    }),
    grants: [...grants].flatMap((n) => {
      const ref = known.ref(n);
      const grant = ref === null ? null : known.grant(ref.id);
      if (grant === null) return [];
      const owner =
        grant.principal === null ? null : known.ownerAt(grant.principal.id, Number.MAX_SAFE_INTEGER);
      return [{ ...grant, owner }];
    }),
  };
}

function principalShown(known: Known, n: number, leaf: number): ActivitySummary['principals'] {
  const ref = known.ref(n);
  if (ref === null) return [];
  const state = known.state('principal', ref.id);
  const text = (key: string): string | null => {
    const value = state?.[key];
    return typeof value === 'string' ? value : null;
  };
  return [
    {
      ...ref,
      owner: known.ownerAt(ref.id, leaf),
      kind: text('kind'),
      purpose: text('purpose'),
      status: text('status'),
    },
  ];
}

/** Adds statement classes up to rows of verb and object. */
class VerbObjectTally {
  readonly #classes = new Map<number, { allowed: number; denied: number; rows: number }>();

  addClass(n: number, allowed: boolean, count: number, rows: number): void {
    const held = this.#classes.get(n) ?? { allowed: 0, denied: 0, rows: 0 };
    if (allowed) held.allowed += count;
    else held.denied += count;
    held.rows += rows;
    this.#classes.set(n, held);
  }

  rows(classOf: (n: number) => { verbs: string[]; objects: string[] }): VerbObject[] {
    const found = new Map<string, VerbObject>();
    for (const [n, sum] of this.#classes) {
      const { verbs, objects } = classOf(n);
      for (const [verb, object] of verbObjects(verbs, objects)) {
        const key = JSON.stringify([verb, object]);
        const held = found.get(key) ?? { verb, object, allowed: 0, denied: 0, rows: 0 };
        found.set(key, {
          verb,
          object,
          allowed: held.allowed + sum.allowed,
          denied: held.denied + sum.denied,
          rows: held.rows + sum.rows,
        });
      }
    }
    return [...found.values()].sort((a, b) => b.allowed + b.denied - a.allowed - a.denied || compare(a, b));
  }
}

function compare(a: VerbObject, b: VerbObject): number {
  return a.object === b.object ? (a.verb < b.verb ? -1 : 1) : a.object < b.object ? -1 : 1;
}

/**
 * The pairs of verb and object of one command. A record names its verbs and its objects, not which verb went to which
 * object: with one verb, or one object, the pairs are certain; with several of both they stay together in one
 * pair, rather than claim an insert into what was only read.
 */
export function verbObjects(verbs: readonly string[], objects: readonly string[]): [string, string][] {
  if (objects.length === 0) return [[verbs.join(', '), '']];
  if (verbs.length === 1) return objects.map((object) => [verbs[0] as string, object]);
  if (objects.length === 1) return verbs.map((verb) => [verb, objects[0] as string]);
  return [[verbs.join(', '), objects.join(', ')]];
}
