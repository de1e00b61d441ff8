import { verbObjects } from '../activity/summary.ts';
import { payloadText } from './commands.ts';
import type { ShownCommandRow } from './format.ts';

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
  readonly refused: ShownCommandRow[] = [];
  moreStatements = 0;

  add(row: ShownCommandRow): void {
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
    this.#addDeeds(row, allowed);
    if (allowed) this.#addStatement(row);
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

  #addDeeds(row: ShownCommandRow, allowed: boolean): void {
    const principal = row.principal?.name ?? '';
    for (const [verb, object] of verbObjects(row.verbs, row.objects)) {
      const key = JSON.stringify([principal, verb, object]);
      let deed = this.#deeds.get(key);
      if (deed === undefined) {
        deed = { principal, verb, object, allowed: 0, denied: 0, rows: 0 };
        this.#deeds.set(key, deed);
      }
      if (allowed) deed.allowed += 1;
      else deed.denied += 1;
      deed.rows += row.rows ?? 0;
    }
  }

  #addStatement(row: ShownCommandRow): void {
    const key = JSON.stringify([row.fingerprint, row.verbs, row.objects]);
    const known = this.#statements.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#statements.size >= SHOWN) this.moreStatements += 1;
    else {
      const example = payloadText(row, 'statement') ?? '';
      const { verbs, objects, leaf } = row;
      this.#statements.set(key, { example, verbs, objects, leaf, count: 1 });
    }
  }
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
