/**
 * A statement's lineage read against the names of a database: which masked columns each of its outputs may hold. It never finds less than
 * there is: where a name may mean several things, it means all of them.
 */
import { SYSTEM_COLUMNS } from './columns.ts';
import type { Expression, Output, Query, RelationName, Source, Use } from './lineage.ts';
import { type ColumnMasks, type Masked, NO_MASKS } from './mask-columns.ts';
import {
  type Bound,
  type BoundColumn,
  type Cte,
  column,
  commonNames,
  concat,
  EMPTY,
  findCte,
  type Item,
  item,
  NOTHING_YET,
  renamed,
  type Scope,
  sameTaint,
  type Taint,
  union,
} from './mask-scope.ts';
import { type RelationCatalog, resolve, type SearchPath } from './names.ts';

/** Queries looked at for one statement. A query in a query that reads itself is looked at several times. */
const MAX_QUERIES = 20_000;

export class MaskBinder {
  /** Masked columns whose values decide something. */
  readonly probed = new Set<Masked>();
  /** Masked columns whose values go into a function that may keep them. */
  readonly handed = new Set<Masked>();
  /** Masked columns from which something is computed. */
  readonly computed = new Set<Masked>();
  /** Masked columns whose values would be stored somewhere else. */
  readonly stored = new Set<Masked>();
  /** Some relation in it has a masked column, or is not known. */
  touched = false;
  #queries = 0;
  readonly #masks: ColumnMasks;
  readonly #path: SearchPath;
  readonly #catalog: RelationCatalog;

  constructor(masks: ColumnMasks, path: SearchPath, catalog: RelationCatalog) {
    this.#masks = masks;
    this.#path = path;
    this.#catalog = catalog;
  }

  /** @throws RangeError for a statement that is nested too deeply to be followed */
  bind(query: Query): Bound {
    return this.#query(query, null);
  }

  /** The outputs of a query of all columns of one table, as COPY of the table gives them. */
  withoutGenerated(bound: Bound, query: Query): Bound {
    const [source] = query.sources;
    const relation = source?.kind === 'relation' ? this.#find(source.relation).relation : undefined;
    if (relation === undefined) return bound;
    const left = this.#masks.generated(relation);
    const columns = bound.columns.filter(({ name }) => name === null || !left.has(name));
    return { ...bound, columns };
  }

  /** Values of these columns go into functions that are not known. */
  hand(columns: Iterable<Masked>): void {
    for (const masked of columns) this.handed.add(masked);
  }

  /** Something is told that depends on values of these columns. */
  probe(columns: Iterable<Masked>): void {
    for (const masked of columns) this.probed.add(masked);
  }

  /** The values of its outputs are stored. */
  store(bound: Bound): void {
    for (const masked of bound.all) this.stored.add(masked);
  }

  #query(query: Query, parent: Scope | null): Bound {
    this.#queries += 1;
    if (this.#queries > MAX_QUERIES) throw new RangeError('too many queries in one');
    const scope: Scope = { items: [], ctes: new Map(), parent, merged: query.target !== null };
    this.#ctes(query, scope);
    for (const source of query.sources) this.#source(source, scope, scope.items);
    const bound = query.arms.length > 0 ? this.#arms(query, scope) : this.#outputs(query.outputs, scope);
    for (const expression of query.decides) this.#decides(expression, scope, bound);
    if (query.compares) for (const masked of bound.all) this.probed.add(masked);
    this.#writes(query, scope);
    // Writing queries of WITH run whether they are read or not.
    for (const cte of scope.ctes.values()) this.#cte(cte);
    return bound;
  }

