/** From a query's parse tree to what flows where in it. */
import type { Expression, Output, Query, RelationName, Source, Write } from './lineage.ts';
import { expression, isAsItIs } from './lineage-expression.ts';
import { isTree, list, type Tree } from './tree.ts';

const NOTHING: Query = {
  ctes: [],
  recursive: false,
  sources: [],
  outputs: [],
  arms: [],
  decides: [],
  compares: false,
  target: null,
  writes: [],
  inserts: null,
};

const READERS: Readonly<Record<string, (body: Tree) => Query>> = {
  SelectStmt: select,
  InsertStmt: insert,
  UpdateStmt: update,
  DeleteStmt: remove,
  MergeStmt: merge,
};

/** The query in a wrapped node; null where it is none. */
export function readQuery(value: unknown): Query | null {
  if (!isTree(value)) return null;
  const [entry] = Object.entries(value);
  const reader = entry === undefined ? undefined : READERS[entry[0]];
  return entry === undefined || reader === undefined || !isTree(entry[1]) ? null : reader(entry[1]);
}

/** A query that gives out columns of one relation, as COPY of a table does. @param columns none for all */
export function tableQuery(relation: RelationName, columns: readonly string[]): Query {
  const paths = columns.length === 0 ? [['*']] : columns.map((column) => [column]);
  return {
    ...NOTHING,
    sources: [{ kind: 'relation', relation, alias: null, renamed: false, shadow: false }],
    outputs: paths.map((path) => output(path.at(-1) ?? null, path, carried(path))),
  };
}

/** A query that gives out one expression. */
export function expressionQuery(value: unknown): Query {
  return { ...NOTHING, outputs: [output(null, null, expression(value, select))] };
}

function select(body: Tree): Query {
  const arms = [body.larg, body.rarg].flatMap((arm) => (isTree(arm) ? [select(arm)] : []));
  const { sources, conditions } = from(body.fromClause);
  const distinct = list(body.distinctClause);
  const targets = list(body.targetList).map(target);
  const numbered = [body.sortClause, body.groupClause, body.distinctClause].some(hasNumber);
  return {
    ...NOTHING,
    ...ctes(body.withClause),
    sources,
    outputs: list(body.valuesLists).length > 0 ? values(list(body.valuesLists)) : targets,
    arms,
    decides: [
      ...conditions,
      ...decides(
        body.whereClause,
        body.groupClause,
        body.havingClause,
        body.windowClause,
        body.sortClause,
        body.limitOffset,
        body.limitCount,
        distinct.filter((item) => isTree(item) && Object.keys(item).length > 0),
      ),
    ],
    // Without ON, DISTINCT is a list of one empty node. Rows of a set operation are compared, but for UNION ALL.
    compares:
      numbered ||
      distinct.some((item) => isTree(item) && Object.keys(item).length === 0) ||
      (arms.length > 0 && (body.all !== true || body.op !== 'SETOP_UNION')),
  };
}

/** `ORDER BY 1`: the number is no value, but that of an output. A sign or cast makes it one; that is not told apart. */
function hasNumber(clause: unknown): boolean {
  return list(clause).some((item) => {
    if (!isTree(item)) return false;
    if (isTree(item.SortBy)) return hasNumber([item.SortBy.node]);
    if (isTree(item.GroupingSet)) return hasNumber(item.GroupingSet.content);
    if (isTree(item.List)) return hasNumber(item.List.items);
    return isTree(item.A_Const);
  });
}

function decides(...clauses: readonly unknown[]): Expression[] {
  return clauses.flatMap((clause) => {
    const read = expression(clause, select, 'probed');
    return read === null ? [] : [read];
  });
}

function carried(path: readonly string[]): Expression {
  return { references: [{ path, use: 'carried' }], queries: [] };
}

function output(name: string | null, path: readonly string[] | null, value: Expression | null): Output {
  return { name, path, spread: false, value };
}

