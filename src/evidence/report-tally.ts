import { verbObjects } from '../activity/summary.ts';
import { payloadText } from './command-texts.ts';
import type { ShownCommandRow } from './format.ts';
import type { Shared } from './record-reader.ts';

/** Refused commands, and distinct statements, that the report shows in full; the rest is counted. */
export const SHOWN = 200;

export interface Deed {
  readonly principal: string;
  readonly verb: string;
  readonly object: string;
  allowed: number;
  denied: number;
  rows: number;
}

export interface Statement {
  readonly example: string;
  readonly objects: readonly string[];
  readonly verbs: readonly string[];
  count: number;
  readonly leaf: number;
}

/** Where commands of one kind are counted. */
interface Place {
  readonly deeds: readonly Deed[];
  readonly statement: Statement | null;
}

/** What the report says of the commands: counts, refusals, distinct statements. */
export class ReportTally {
  allowed = 0;
  denied = 0;
  failed = 0;
  unanswered = 0;
  rows = 0;
  first: string | null = null;
  last: string | null = null;
  readonly #deeds = new Map<string, Deed>();
  readonly #statements = new Map<string, Statement>();
  readonly #grants = new Map<string, number>();
  /** By what leaves have in common: where their commands are counted. */
  readonly #places = new WeakMap<Shared, Place>();
  readonly refused: ShownCommandRow[] = [];
  moreStatements = 0;

  /** @param shared what the leaf of the command has in common with others */
  add(row: ShownCommandRow, shared: Shared | null): void {
    const allowed = row.decision === 'allow';
    if (allowed) this.allowed += 1;
    else this.denied += 1;
    if (allowed && row.outcomeLeaf === null) this.unanswered += 1;
    if (row.status === 'error') this.failed += 1;
    this.rows += row.rows ?? 0;
    if (this.first === null || row.time < this.first) this.first = row.time;
    if (this.last === null || row.time > this.last) this.last = row.time;
    if (!allowed && this.refused.length < SHOWN) this.refused.push(row);
    if (row.grant !== null) this.#grants.set(row.grant, (this.#grants.get(row.grant) ?? 0) + 1);
    const known = shared === null ? undefined : this.#places.get(shared);
    const place = known ?? { deeds: this.#deedsOf(row), statement: allowed ? this.#statementOf(row) : null };
    if (shared !== null && known === undefined) this.#places.set(shared, place);
    for (const deed of place.deeds) {
      if (allowed) deed.allowed += 1;
      else deed.denied += 1;
      deed.rows += row.rows ?? 0;
    }
    if (place.statement !== null) place.statement.count += 1;
    else if (allowed) this.moreStatements += 1;
  }

  commandsUnder(grant: string): number {
    return this.#grants.get(grant) ?? 0;
  }

  deeds(): Deed[] {
    return [...this.#deeds.values()].sort(
      (a, b) =>
        order(a.principal, b.principal) ||
        b.allowed + b.denied - a.allowed - a.denied ||
        order(a.object, b.object) ||
        order(a.verb, b.verb),
    );
  }

  statements(): Statement[] {
    return [...this.#statements.values()].sort((a, b) => b.count - a.count || a.leaf - b.leaf);
  }

  /** One for each pair of verb and object. */
  #deedsOf(row: ShownCommandRow): Deed[] {
    const principal = row.principal?.name ?? '';
    return verbObjects(row.verbs, row.objects).map(([verb, object]) => {
      const key = JSON.stringify([principal, verb, object]);
      const known = this.#deeds.get(key);
      if (known !== undefined) return known;
      const deed = { principal, verb, object, allowed: 0, denied: 0, rows: 0 };
      this.#deeds.set(key, deed);
      return deed;
    });
  }

  /** Null where there are more kinds already than are shown. */
  #statementOf({ fingerprint, verbs, objects, leaf, payloads }: ShownCommandRow): Statement | null {
    const key = JSON.stringify([fingerprint, verbs, objects]);
    const known = this.#statements.get(key);
    if (known !== undefined) return known;
    if (this.#statements.size >= SHOWN) return null;
    const statement = { example: payloadText(payloads.statement) ?? '', verbs, objects, leaf, count: 0 };
    this.#statements.set(key, statement);
    return statement;
  }
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
