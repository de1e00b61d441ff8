import type { Plan, Segment } from './filter.ts';
import { DECISION, KIND } from './schema.ts';

/** The table with the index that reads fewest rows for this plan; without one, leaves are read in their order. */
export function source(planned: Plan, segment: Segment): string {
  if (planned.kind !== null && planned.kind !== KIND.command) return 'events e INDEXED BY events_rare';
  if (planned.decision === DECISION.deny) return 'events e INDEXED BY events_denied';
  if (segment.principal !== null) return 'events e INDEXED BY events_principal';
  return 'events e NOT INDEXED';
}

/** The conditions of a plan on one segment, with the values in their places. */
export function conditions(planned: Plan, segment: Segment): { sql: string; values: (string | number)[] } {
  const parts = ['e.leaf BETWEEN ? AND ?'];
  const values: (string | number)[] = [segment.first, segment.last];
  const equal = (column: string, value: number | null): void => {
    if (value === null) return;
    parts.push(`${column} = ?`);
    values.push(value);
  };
  // A partial index is only used where its own condition stands in the query as a constant.
  if (planned.kind !== null && planned.kind !== KIND.command) parts.push('e.kind > 1');
  if (planned.decision === DECISION.deny) parts.push('e.decision = 2');
  else equal('e.decision', planned.decision);
  equal('e.kind', planned.kind);
  equal('e.principal', segment.principal);
  equal('e.resource', planned.resource);
  equal('e.session', planned.session);
  equal('e.grant_n', planned.grant);
  if (planned.since !== null) {
    parts.push('e.time >= ?');
    values.push(planned.since);
  }
  if (planned.until !== null) {
    parts.push('e.time < ?');
    values.push(planned.until);
  }
  if (planned.classes !== null) {
    parts.push('e.class IN (SELECT value FROM json_each(?))');
    values.push(JSON.stringify(planned.classes));
  }
  return { sql: parts.join(' AND '), values };
}