function target(value: unknown): Output {
  const body = isTree(value) && isTree(value.ResTarget) ? value.ResTarget : {};
  const name = typeof body.name === 'string' ? body.name : null;
  const read = expression(body.val, select);
  const plain = isTree(body.val) && isTree(body.val.ColumnRef);
  const path = plain ? (read?.references[0]?.path ?? null) : null;
  if (isSpread(body.val)) return { name: null, path: null, spread: true, value: read };
  return output(name ?? (path?.at(-1) === '*' ? null : (path?.at(-1) ?? null)), path, read);
}

function isSpread(value: unknown): boolean {
  const inner = isTree(value) && isTree(value.A_Indirection) ? list(value.A_Indirection.indirection) : [];
  const last = inner.at(-1);
  return isTree(last) && isTree(last.A_Star);
}

/** VALUES: one output for each position, from all rows. */
function values(rows: readonly unknown[]): Output[] {
  const lists = rows.map((row) => (isTree(row) && isTree(row.List) ? list(row.List.items) : []));
  const width = Math.max(0, ...lists.map((items) => items.length));
  return Array.from({ length: width }, (_, i) => {
    const value = expression(
      lists.map((items) => items[i]),
      select,
    );
    return output(`column${i + 1}`, null, value);
  });
}

function ctes(value: unknown): Pick<Query, 'ctes' | 'recursive'> {
  if (!isTree(value)) return { ctes: [], recursive: false };
  const read = list(value.ctes).flatMap((item) => {
    const cte = isTree(item) ? item.CommonTableExpr : undefined;
    if (!isTree(cte)) return [];
    const query = readQuery(cte.ctequery) ?? NOTHING;
    const extra = [cte.search_clause, cte.cycle_clause].some((clause) => clause !== undefined);
    const renamed = list(cte.aliascolnames).length > 0 || extra;
    // SEARCH and CYCLE compare the columns that they name.
    return [{ name: String(cte.ctename), query: extra ? { ...query, compares: true } : query, renamed }];
  });
  return { ctes: read, recursive: value.recursive === true };
}

export function relationName(value: unknown): RelationName {
  const body = isTree(value) ? value : {};
  const schema = typeof body.schemaname === 'string' ? body.schemaname : null;
  return { schema, name: String(body.relname ?? '') };
}

function aliasOf(body: Tree): { readonly alias: string | null; readonly renamed: boolean } {
  if (!isTree(body.alias)) return { alias: null, renamed: false };
  return { alias: String(body.alias.aliasname), renamed: list(body.alias.colnames).length > 0 };
}

interface From {
  readonly sources: readonly Source[];
  readonly conditions: readonly Expression[];
}

function from(clause: unknown): From {
  const conditions: Expression[] = [];
  const sources = list(clause).flatMap((item) => source(item, conditions));
  return { sources, conditions };
}

function source(value: unknown, conditions: Expression[]): Source[] {
  const [entry] = isTree(value) ? Object.entries(value) : [];
  if (entry === undefined || !isTree(entry[1])) return [];
  const [type, body] = entry;
  if (type === 'RangeVar')
    return [{ kind: 'relation', relation: relationName(body), ...aliasOf(body), shadow: false }];
  if (type === 'RangeSubselect') {
    const query = readQuery(body.subquery) ?? NOTHING;
    return [{ kind: 'query', query, ...aliasOf(body) }];
  }
  if (type === 'RangeTableSample') {
    conditions.push(...decides(body.args, body.repeatable));
    return source(body.relation, conditions);
  }
  if (type === 'JoinExpr') {
    const sides = [...source(body.larg, conditions), ...source(body.rarg, conditions)];
    conditions.push(...decides(body.quals));
    const using = body.isNatural === true ? null : list(body.usingClause).map(nameOf);
    const merged = isTree(body.join_using_alias) ? String(body.join_using_alias.aliasname) : null;
    const { alias, renamed } = aliasOf(body);
    return [{ kind: 'join', sides, using, alias: alias ?? merged, renamed }];
  }
  // How many rows a function gives may depend on what it is given.
  return [{ kind: 'function', value: expression(body, select, 'probed'), alias: aliasOf(body).alias }];
}

function nameOf(value: unknown): string {
  return isTree(value) && isTree(value.String) ? String(value.String.sval ?? '') : '';
}

function returning(body: Tree): Output[] {
  return isTree(body.returningClause) ? list(body.returningClause.exprs).map(target) : [];
}

