/** How many statements were let through so far, from what was seen by class. */
import { StatementCounter } from '../../protocols/postgres/statement-count.ts';
import type { Recorded } from './balance.ts';

/** Statements alike but for their literals: each is so many statements as the others. */
export interface SeenStatements {
  readonly fingerprint: string | null;
  readonly allowed: number;
  /** Text of one of them; null where it is kept no more. */
  text(): Promise<string | null>;
}

/** What one class is never changes; so many are remembered. */
const REMEMBERED = 100_000;

export class StatementTotals {
  readonly #counter = new StatementCounter();
  readonly #known = new Map<string, number>();

  async of(seen: Iterable<SeenStatements>): Promise<Recorded> {
    const sum = { statements: 0, unresolved: 0 };
    for (const each of seen) {
      const count = await this.#countOf(each);
      if (count === null) sum.unresolved += each.allowed;
      else sum.statements += count * each.allowed;
    }
    return sum;
  }

  async #countOf({ fingerprint, text }: SeenStatements): Promise<number | null> {
    const known = fingerprint === null ? undefined : this.#known.get(fingerprint);
    if (known !== undefined) return known;
    const one = await text();
    const count = one === null ? null : await this.#counter.count(one);
    if (count !== null && fingerprint !== null) {
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      this.#known.set(fingerprint, count);
    }
    return count;
  }
}
