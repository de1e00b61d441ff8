/** SELECT, WITH and what can stand in FROM. */
import { type Collector, type Handler, NOTHING_VISIBLE, rangeName, type Visible } from './collector.ts';
import { Frame } from './column-uses.ts';
import { isHarmlessSampling } from './functions.ts';
import {
  type DottedName,
  dotted,
  isTree,
  list,
  nameParts,
  type Tree,
  text,
  tree,
  unknown,
  unwrap,
} from './tree.ts';

/** Something in FROM, for FOR UPDATE OF: the name it goes by and the relations that would be locked. */
interface FromItem {
  readonly name: string | null;
  readonly relations: readonly DottedName[];
  /** Those that are named in this FROM itself, whose columns it brings in. */
  readonly own: readonly DottedName[];
}

/** The queries of a WITH clause, and the names that the rest of the statement sees. */
function withClause(collector: Collector, value: unknown, outer: Visible): Visible {
  if (value === undefined) return outer;
  const body = tree(value, 'a WITH clause');
  collector.closed(body, 'a WITH clause', ['ctes', 'recursive', 'location']);
  const ctes = list(body.ctes).map((item) => {
    const node = unwrap(item);
    return node?.type === 'CommonTableExpr' ? node.body : unknown('this WITH clause');
  });
  const seen = new Set(outer.ctes);
  const visible: Visible = { ctes: seen, frame: outer.frame };
  // With RECURSIVE every query sees all names, its own and later ones included; without it only those before it.
  if (body.recursive === true) for (const cte of ctes) seen.add(text(cte.ctename, 'an empty name'));
  for (const cte of ctes) {
    collector.closed(cte, 'a WITH query', [
      'ctename',
      'aliascolnames',
      'ctematerialized',
      'ctequery',
      'search_clause',
      'cycle_clause',
      'location',
    ]);
    collector.walk(cte.ctequery, visible);
    collector.walkAs('CTESearchClause', cte.search_clause, visible);
    collector.walkAs('CTECycleClause', cte.cycle_clause, visible);
    seen.add(text(cte.ctename, 'an empty name'));
  }
  return visible;
}

/** What the clauses of a query see: its own FROM items before those around it. */
export function within(
  collector: Collector,
  body: Tree,
  outer: Visible,
): Visible & { readonly frame: Frame } {
  return { ctes: withClause(collector, body.withClause, outer).ctes, frame: new Frame(outer.frame) };
}

const SELECT_FIELDS = [
  'distinctClause',
  'intoClause',
  'targetList',
  'fromClause',
  'whereClause',
  'groupClause',
  'groupDistinct',
  'havingClause',
  'windowClause',
  'valuesLists',
  'sortClause',
  'limitOffset',
  'limitCount',
  'limitOption',
  'lockingClause',
  'withClause',
  'op',
  'all',
  'larg',
  'rarg',
];

/** @returns the relations in its FROM, at any depth of subqueries there. */
function select(collector: Collector, body: Tree, outer: Visible): DottedName[] {
  collector.closed(body, 'SELECT', SELECT_FIELDS);
  const visible = within(collector, body, outer);
  if (body.intoClause !== undefined) into(collector, body.intoClause);
  const items = list(body.fromClause).flatMap((item) => fromItem(collector, item, visible));
  for (const field of [
    'distinctClause',
    'targetList',
    'whereClause',
    'groupClause',
    'havingClause',
    'windowClause',
    'valuesLists',
    'sortClause',
    'limitOffset',
    'limitCount',
  ]) {
    collector.walk(body[field], visible);
  }
  for (const clause of list(body.lockingClause)) locking(collector, clause, items);
  const arms = [body.larg, body.rarg].flatMap((arm) =>
    arm === undefined
      ? []
      : select(collector, tree(arm, 'a set operation'), { ctes: visible.ctes, frame: outer.frame }),
  );
  return [...items.flatMap((item) => item.relations), ...arms];
}

/** FOR UPDATE and its kin need `update`, as in PostgreSQL. Without OF they lock all that is in FROM. */
function locking(collector: Collector, value: unknown, items: readonly FromItem[]): void {
  const node = unwrap(value);
  if (node?.type !== 'LockingClause') unknown('this locking clause');
  collector.closed(node.body, 'a locking clause', ['lockedRels', 'strength', 'waitPolicy']);
  const names = list(node.body.lockedRels).map((each) => {
    const rel = unwrap(each);
    return rel?.type === 'RangeVar' ? rangeName(rel.body).name : unknown('this locking clause');
  });
  for (const item of items) {
    if (names.length > 0 && item.name !== null && !names.includes(item.name)) continue;
    for (const relation of item.relations) collector.addPart('update', relation);
  }
}

/** The target of SELECT INTO, CREATE TABLE AS and CREATE MATERIALIZED VIEW. */
export function into(collector: Collector, value: unknown): void {
  const body = tree(value, 'INTO');
  collector.closed(body, 'INTO', [
    'rel',
    'colNames',
    'accessMethod',
    'options',
    'onCommit',
    'tableSpaceName',
    'skipData',
  ]);
  collector.creates(body.rel);
  collector.walk(body.options, NOTHING_VISIBLE);
}

export type FromVisible = Visible & { readonly frame: Frame };

export function aliasOf(body: Tree): string | null {
  return isTree(body.alias) ? text(body.alias.aliasname, 'an empty name') : null;
}

