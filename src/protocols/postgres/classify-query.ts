/** SELECT, INSERT, UPDATE, DELETE, MERGE and what can stand in FROM. */
import type { Verb } from './classified.ts';
import { type Collector, type CteNames, type Handler, NO_CTES, rangeName } from './collector.ts';
import { isHarmlessSampling } from './functions.ts';
import { type DottedName, dotted, isTree, list, type Tree, text, tree, unknown, unwrap } from './tree.ts';

/** Something in FROM, for FOR UPDATE OF: the name it goes by and the relations that would be locked. */
interface FromItem {
  readonly name: string | null;
  readonly relations: readonly DottedName[];
}

/** The queries of a WITH clause, and the names that the rest of the statement sees. */
function withClause(collector: Collector, value: unknown, outer: CteNames): CteNames {
  if (value === undefined) return outer;
  const body = tree(value, 'a WITH clause');
  collector.closed(body, 'a WITH clause', ['ctes', 'recursive', 'location']);
  const ctes = list(body.ctes).map((item) => {
    const node = unwrap(item);
    return node?.type === 'CommonTableExpr' ? node.body : unknown('this WITH clause');
  });
  const seen = new Set(outer);
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
    collector.walk(cte.ctequery, seen);
    collector.walkAs('CTESearchClause', cte.search_clause, seen);
    collector.walkAs('CTECycleClause', cte.cycle_clause, seen);
    seen.add(text(cte.ctename, 'an empty name'));
  }
  return seen;
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
function select(collector: Collector, body: Tree, outer: CteNames): DottedName[] {
  collector.closed(body, 'SELECT', SELECT_FIELDS);
  const ctes = withClause(collector, body.withClause, outer);
  if (body.intoClause !== undefined) into(collector, body.intoClause);
  const items = list(body.fromClause).flatMap((item) => fromItem(collector, item, ctes));
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
    collector.walk(body[field], ctes);
  }
  for (const clause of list(body.lockingClause)) locking(collector, clause, items);
  const arms = [body.larg, body.rarg].flatMap((arm) =>
    arm === undefined ? [] : select(collector, tree(arm, 'a set operation'), ctes),
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
    for (const { schema, name } of item.relations) collector.add('update', 'relation', schema, name);
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
  collector.walk(body.options, NO_CTES);
}

function aliasOf(body: Tree): string | null {
  return isTree(body.alias) ? text(body.alias.aliasname, 'an empty name') : null;
}

function fromItem(collector: Collector, value: unknown, ctes: CteNames): FromItem[] {
  const node = unwrap(value);
  if (node === null) return [];
  const { type, body } = node;
  if (type === 'RangeVar') {
    const target = rangeName(body);
    const name = aliasOf(body) ?? target.name;
    if (target.schema === null && body.catalogname === undefined && ctes.has(target.name)) {
      return [{ name, relations: [] }];
    }
    collector.add('select', 'relation', target.schema, target.name);
    return [{ name, relations: [target] }];
  }
  if (type === 'RangeSubselect') {
    collector.closed(body, 'a subquery', ['lateral', 'subquery', 'alias']);
    const query = unwrap(body.subquery);
    if (query?.type !== 'SelectStmt') unknown('this subquery');
    return [{ name: aliasOf(body), relations: select(collector, query.body, ctes) }];
  }
  if (type === 'JoinExpr') {
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
    const items = [...fromItem(collector, body.larg, ctes), ...fromItem(collector, body.rarg, ctes)];
    collector.walk(body.quals, ctes);
    return items;
  }
  if (type === 'RangeTableSample') {
    collector.closed(body, 'TABLESAMPLE', ['relation', 'method', 'args', 'repeatable', 'location']);
    const method = dotted(body.method);
    const own = method.schema === null || method.schema === 'pg_catalog';
    if (!own || !isHarmlessSampling(method.name)) {
      collector.add('execute', 'function', method.schema, method.name);
    } else if (method.schema === null) {
      collector.calls.add(method.name);
    }
    const items = fromItem(collector, body.relation, ctes);
    collector.walk(body.args, ctes);
    collector.walk(body.repeatable, ctes);
    return items;
  }
  if (type === 'RangeFunction') rangeFunction(collector, body, ctes);
  else if (type === 'RangeTableFunc' || type === 'JsonTable') collector.walkAs(type, body, ctes);
  else unknown(`${type} in FROM`);
  return [];
}

function rangeFunction(collector: Collector, body: Tree, ctes: CteNames): void {
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
      else collector.walk(part, ctes);
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
    collector.walkAs('TypeName', node.body.typeName, NO_CTES);
  }
}

/** Runs `walk`; where it met column references, the target is read too and needs `select`. */
function readsWhere(collector: Collector, target: DottedName, walk: () => void): void {
  const before = collector.columnReferences;
  walk();
  if (collector.columnReferences > before) collector.add('select', 'relation', target.schema, target.name);
}

