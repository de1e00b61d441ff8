/** INSERT, UPDATE, DELETE and MERGE. */

import { looksAt } from './bounded.ts';
import type { Verb } from './classified.ts';
import { aliasOf, type FromVisible, fromItem, renames, within } from './classify-query.ts';
import { type Collector, type Handler, rangeName, type Visible } from './collector.ts';
import { type DottedName, list, type Tree, text, tree, unknown, unwrap } from './tree.ts';

/** Runs `walk`; where it met column references, the target is read too and needs `select`. */
function readsWhere(collector: Collector, target: DottedName, walk: () => void): void {
  const before = collector.columnReferences;
  walk();
  if (collector.columnReferences > before) collector.addPart('select', target);
}

function returning(collector: Collector, body: Tree, target: DottedName, visible: FromVisible): void {
  if (body.returningClause === undefined) return;
  const clause = tree(body.returningClause, 'RETURNING');
  for (const item of list(clause.options)) {
    const option = unwrap(item);
    if (option?.type !== 'ReturningOption') unknown('this RETURNING');
    visible.frame.add(text(option.body.value, 'an empty name'), [target]);
  }
  collector.walkAs('ReturningClause', clause, visible);
  collector.addPart('select', target);
}

/** The relation that is changed, as expressions see it: its row before and after has names of its own. */
function changed({ frame }: FromVisible, relation: unknown, more: readonly string[] = []): DottedName {
  const body = tree(relation, 'an unnamed relation');
  const target = rangeName(body);
  for (const name of [aliasOf(body) ?? target.name, 'old', 'new', ...more]) {
    frame.add(name, [target], renames(body.alias) ? 'renamed' : 'plain');
  }
  return target;
}

/** What the target is called in the statement. */
function calledIn({ relation }: Tree): string {
  const body = tree(relation, 'an unnamed relation');
  return aliasOf(body) ?? rangeName(body).name;
}

/** The columns that SET or a column list names. */
function targetColumns(value: unknown): string[] {
  return list(value).map((item) => {
    const node = unwrap(item);
    return node?.type === 'ResTarget' ? text(node.body.name, 'an empty name') : unknown('this column list');
  });
}

/** `insert` on the columns listed; all of them without a list. */
function inserts(collector: Collector, target: DottedName, columns: unknown): void {
  if (columns === undefined) collector.add('insert', 'relation', target.schema, target.name);
  else collector.addPart('insert', target, targetColumns(columns));
}

function insert(collector: Collector, body: Tree, outer: Visible): void {
  collector.closed(body, 'INSERT', [
    'relation',
    'cols',
    'selectStmt',
    'onConflictClause',
    'returningClause',
    'withClause',
    'override',
  ]);
  const visible = within(collector, body, outer);
  const target = changed(visible, body.relation, ['excluded']);
  inserts(collector, target, body.cols);
  collector.walk(body.cols, visible);
  // What is inserted does not see the target.
  collector.walk(body.selectStmt, { ctes: visible.ctes, frame: outer.frame });
  if (body.onConflictClause !== undefined) onConflict(collector, body.onConflictClause, target, visible);
  returning(collector, body, target, visible);
}

function onConflict(collector: Collector, value: unknown, target: DottedName, visible: FromVisible): void {
  const conflict = tree(value, 'ON CONFLICT');
  collector.closed(conflict, 'ON CONFLICT', ['action', 'infer', 'targetList', 'whereClause', 'location']);
  if (conflict.action === 'ONCONFLICT_UPDATE') {
    collector.addPart('update', target, targetColumns(conflict.targetList));
  } else if (conflict.action !== 'ONCONFLICT_NOTHING') unknown('this ON CONFLICT');
  // Which rows conflict tells of their values, so the arbiter is a read.
  if (conflict.infer !== undefined || conflict.action === 'ONCONFLICT_UPDATE') {
    collector.addPart('select', target);
  }
  if (conflict.infer !== undefined) {
    const infer = tree(conflict.infer, 'ON CONFLICT');
    // Which columns a constraint is about is not known here.
    if (infer.conname !== undefined) collector.columns.all('select', target);
    for (const item of list(infer.indexElems)) {
      const element = unwrap(item);
      if (element?.type !== 'IndexElem') unknown('this ON CONFLICT');
      if (typeof element.body.name === 'string') collector.columns.named('select', target, element.body.name);
    }
    collector.walkAs('InferClause', infer, visible);
  }
  collector.walk(conflict.targetList, visible);
  collector.walk(conflict.whereClause, visible);
}

function update(collector: Collector, body: Tree, outer: Visible): void {
  collector.closed(body, 'UPDATE', [
    'relation',
    'targetList',
    'whereClause',
    'fromClause',
    'returningClause',
    'withClause',
  ]);
  const visible = within(collector, body, outer);
  const target = changed(visible, body.relation);
  collector.addPart('update', target, targetColumns(body.targetList));
  readsWhere(collector, target, () => {
    for (const item of list(body.fromClause)) fromItem(collector, item, visible);
    collector.walk(body.targetList, visible);
    collector.walk(body.whereClause, visible);
    if (!looksAt(body.whereClause, calledIn(body))) collector.unbounded = true;
  });
  returning(collector, body, target, visible);
}

function remove(collector: Collector, body: Tree, outer: Visible): void {
  collector.closed(body, 'DELETE', [
    'relation',
    'usingClause',
    'whereClause',
    'returningClause',
    'withClause',
  ]);
  const visible = within(collector, body, outer);
  const target = changed(visible, body.relation);
  collector.add('delete', 'relation', target.schema, target.name);
  readsWhere(collector, target, () => {
    for (const item of list(body.usingClause)) fromItem(collector, item, visible);
    collector.walk(body.whereClause, visible);
    if (!looksAt(body.whereClause, calledIn(body))) collector.unbounded = true;
  });
  returning(collector, body, target, visible);
}

const MERGE_VERBS: ReadonlyMap<unknown, Verb | null> = new Map([
  ['CMD_INSERT', 'insert'],
  ['CMD_UPDATE', 'update'],
  ['CMD_DELETE', 'delete'],
  ['CMD_NOTHING', null],
]);

function merge(collector: Collector, body: Tree, outer: Visible): void {
  collector.closed(body, 'MERGE', [
    'relation',
    'sourceRelation',
    'joinCondition',
    'mergeWhenClauses',
    'returningClause',
    'withClause',
  ]);
  const visible = within(collector, body, outer);
  const target = changed(visible, body.relation);
  collector.addPart('select', target);
  fromItem(collector, body.sourceRelation, visible);
  collector.walk(body.joinCondition, visible);
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
    if (verb === 'insert') inserts(collector, target, node.body.targetList);
    else if (verb === 'update') collector.addPart(verb, target, targetColumns(node.body.targetList));
    else if (verb !== null) collector.add(verb, 'relation', target.schema, target.name);
    if (verb === 'update' || verb === 'delete') {
      // Rows that ON finds nothing for are all the others.
      const found = node.body.matchKind !== 'MERGE_WHEN_NOT_MATCHED_BY_SOURCE';
      const which = found ? [body.joinCondition, node.body.condition] : node.body.condition;
      if (!looksAt(which, calledIn(body))) collector.unbounded = true;
    }
    collector.walk(node.body.condition, visible);
    collector.walk(node.body.targetList, visible);
    collector.walk(node.body.values, visible);
  }
  returning(collector, body, target, visible);
}

/** Handlers of the collector for changing queries at any depth. */
export const WRITE_HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['InsertStmt', insert],
  ['UpdateStmt', update],
  ['DeleteStmt', remove],
  ['MergeStmt', merge],
]);