export function fromItem(collector: Collector, value: unknown, visible: FromVisible): FromItem[] {
  const node = unwrap(value);
  if (node === null) return [];
  const { type, body } = node;
  const { frame } = visible;
  if (type === 'RangeVar') {
    const target = rangeName(body);
    const name = aliasOf(body) ?? target.name;
    if (target.schema === null && body.catalogname === undefined && visible.ctes.has(target.name)) {
      frame.add(name, []);
      return [{ name, relations: [], own: [] }];
    }
    collector.addPart('select', target);
    frame.add(name, [target], renames(body.alias) ? 'renamed' : 'plain');
    return [{ name, relations: [target], own: [target] }];
  }
  if (type === 'RangeSubselect') {
    collector.closed(body, 'a subquery', ['lateral', 'subquery', 'alias']);
    const query = unwrap(body.subquery);
    if (query?.type !== 'SelectStmt') unknown('this subquery');
    const name = aliasOf(body);
    frame.add(name, []);
    return [{ name, relations: select(collector, query.body, visible), own: [] }];
  }
  if (type === 'JoinExpr') return join(collector, body, visible);
  if (type === 'RangeTableSample') {
    collector.closed(body, 'TABLESAMPLE', ['relation', 'method', 'args', 'repeatable', 'location']);
    const method = dotted(body.method);
    const own = method.schema === null || method.schema === 'pg_catalog';
    if (!own || !isHarmlessSampling(method.name)) {
      collector.add('execute', 'function', method.schema, method.name);
    } else if (method.schema === null) {
      collector.calls.add(method.name);
    }
    const items = fromItem(collector, body.relation, visible);
    collector.walk(body.args, visible);
    collector.walk(body.repeatable, visible);
    return items;
  }
  if (type === 'RangeFunction') rangeFunction(collector, body, visible);
  else if (type === 'RangeTableFunc' || type === 'JsonTable') collector.walkAs(type, body, visible);
  else unknown(`${type} in FROM`);
  frame.add(aliasOf(body) ?? functionName(body), []);
  return [];
}

function join(collector: Collector, body: Tree, visible: FromVisible): FromItem[] {
  collector.closed(body, 'a join', [
    'jointype',
    'isNatural',
    'larg',
    'rarg',
    'usingClause',
    'join_using_alias',
    'quals',
    'alias',
    'rtindex',
  ]);
  const items = [...fromItem(collector, body.larg, visible), ...fromItem(collector, body.rarg, visible)];
  const own = items.flatMap((item) => item.own);
  // Which columns the two sides share is not known here.
  if (body.isNatural === true) for (const relation of own) collector.columns.all('select', relation);
  for (const column of nameParts(body.usingClause)) collector.columns.refer(visible.frame, null, column);
  if (renames(body.alias)) for (const relation of own) collector.columns.all('select', relation);
  for (const alias of [body.alias, body.join_using_alias]) {
    if (isTree(alias)) visible.frame.add(text(alias.aliasname, 'an empty name'), own, 'joined');
  }
  collector.walk(body.quals, visible);
  return items;
}

/** Whether the columns have other names than their own. */
export function renames(alias: unknown): boolean {
  return isTree(alias) && alias.colnames !== undefined;
}

/** The name that a function in FROM goes by where it has no alias. */
function functionName(body: Tree): string | null {
  const [first] = list(body.functions);
  const pair = first === undefined ? null : unwrap(first);
  const call = pair?.type === 'List' ? unwrap(list(pair.body.items)[0]) : null;
  return call?.type === 'FuncCall' ? dotted(call.body.funcname).name : null;
}

function rangeFunction(collector: Collector, body: Tree, visible: Visible): void {
  collector.closed(body, 'a function in FROM', [
    'lateral',
    'ordinality',
    'is_rowsfrom',
    'functions',
    'alias',
    'coldeflist',
  ]);
  // Each is a List of the call and the column definitions of ROWS FROM.
  for (const item of list(body.functions)) {
    const node = unwrap(item);
    if (node?.type !== 'List') unknown('this function in FROM');
    for (const part of list(node.body.items)) {
      const inner = unwrap(part);
      if (inner?.type === 'List') columnDefinitions(collector, list(inner.body.items));
      else collector.walk(part, visible);
    }
  }
  columnDefinitions(collector, list(body.coldeflist));
}

/** Names and types only. */
function columnDefinitions(collector: Collector, definitions: readonly unknown[]): void {
  for (const definition of definitions) {
    const node = unwrap(definition);
    if (node?.type !== 'ColumnDef') unknown('this column definition');
    collector.closed(node.body, 'a column definition', [
      'colname',
      'typeName',
      'is_local',
      'collClause',
      'location',
    ]);
    collector.walkAs('TypeName', node.body.typeName, NOTHING_VISIBLE);
  }
}

function from(type: string): Handler {
  return (collector, body, visible) => {
    const frame = new Frame(visible.frame);
    const items = fromItem(collector, { [type]: body }, { ctes: visible.ctes, frame });
    // Outside of a query nothing tells which columns are meant.
    for (const relation of items.flatMap((item) => item.own)) collector.columns.all('select', relation);
  };
}

/** Handlers of the collector for reading queries at any depth. */
export const QUERY_HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['SelectStmt', select],
  ...['RangeVar', 'RangeSubselect', 'JoinExpr', 'RangeTableSample', 'RangeFunction'].map(
    (type): [string, Handler] => [type, from(type)],
  ),
]);
