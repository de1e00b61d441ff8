/** Masks of one session: whether a statement may run under them, and what happens to its results. */
import type { MaskRuleView } from '../../core/views.ts';
import type { MaskPlan } from '../../masking/rules.ts';
import { MaskPlans } from '../mask-plans.ts';
import type { Classified } from './classified.ts';
import type { CopyFormat, Lineage } from './lineage.ts';
import { MaskBinder } from './mask-bind.ts';
import { type CellMask, columnCell, contentCell } from './mask-cells.ts';
import { ColumnMasks, type Masked, NO_MASKS } from './mask-columns.ts';
import type { Origins } from './mask-origins.ts';
import type { Shape } from './mask-rows.ts';
import type { Bound } from './mask-scope.ts';
import { alternatives, type RelationCatalog, resolve, type SearchPath } from './names.ts';
import type { Known } from './statements.ts';

/** What happens to the rows of one statement of a text. */
export interface ResultMask {
  /** Null: it gives no rows. */
  readonly bound: Bound | null;
  /** It gives no rows by its text: where the database has a rule that gives some all the same, nothing of them is shown. */
  readonly silent: boolean;
  /** Of COPY ... TO; null where it is none, or its rows need no masks. */
  readonly copy: CopyFormat | null;
}

/** What masks ask of one statement string. */
export interface StatementMask {
  readonly masks: ColumnMasks;
  readonly catalog: RelationCatalog;
  /** One for each statement of the string. */
  readonly results: readonly ResultMask[];
  /** Rows may have to be rewritten. */
  readonly rewrites: boolean;
  /** Rows that may have to be rewritten are expected, so their description is needed. */
  readonly describes: boolean;
  /** Its errors and notices may quote masked values. */
  readonly sensitive: boolean;
}

export interface MaskRefusal {
  readonly reason: string;
  readonly hint: string;
}

const NONE: ResultMask = { bound: null, silent: true, copy: null };
/** Columns of which nothing is known beforehand, and none of which holds a masked value. */
const CLEAN: Bound = { columns: [], exact: false, all: new Set() };

/** The masks under which a session's statements stand. */
export class SessionMasks {
  readonly #key: Uint8Array;
  readonly #plans: MaskPlans;
  #columns: {
    readonly masks: ColumnMasks;
    readonly catalog: RelationCatalog;
    readonly origins: Origins;
  } | null = null;

  /** @param key the installation's mask key */
  constructor(key: Uint8Array) {
    this.#key = key;
    this.#plans = new MaskPlans(key);
  }

  /** The plan for statements under a grant; null where no rule applies. @param rules as `Directory.masksOf` gives them */
  plan(rules: readonly MaskRuleView[], grantId: string): MaskPlan | null {
    return this.#plans.plan(rules, grantId);
  }

  /**
   * What the masks make of a statement; null where nothing of it can need one.
   *
   * @param inner what EXECUTE or FETCH in it run, in order
   */
  check(
    plan: MaskPlan,
    known: Known,
    inner: readonly Known[],
    path: SearchPath,
    catalog: RelationCatalog,
    origins: Origins,
  ): StatementMask | MaskRefusal | null {
    const masks = this.#masks(plan, catalog, origins);
    if (known.lineage.length !== known.classified.statements) return UNSEEN;
    const results: ResultMask[] = [];
    let touched = false;
    let next = 0;
    try {
      const several = severalMeanings([known, ...inner], masks, path, catalog);
      if (several !== null) return several;
      const shadowed = shadows([known, ...inner], path, catalog);
      for (const lineage of known.lineage) {
        const runs = lineage.runs ? (inner[next++]?.lineage[0] ?? null) : lineage;
        const result = this.#statement(masks, lineage, runs, path, catalog, shadowed);
        if ('reason' in result) return result;
        touched ||= result.touched;
        results.push(result.mask);
      }
    } catch (error) {
      if (error instanceof RangeError) return TOO_DEEP;
      throw error;
    }
    const all = [known.classified, ...inner.map((each) => each.classified)];
    if (plan.columns) {
      const refusal = all
        .map((each) => changesMasked(each, masks, path, catalog))
        .find((each) => each !== null);
      if (refusal !== undefined && known.lineage.some(({ to }) => to === 'define')) return refusal;
    }
    const content = plan.content.length > 0;
    const rows = results.filter(({ bound }) => bound !== null && (content || bound.all.size > 0));
    const rewrites = rows.length > 0;
    const describes = rows.some(({ silent }) => !silent);
    const sensitive = plan.columns && (touched || all.some(runsOtherCode));
    if (!rewrites && !sensitive && !content) return null;
    return { masks, catalog, results, rewrites, describes, sensitive };
  }

  #masks(plan: MaskPlan, catalog: RelationCatalog, origins: Origins): ColumnMasks {
    const known = this.#columns;
    if (known?.masks.plan === plan && known.catalog === catalog && known.origins === origins)
      return known.masks;
    const masks = new ColumnMasks(plan, catalog, origins, this.#key);
    this.#columns = { masks, catalog, origins };
    return masks;
  }

  #statement(
    masks: ColumnMasks,
    lineage: Lineage,
    runs: Lineage | null,
    path: SearchPath,
    catalog: RelationCatalog,
    shadowed: boolean,
  ): { readonly mask: ResultMask; readonly touched: boolean } | MaskRefusal {
    if (runs === null || (lineage.runs && runs.query === null)) {
      // What EXECUTE names is not known yet; when it runs it is, and examined again.
      if (lineage.to === 'stored') return UNSEEN;
      return { mask: { bound: unseen(masks), silent: false, copy: null }, touched: true };
    }
    if (runs.query === null) return { mask: NONE, touched: lineage.to === 'define' };
    const binder = new MaskBinder(masks, path, catalog);
    const bound = binder.bind(runs.query);
    if (lineage.to === 'stored') binder.store(bound);
    if (shadowed) binder.hand([...binder.computed, ...binder.probed]);
    if (lineage.measured) binder.probe(binder.computed);
    const refusal = refusalOf(binder);
    if (refusal !== null) return refusal;
    const { touched } = binder;
    switch (lineage.to) {
      case 'client':
        if (runs.query.target === null || runs.query.outputs.length > 0) {
          return { mask: { bound, silent: false, copy: null }, touched };
        }
        return { mask: masks.plan.columns ? { ...NONE, bound: unseen(masks) } : NONE, touched };
      case 'plan':
        return { mask: { bound: CLEAN, silent: false, copy: null }, touched };
      case 'copy':
        return copyMask(
          masks,
          lineage,
          lineage.wholeTable ? binder.withoutGenerated(bound, runs.query) : bound,
          touched,
        );
      default:
        return { mask: NONE, touched };
    }
  }
}