/** What stands for the rows of the target beside its own name. */
const AS_TARGET = ['excluded', 'old', 'new'];

function written(body: Tree): Pick<Query, 'target' | 'ctes' | 'recursive' | 'outputs'> & {
  readonly own: readonly Source[];
} {
  const relation = relationName(body.relation);
  const { alias, renamed } = isTree(body.relation) ? aliasOf(body.relation) : { alias: null, renamed: false };
  const names = isTree(body.returningClause) ? list(body.returningClause.options) : [];
  const others = names.flatMap((option) => {
    const read = isTree(option) && isTree(option.ReturningOption) ? option.ReturningOption.value : undefined;
    return typeof read === 'string' ? [read] : [];
  });
  return {
    ...ctes(body.withClause),
    target: relation,
    outputs: returning(body),
    own: [
      { kind: 'relation', relation, alias, renamed, shadow: false },
      ...[...AS_TARGET, ...others].map(
        (name): Source => ({ kind: 'relation', relation, alias: name, renamed: false, shadow: true }),
      ),
    ],
  };
}

/** What SET and its kin assign. */
function assignments(targets: unknown): Write[] {
  return list(targets).flatMap((item) => {
    const body = isTree(item) ? item.ResTarget : undefined;
    if (!isTree(body)) return [];
    const value = expression([body.val, body.indirection], select);
    if (value === null) return [];
    const column = typeof body.name === 'string' && body.indirection === undefined ? body.name : null;
    return [{ column, value, asItIs: isAsItIs(body.val) }];
  });
}

function insert(body: Tree): Query {
  const { own, ...common } = written(body);
  const conflict = isTree(body.onConflictClause) ? body.onConflictClause : {};
  const infer = isTree(conflict.infer) ? conflict.infer : {};
  return {
    ...NOTHING,
    ...common,
    sources: own,
    decides: decides(
      arbiters(infer.indexElems),
      // Which columns a constraint is about is not known.
      typeof infer.conname === 'string' ? { ColumnRef: { fields: [{ A_Star: {} }] } } : undefined,
      infer.whereClause,
      conflict.whereClause,
    ),
    writes: assignments(conflict.targetList),
    inserts: readQuery(body.selectStmt),
  };
}

/** The columns of ON CONFLICT: which rows conflict tells of their values. */
function arbiters(elements: unknown): unknown[] {
  return list(elements).map((item) => {
    const element = isTree(item) && isTree(item.IndexElem) ? item.IndexElem : {};
    if (typeof element.name !== 'string') return element.expr;
    return { ColumnRef: { fields: [{ String: { sval: element.name } }] } };
  });
}

function update(body: Tree): Query {
  const { own, ...common } = written(body);
  const { sources, conditions } = from(body.fromClause);
  return {
    ...NOTHING,
    ...common,
    sources: [...own, ...sources],
    decides: [...conditions, ...decides(body.whereClause)],
    writes: assignments(body.targetList),
  };
}

function remove(body: Tree): Query {
  const { own, ...common } = written(body);
  const { sources, conditions } = from(body.usingClause);
  return {
    ...NOTHING,
    ...common,
    sources: [...own, ...sources],
    decides: [...conditions, ...decides(body.whereClause)],
  };
}

function merge(body: Tree): Query {
  const { own, ...common } = written(body);
  const conditions: Expression[] = [];
  const sources = source(body.sourceRelation, conditions);
  const clauses = list(body.mergeWhenClauses).flatMap((item) =>
    isTree(item) && isTree(item.MergeWhenClause) ? [item.MergeWhenClause] : [],
  );
  const inserted = clauses.flatMap((clause) =>
    list(clause.values).flatMap((item): Write[] => {
      const value = expression(item, select);
      return value === null ? [] : [{ column: null, value, asItIs: false }];
    }),
  );
  return {
    ...NOTHING,
    ...common,
    // RETURNING * of MERGE begins with the source.
    sources: [...own, ...sources],
    decides: [
      ...conditions,
      ...decides(
        body.joinCondition,
        clauses.map((clause) => clause.condition),
      ),
    ],
    writes: [...clauses.flatMap((clause) => assignments(clause.targetList)), ...inserted],
  };
}