function returning(collector: Collector, body: Tree, target: DottedName, ctes: CteNames): void {
  if (body.returningClause === undefined) return;
  collector.walkAs('ReturningClause', body.returningClause, ctes);
  collector.add('select', 'relation', target.schema, target.name);
}

function insert(collector: Collector, body: Tree, outer: CteNames): void {
  collector.closed(body, 'INSERT', [
    'relation',
    'cols',
    'selectStmt',
    'onConflictClause',
    'returningClause',
    'withClause',
    'override',
  ]);
  const ctes = withClause(collector, body.withClause, outer);
  const target = collector.relation('insert', body.relation);
  collector.walk(body.cols, ctes);
  collector.walk(body.selectStmt, ctes);
  if (body.onConflictClause !== undefined) {
    const conflict = tree(body.onConflictClause, 'ON CONFLICT');
    collector.closed(conflict, 'ON CONFLICT', ['action', 'infer', 'targetList', 'whereClause', 'location']);
    if (conflict.action === 'ONCONFLICT_UPDATE')
      collector.add('update', 'relation', target.schema, target.name);
    else if (conflict.action !== 'ONCONFLICT_NOTHING') unknown('this ON CONFLICT');
    // Which rows conflict tells of their values, so the arbiter is a read.
    if (conflict.infer !== undefined || conflict.action === 'ONCONFLICT_UPDATE') {
      collector.add('select', 'relation', target.schema, target.name);
    }
    collector.walkAs('InferClause', conflict.infer, ctes);
    collector.walk(conflict.targetList, ctes);
    collector.walk(conflict.whereClause, ctes);
  }
  returning(collector, body, target, ctes);
}

function update(collector: Collector, body: Tree, outer: CteNames): void {
  collector.closed(body, 'UPDATE', [
    'relation',
    'targetList',
    'whereClause',
    'fromClause',
    'returningClause',
    'withClause',
  ]);
  const ctes = withClause(collector, body.withClause, outer);
  const target = collector.relation('update', body.relation);
  readsWhere(collector, target, () => {
    for (const item of list(body.fromClause)) fromItem(collector, item, ctes);
    collector.walk(body.targetList, ctes);
    collector.walk(body.whereClause, ctes);
  });
  returning(collector, body, target, ctes);
}

function remove(collector: Collector, body: Tree, outer: CteNames): void {
  collector.closed(body, 'DELETE', [
    'relation',
    'usingClause',
    'whereClause',
    'returningClause',
    'withClause',
  ]);
  const ctes = withClause(collector, body.withClause, outer);
  const target = collector.relation('delete', body.relation);
  readsWhere(collector, target, () => {
    for (const item of list(body.usingClause)) fromItem(collector, item, ctes);
    collector.walk(body.whereClause, ctes);
  });
  returning(collector, body, target, ctes);
}

const MERGE_VERBS: ReadonlyMap<unknown, Verb | null> = new Map([
  ['CMD_INSERT', 'insert'],
  ['CMD_UPDATE', 'update'],
  ['CMD_DELETE', 'delete'],
  ['CMD_NOTHING', null],
]);

function merge(collector: Collector, body: Tree, outer: CteNames): void {
  collector.closed(body, 'MERGE', [
    'relation',
    'sourceRelation',
    'joinCondition',
    'mergeWhenClauses',
    'returningClause',
    'withClause',
  ]);
  const ctes = withClause(collector, body.withClause, outer);
  const target = collector.relation('select', body.relation);
  fromItem(collector, body.sourceRelation, ctes);
  collector.walk(body.joinCondition, ctes);
  for (const item of list(body.mergeWhenClauses)) {
    const node = unwrap(item);
    if (node?.type !== 'MergeWhenClause') unknown('this MERGE');
    collector.closed(node.body, 'WHEN', [
      'matchKind',
      'commandType',
      'override',
      'condition',
      'targetList',
      'values',
    ]);
    const verb = MERGE_VERBS.get(node.body.commandType);
    if (verb === undefined) unknown('this MERGE');
    if (verb !== null) collector.add(verb, 'relation', target.schema, target.name);
    collector.walk(node.body.condition, ctes);
    collector.walk(node.body.targetList, ctes);
    collector.walk(node.body.values, ctes);
  }
  returning(collector, body, target, ctes);
}

function from(type: string): Handler {
  return (collector, body, ctes) => {
    fromItem(collector, { [type]: body }, ctes);
  };
}

/** Handlers of the collector for queries at any depth. */
export const QUERY_HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['SelectStmt', select],
  ['InsertStmt', insert],
  ['UpdateStmt', update],
  ['DeleteStmt', remove],
  ['MergeStmt', merge],
  ...['RangeVar', 'RangeSubselect', 'JoinExpr', 'RangeTableSample', 'RangeFunction'].map(
    (type): [string, Handler] => [type, from(type)],
  ),
]);