/**
 * Whether a name without a schema may mean another function, operator or type than PostgreSQL's own, so that it is not known what becomes of
 * a value in it.
 */
function shadows(all: readonly Known[], path: SearchPath, catalog: RelationCatalog): boolean {
  if (path.indexOf('pg_catalog') > 0) return true;
  const others = (name: string): boolean =>
    catalog.functionSchemas(name).some((schema) => schema !== 'pg_catalog' && path.includes(schema));
  return all.some(({ classified }) => classified.calls.some(others));
}

/** A name that may come to mean another relation, which has masked columns. */
function severalMeanings(
  all: readonly Known[],
  masks: ColumnMasks,
  path: SearchPath,
  catalog: RelationCatalog,
): MaskRefusal | null {
  if (!masks.plan.columns) return null;
  for (const access of all.flatMap(({ classified }) => classified.accesses)) {
    const found = resolve(access, path, catalog);
    if (found === 'unsure') continue;
    for (const { schema, name } of alternatives(access, found, path, catalog)) {
      const other = catalog.relation(schema ?? '', name);
      if (other === undefined || !masks.of(other).touches) continue;
      return {
        reason: `${name} may mean ${schema}.${name}, which has masked columns`,
        hint: 'Write the name with its schema.',
      };
    }
  }
  return null;
}

/** What COPY sends says neither whose columns nor which types they are, so all of that must be known beforehand. */
function copyMask(
  masks: ColumnMasks,
  lineage: Lineage,
  bound: Bound,
  touched: boolean,
): { readonly mask: ResultMask; readonly touched: boolean } | MaskRefusal {
  if (bound.all.size === 0 && masks.plan.content.length === 0) return { mask: NONE, touched };
  if (lineage.copy === null) {
    return {
      reason: 'COPY with these options cannot be masked',
      hint: 'Use the options FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE and FORCE_QUOTE only.',
    };
  }
  if (!bound.exact) {
    return {
      reason: 'which columns this COPY gives out cannot be seen, and masks apply to it',
      hint: 'Write the columns instead of *, and give tables of WITH and FROM no new column names.',
    };
  }
  return { mask: { bound, silent: false, copy: lineage.copy }, touched };
}

/** Columns of which nothing is known, so that nothing of them is shown. */
function unseen(masks: ColumnMasks): Bound {
  return { columns: [], exact: false, all: new Set([masks.unseen]) };
}

const UNSEEN: MaskRefusal = {
  reason: 'what the statement reads cannot be seen, and masks apply to it',
  hint: 'Send the statement itself.',
};
const TOO_DEEP: MaskRefusal = {
  reason: 'the statement is nested too deeply for its masks to be found',
  hint: 'Split it.',
};

