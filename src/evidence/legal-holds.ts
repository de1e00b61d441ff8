import type { Ref } from '../core/record.ts';

/** Texts were destroyed although a legal hold was on them. */
export interface HoldBreach {
  readonly leaf: number;
  /** Id of the record of the erasure. */
  readonly erasure: string;
  readonly hold: string;
}

/** Stands for the texts of all principals. */
const EVERYTHING = '';

/** The legal holds that are active as of the last leaf taken, by what they are on. */
export class ActiveHolds {
  readonly #on = new Map<string, Set<string>>();

  /** Takes what a hold was changed to. */
  take(id: string, after: Readonly<Record<string, unknown>>): void {
    const principal = (after.principal as Partial<Ref> | null | undefined)?.id ?? EVERYTHING;
    const holds = this.#on.get(principal) ?? new Set();
    if (after.status === 'active') holds.add(id);
    else holds.delete(id);
    this.#on.set(principal, holds);
  }

  /** A hold that is on the texts of a principal, or on everything. */
  on(principal: Ref | null): string | undefined {
    const own = principal === null ? undefined : first(this.#on.get(principal.id));
    return own ?? first(this.#on.get(EVERYTHING));
  }
}

function first(ids: ReadonlySet<string> | undefined): string | undefined {
  return ids?.values().next().value;
}