  #ctes(query: Query, scope: Scope): void {
    for (const { name, query: inner, renamed } of query.ctes) {
      // Without RECURSIVE a query sees those before it only: another one of that name is a relation.
      const seen = query.recursive ? scope.ctes : new Map(scope.ctes);
      const at: Scope = { items: [], ctes: seen, parent: scope.parent, merged: false };
      scope.ctes.set(name, { query: inner, renamed, scope: at, bound: null, assumed: null });
    }
  }

  #cte(cte: Cte): Bound {
    if (cte.bound !== null) return cte.bound;
    if (cte.assumed !== null) return cte.assumed;
    // A query that reads itself: from nothing on, until looking again finds no more. What is found only grows.
    cte.assumed = NOTHING_YET;
    let found = this.#cteOnce(cte);
    while (!sameTaint(found, cte.assumed)) {
      cte.assumed = found;
      found = this.#cteOnce(cte);
    }
    cte.bound = found;
    return found;
  }

  #cteOnce(cte: Cte): Bound {
    const bound = this.#query(cte.query, cte.scope);
    return cte.renamed ? renamed(bound) : bound;
  }

  #source(source: Source, scope: Scope, into: Item[]): void {
    switch (source.kind) {
      case 'relation': {
        const { relation, alias } = source;
        const cte = relation.schema === null ? findCte(scope, relation.name) : null;
        const names = [alias ?? relation.name];
        const found = cte === null ? this.#relation(relation) : { bound: this.#cte(cte), unknown: null };
        const bound = source.renamed ? renamed(found.bound) : found.bound;
        into.push(item(names, bound, source.shadow, found.unknown));
        return;
      }
      case 'query': {
        const bound = this.#query(source.query, scope);
        const names = source.alias === null ? [] : [source.alias];
        into.push(item(names, source.renamed ? renamed(bound) : bound));
        return;
      }
      case 'function': {
        const all = this.#expression(source.value, scope);
        const bound: Bound = { columns: [column(null, all)], exact: false, all };
        const names = source.alias === null ? [] : [source.alias];
        into.push(item(names, bound));
        return;
      }
      case 'join':
        this.#join(source, scope, into);
    }
  }

  #join(join: Extract<Source, { kind: 'join' }>, scope: Scope, into: Item[]): void {
    const before = into.length;
    for (const side of join.sides) this.#source(side, scope, into);
    const sides = into.slice(before);
    for (const name of join.using ?? commonNames(sides)) {
      for (const item of sides) for (const masked of this.#named(item, name).taint) this.probed.add(masked);
    }
    if (join.using === null || join.using.length > 0) scope.merged = true;
    if (join.alias === null) return;
    const bound = concat(sides.map((item) => item.bound));
    into.push(item([join.alias], { ...(join.renamed ? renamed(bound) : bound), exact: false }, true));
    scope.merged = true;
  }

  #find({ schema, name }: RelationName) {
    const found = resolve({ verb: 'select', kind: 'relation', schema, name }, this.#path, this.#catalog);
    const at = found === 'unsure' ? { schema: '', name } : { schema: found.schema ?? '', name: found.name };
    return { at, relation: this.#catalog.relation(at.schema, at.name) };
  }

  #relation(name: RelationName): Pick<Item, 'bound' | 'unknown'> {
    const { at, relation } = this.#find(name);
    if (relation === undefined) {
      // What a session keeps in temporary tables was let through to it before.
      const own = at.schema === 'pg_temp';
      if (!own) this.touched = true;
      const all: Taint = own ? NO_MASKS : new Set([this.#masks.unseen]);
      // Large values live in a schema that the catalogue leaves out.
      const columns = at.schema.startsWith('pg_toast') ? [column(null, all)] : [];
      return { bound: { columns, exact: false, all }, unknown: at };
    }
    const masks = this.#masks.of(relation);
    if (masks.touches) this.touched = true;
    const columns = relation.columns.map(({ number, name: each, type }) => {
      const masked = masks.byNumber.get(number) ?? null;
      return { name: each, taint: masked === null ? NO_MASKS : new Set([masked]), plain: masked, type };
    });
    return { bound: { columns, exact: true, all: masks.all }, unknown: null };
  }

  #arms(query: Query, scope: Scope): Bound {
    const arms = query.arms.map((arm) => this.#query(arm, scope));
    const [first, second] = arms;
    if (first === undefined || second === undefined) return EMPTY;
    const all = union(arms.map((arm) => arm.all));
    if (!first.exact || !second.exact || first.columns.length !== second.columns.length) {
      return { columns: [column(null, all)], exact: false, all };
    }
    const columns = first.columns.map((each, i) =>
      column(each.name, union([each.taint, second.columns[i]?.taint ?? NO_MASKS])),
    );
    return { columns, exact: true, all };
  }

  #outputs(outputs: readonly Output[], scope: Scope): Bound {
    const columns: BoundColumn[] = [];
    let exact = true;
    for (const output of outputs) {
      if (output.path?.at(-1) === '*') {
        const items = this.#starItems(output.path, scope);
        if (scope.merged || items.length === 0 || items.some((item) => !item.bound.exact)) exact = false;
        const taint = this.#expression(output.value, scope);
        for (const item of items) columns.push(...item.bound.columns);
        // Columns that are not known may have any name.
        if (!exact && taint.size > 0) columns.push(column(null, taint));
        continue;
      }
      const taint = this.#expression(output.value, scope);
      if (output.spread) {
        exact = false;
        columns.push(column(null, taint));
        continue;
      }
      if (output.path === null) for (const masked of taint) this.computed.add(masked);
      const own = output.path === null ? undefined : this.#plainColumn(output.path, scope);
      columns.push({
        name: output.name,
        taint,
        plain: taint.size === 1 && own?.plain !== null && own !== undefined ? own.plain : null,
        type: own?.type ?? 0,
      });
    }
    return { columns, exact, all: union(columns.map(({ taint }) => taint)) };
  }

  #starItems(path: readonly string[], scope: Scope): Item[] {
    if (path.length === 1) return scope.items.filter((item) => !item.shadow);
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      const items = at.items.filter((item) => item.names.includes(path.at(-2) ?? ''));
      if (items.length > 0) return items;
    }
    return [];
  }

  /** The one column that a name means; undefined where it may be several. */
  #plainColumn(path: readonly string[], scope: Scope): BoundColumn | undefined {
    const name = path.at(-1);
    const items =
      path.length === 1
        ? scope.items.filter((item) => !item.shadow)
        : this.#starItems([...path.slice(0, -1), '*'], scope);
    const found = items.flatMap((item) => item.bound.columns.filter((each) => each.name === name));
    return found.length === 1 ? found[0] : undefined;
  }

  #decides(expression: Expression, scope: Scope, bound: Bound): void {
    this.#expression(expression, scope);
    // ORDER BY and GROUP BY know the names of outputs too.
    for (const { path } of expression.references) {
      if (path.length > 1) continue;
      for (const each of bound.columns) {
        if (each.name !== path[0]) continue;
        for (const masked of each.taint) this.probed.add(masked);
      }
    }
  }

  #writes(query: Query, scope: Scope): void {
    const { target } = query;
    const own = target === null ? [] : (scope.items[0]?.bound.columns ?? []);
    for (const { column: name, value, asItIs } of query.writes) {
      // A masked column may be written to itself, where it is masked again: but as it is, since of a part of it another part would be shown.
      const itself = name === null || !asItIs ? undefined : own.find((each) => each.name === name)?.plain;
      for (const masked of this.#expression(value, scope)) if (masked !== itself) this.stored.add(masked);
    }
    if (query.inserts !== null) this.store(this.#query(query.inserts, { ...scope, items: [] }));
  }

  #expression(expression: Expression | null, scope: Scope): Taint {
    if (expression === null) return NO_MASKS;
    const all: Taint[] = [];
    for (const { path, use } of expression.references) {
      const taint = this.#reference(path, scope);
      this.#use(taint.taint, taint.handed ? 'handed' : use);
      all.push(taint.taint);
    }
    for (const { query, use } of expression.queries) {
      const { all: taint } = this.#query(query, scope);
      this.#use(taint, use);
      all.push(taint);
    }
    return union(all);
  }

  #use(taint: Taint, use: Use): void {
    if (use === 'carried') return;
    const into = use === 'handed' ? this.handed : this.probed;
    for (const masked of taint) if (use !== 'joined' || masked.shaped) into.add(masked);
  }

  #reference(path: readonly string[], scope: Scope): { readonly taint: Taint; readonly handed: boolean } {
    const last = path.at(-1) ?? '';
    const qualifier = path.length > 1 ? (path.at(-2) ?? '') : null;
    const all: Taint[] = [];
    let handed = false;
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      for (const item of at.items) {
        if (qualifier === null) {
          if (last === '*' || item.names.includes(last)) all.push(item.bound.all);
          if (last !== '*') all.push(this.#named(item, last).taint);
          continue;
        }
        if (item.names.includes(qualifier)) {
          if (last === '*') all.push(item.bound.all);
          else {
            const named = this.#named(item, last);
            all.push(named.taint);
            if (!named.found && !SYSTEM_COLUMNS.has(last)) {
              // `c.total` may be `total(c)`.
              all.push(item.bound.all);
              if (this.#catalog.attributeSchemas(last).length > 0) handed = true;
            }
          }
        }
        if (item.names.includes(last)) all.push(item.bound.all);
      }
      if (last === '*' && qualifier === null) break;
    }
    return { taint: union(all), handed };
  }

  #named(item: Item, name: string): { readonly taint: Taint; readonly found: boolean } {
    const own = item.byName.get(name);
    const found = own !== undefined || item.open !== null;
    const taint = union([own ?? NO_MASKS, item.open ?? NO_MASKS]);
    if (item.unknown === null) return { taint, found };
    const masked = this.#masks.named(item.unknown.schema, item.unknown.name, name);
    return { taint: masked === null ? taint : union([taint, new Set([masked])]), found: true };
  }
}
