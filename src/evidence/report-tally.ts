import { hash } from 'node:crypto';
import { verbObjects } from '../activity/summary.ts';
import { payloadText } from './command-texts.ts';
import type { CommandRow, PayloadsShown, ShownCommandRow } from './format.ts';
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

/** Kinds of statements that a part of a log is counted by; a part that has more cannot be joined with others. */
const MOST_KINDS = 20_000;
/** Longer names of kinds are replaced by their hash. */
const LONGEST_KEY = 256;

/** A tally as it goes from one thread to another. */
export interface TallyState {
  readonly counts: Readonly<Record<'allowed' | 'denied' | 'failed' | 'unanswered' | 'rows', number>>;
  readonly first: string | null;
  readonly last: string | null;
  readonly deeds: ReadonlyMap<string, Deed>;
  readonly statements: ReadonlyMap<string, Statement>;
  readonly grants: ReadonlyMap<string, number>;
  readonly refused: readonly ShownCommandRow[];
  readonly moreStatements: number;
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
  readonly #kinds: number;

  /** @param ofPart whether it is of a part of the commands, and will be joined to those of the parts before */
  constructor(ofPart = false) {
    this.#kinds = ofPart ? MOST_KINDS : SHOWN;
  }

  /** @param shared what the leaf of the command has in common with others */
  add(row: CommandRow, payloads: PayloadsShown, shared: Shared | null): void {
    const allowed = row.decision === 'allow';
    if (allowed) this.allowed += 1;
    else this.denied += 1;
    if (allowed && row.outcomeLeaf === null) this.unanswered += 1;
    if (row.status === 'error') this.failed += 1;
    this.rows += row.rows ?? 0;
    if (this.first === null || row.time < this.first) this.first = row.time;
    if (this.last === null || row.time > this.last) this.last = row.time;
    if (!allowed && this.refused.length < SHOWN) this.refused.push({ ...row, payloads });
    if (row.grant !== null) this.#grants.set(row.grant, (this.#grants.get(row.grant) ?? 0) + 1);
    const known = shared === null ? undefined : this.#places.get(shared);
    const place = known ?? {
      deeds: this.#deedsOf(row),
      statement: allowed ? this.#statementOf(row, payloads) : null,
    };
    if (shared !== null && known === undefined) this.#places.set(shared, place);
    for (const deed of place.deeds) {
      if (allowed) deed.allowed += 1;
      else deed.denied += 1;
      deed.rows += row.rows ?? 0;
    }
    if (place.statement !== null) place.statement.count += 1;
    else if (allowed) this.moreStatements += 1;
  }

  /** Whether such a command was counted: then {@link addLike} counts another. */
  hasLike(shared: Shared): boolean {
    return this.#places.has(shared);
  }

  /** Counts a command that was let through and answered, of a kind that was counted before, as {@link add} does. */
  addLike(shared: Shared, grant: string, time: string, status: string, rows: number): void {
    const place = this.#places.get(shared) as Place;
    this.allowed += 1;
    if (status === 'error') this.failed += 1;
    this.rows += rows;
    if (this.first === null || time < this.first) this.first = time;
    if (this.last === null || time > this.last) this.last = time;
    this.#grants.set(grant, (this.#grants.get(grant) ?? 0) + 1);
    for (const deed of place.deeds) {
      deed.allowed += 1;
      deed.rows += rows;
    }
    if (place.statement !== null) place.statement.count += 1;
    else this.moreStatements += 1;
  }

  /** Of a part: can be joined where {@link moreStatements} is 0. */
  state(): TallyState {
    const { allowed, denied, failed, unanswered, rows, first, last, refused, moreStatements } = this;
    const counts = { allowed, denied, failed, unanswered, rows };
    const [deeds, statements, grants] = [this.#deeds, this.#statements, this.#grants];
    return { counts, first, last, deeds, statements, grants, refused, moreStatements };
  }

  /** Adds what the next part of the commands came to. */
  join(part: TallyState): void {
    for (const [name, count] of Object.entries(part.counts))
      this[name as keyof TallyState['counts']] += count;
    if (part.first !== null && (this.first === null || part.first < this.first)) this.first = part.first;
    if (part.last !== null && (this.last === null || part.last > this.last)) this.last = part.last;
    this.refused.push(...part.refused.slice(0, SHOWN - this.refused.length));
    for (const [grant, count] of part.grants) this.#grants.set(grant, (this.#grants.get(grant) ?? 0) + count);
    for (const [key, deed] of part.deeds) {
      const known = this.#deeds.get(key);
      if (known === undefined) this.#deeds.set(key, { ...deed });
      else {
        known.allowed += deed.allowed;
        known.denied += deed.denied;
        known.rows += deed.rows;
      }
    }
    for (const [key, statement] of part.statements) {
      const known = this.#statements.get(key);
      if (known !== undefined) known.count += statement.count;
      else if (this.#statements.size < SHOWN) this.#statements.set(key, { ...statement });
      else this.moreStatements += statement.count;
    }
    this.moreStatements += part.moreStatements;
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
  #deedsOf(row: CommandRow): Deed[] {
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

  /** Null where there are more kinds already than are kept. */
  #statementOf({ fingerprint, verbs, objects, leaf }: CommandRow, payloads: PayloadsShown): Statement | null {
    const name = JSON.stringify([fingerprint, verbs, objects]);
    const key = name.length > LONGEST_KEY ? hash('sha256', name) : name;
    const known = this.#statements.get(key);
    if (known !== undefined) return known;
    if (this.#statements.size >= this.#kinds) return null;
    // Of a part no more than the first so many can come to be shown: the others are counted only.
    const statement =
      this.#statements.size < SHOWN
        ? { example: payloadText(payloads.statement) ?? '', verbs, objects, leaf, count: 0 }
        : { example: '', verbs: [], objects: [], leaf, count: 0 };
    this.#statements.set(key, statement);
    return statement;
  }
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