function refusalOf(binder: MaskBinder): MaskRefusal | null {
  const [stored] = binder.stored;
  if (stored !== undefined) {
    return {
      reason: `${nameOf(stored)} is masked, and the statement would write its values somewhere else`,
      hint: 'Ask an administrator of the database to do this, or for a grant without the mask.',
    };
  }
  const [handed] = binder.handed;
  if (handed !== undefined) {
    return {
      reason: `${nameOf(handed)} is masked, and the statement would hand its values to a function that may keep them`,
      hint: 'Select the column as it is.',
    };
  }
  const probed = [...binder.probed].find(({ mask }) => mask.probes === 'deny');
  if (probed === undefined) return null;
  return {
    reason: `${nameOf(probed)} is masked, and the statement would compare, sort or compute with its values`,
    hint: 'Use it in the list of results only: as it is, or in functions and casts to text that cannot fail.',
  };
}

function nameOf({ column }: Masked): string {
  return column === '?' ? 'what this reads' : `column ${column}`;
}

/** A definition that names a relation with masked columns could give them another name, or keep their values. */
function changesMasked(
  { accesses }: Classified,
  masks: ColumnMasks,
  path: SearchPath,
  catalog: RelationCatalog,
): MaskRefusal | null {
  for (const access of accesses) {
    if (access.verb === 'create') continue;
    if (access.kind === 'schema' && access.verb === 'alter') {
      return {
        reason: 'masks are bound to names, and the statement would change that of a schema',
        hint: HINT,
      };
    }
    if (access.kind !== 'relation') continue;
    const found = resolve(access, path, catalog);
    const relation = found === 'unsure' ? undefined : catalog.relation(found.schema ?? '', found.name);
    if (relation === undefined || masks.of(relation).all.size === 0) continue;
    return {
      reason: `${relation.schema}.${relation.name} has masked columns, and the statement would change or use its definition`,
      hint: HINT,
    };
  }
  return null;
}

const HINT = 'Ask an administrator of the database to do this.';

/** Functions that were granted, and triggers on what is written, may read anything and say it in an error. */
function runsOtherCode({ accesses }: Classified): boolean {
  return accesses.some(
    ({ kind, verb }) =>
      kind === 'function' || (kind === 'relation' && verb !== 'select' && verb !== 'copy' && verb !== 'lock'),
  );
}

/** What happens to each column of a result that the server has described. @param settled the rows are surely of these columns */
export function cellsOf(
  mask: StatementMask,
  { bound }: ResultMask,
  shape: Shape,
  settled: boolean,
): (CellMask | null)[] {
  const { masks, catalog } = mask;
  const known = bound ?? CLEAN;
  const aligned = known.exact && known.columns.length === shape.length;
  const [any] = known.all;
  return shape.map(({ name, table, number, type, binary }, i) => {
    if (table === 0 || !settled) {
      const [first] = aligned ? (known.columns[i]?.taint ?? []) : any === undefined ? [] : [any];
      if (first !== undefined) return columnCell(masks.whole(first), type, binary);
      if (table === 0) return contentCell(name, masks.plan.content, type, binary);
    }
    const relation = catalog.relationByOid(table);
    if (masks.plan.columns) {
      const masked = originMask(masks, relation, number);
      if (masked !== null) return columnCell(masked, type, binary);
      // Whatever the server says it is: by the statement's text it is, or comes from, a masked column.
      const { plain = null, taint = NO_MASKS } = (aligned ? known.columns[i] : undefined) ?? {};
      const [first] = taint;
      if (plain !== null || first !== undefined)
        return columnCell(plain ?? masks.whole(first as Masked), type, binary);
    }
    const column = relation?.columns.find((each) => each.number === number)?.name ?? name;
    const label = relation === undefined ? name : `${relation.schema}.${relation.name}.${column}`;
    return contentCell(label, masks.plan.content, type, binary);
  });
}

function originMask(
  masks: ColumnMasks,
  relation: ReturnType<RelationCatalog['relationByOid']>,
  number: number,
): Masked | null {
  // A relation or a column that has come since the names were read: which one it is, is not known.
  if (relation === undefined) return masks.unseen;
  if (number < 0) return null;
  const { byNumber, all } = masks.of(relation);
  if (number === 0) {
    const [first] = all;
    return first === undefined ? null : masks.whole(first);
  }
  if (!relation.columns.some((each) => each.number === number)) return masks.unseen;
  return byNumber.get(number) ?? null;
}

/** What happens to each column of a COPY. @param columns how many the server says there are; null where that is not what was seen */
export function copyCells(
  mask: StatementMask,
  { bound }: ResultMask,
  columns: number,
  binary: boolean,
): (CellMask | null)[] | null {
  if (bound === null || bound.columns.length !== columns) return null;
  return bound.columns.map(({ name, taint, plain, type }) => {
    const [first] = taint;
    if (plain !== null) return columnCell(plain, type, binary);
    if (first !== undefined) return columnCell(mask.masks.whole(first), type, binary);
    return contentCell(name ?? '?', mask.masks.plan.content, type, binary);
  });
}
