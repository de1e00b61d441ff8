/** What names mean while a query's lineage is read: the things in FROM, the queries of WITH, and the columns that each has. */
import type { Query } from './lineage.ts';
import { type Masked, NO_MASKS } from './mask-columns.ts';

export type Taint = ReadonlySet<Masked>;

/** A column of a result or of something in FROM. */
export interface BoundColumn {
  /** Null: any name may mean it. */
  readonly name: string | null;
  readonly taint: Taint;
  /** Set where it is a masked column as it is. */
  readonly plain: Masked | null;
  /** OID of its type, where it is a column as it is; else 0. */
  readonly type: number;
}

export interface Bound {
  readonly columns: readonly BoundColumn[];
  /** These are all columns, in their order. */
  readonly exact: boolean;
  readonly all: Taint;
}

export interface Item {
  readonly names: readonly string[];
  readonly bound: Bound;
  /** Its columns by name, and those of any name. */
  readonly byName: ReadonlyMap<string, Taint>;
  readonly open: Taint | null;
  /** The relation, where the catalogue does not know it. */
  readonly unknown: { readonly schema: string; readonly name: string } | null;
  /** It stands for another item, and is not part of `*`. */
  readonly shadow: boolean;
}

export interface Cte {
  readonly query: Query;
  readonly renamed: boolean;
  readonly scope: Scope;
  bound: Bound | null;
  /** What a recursive query is taken to give while it is being looked at. */
  assumed: Bound | null;
}

export interface Scope {
  readonly items: Item[];
  readonly ctes: Map<string, Cte>;
  readonly parent: Scope | null;
  /** `*` does not simply list the columns of the items in order. */
  merged: boolean;
}

export const EMPTY: Bound = { columns: [], exact: true, all: NO_MASKS };
/** Any name may mean a column of it, and none holds a masked value as far as is known. */
export const NOTHING_YET: Bound = {
  columns: [{ name: null, taint: NO_MASKS, plain: null, type: 0 }],
  exact: false,
  all: NO_MASKS,
};

export function item(
  names: readonly string[],
  bound: Bound,
  shadow = false,
  unknown: Item['unknown'] = null,
): Item {
  const byName = new Map<string, Taint>();
  let open: Taint | null = null;
  for (const { name, taint } of bound.columns) {
    if (name === null) open = union([open ?? NO_MASKS, taint]);
    else byName.set(name, union([byName.get(name) ?? NO_MASKS, taint]));
  }
  return { names, bound, byName, open, unknown, shadow };
}

export function column(name: string | null, taint: Taint): BoundColumn {
  return { name, taint, plain: null, type: 0 };
}

/** The same columns in the same order under names that are not followed. */
export function renamed(bound: Bound): Bound {
  return { ...bound, columns: bound.columns.map((each) => ({ ...each, name: null })) };
}

export function concat(bounds: readonly Bound[]): Bound {
  return {
    columns: bounds.flatMap(({ columns }) => columns),
    exact: bounds.every(({ exact }) => exact),
    all: union(bounds.map(({ all }) => all)),
  };
}

export function union(taints: readonly Taint[]): Taint {
  const some = taints.filter((taint) => taint.size > 0);
  if (some.length <= 1) return some[0] ?? NO_MASKS;
  return new Set(some.flatMap((taint) => [...taint]));
}

export function findCte(scope: Scope, name: string): Cte | null {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const found = at.ctes.get(name);
    if (found !== undefined) return found;
  }
  return null;
}

/** Names that NATURAL joins by; where a side may have any name, all of the others'. */
export function commonNames(sides: readonly Item[]): Set<string> {
  const counts = new Map<string, number>();
  let open = false;
  for (const { bound, unknown } of sides) {
    if (unknown !== null || bound.columns.some(({ name }) => name === null)) open = true;
    for (const name of new Set(bound.columns.map((each) => each.name))) {
      if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return new Set([...counts].filter(([, count]) => count > 1 || open).map(([name]) => name));
}

export function sameTaint(a: Bound, b: Bound): boolean {
  if (a.columns.length !== b.columns.length || a.exact !== b.exact) return false;
  return a.columns.every(({ taint }, i) => {
    const other = b.columns[i]?.taint ?? NO_MASKS;
    return taint.size === other.size && [...taint].every((masked) => other.has(masked));
  });
}
