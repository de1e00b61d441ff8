/** ALTER, DROP, RENAME, SET SCHEMA, COMMENT, TRUNCATE, LOCK and maintenance: what is done to things that exist. */
import type { AccessKind, Verb } from './classified.ts';
import { columnDefinition, options, partitionBound, tableElement } from './classify-define.ts';
import { type Collector, type Handler, NOTHING_VISIBLE, rangeVarOf } from './collector.ts';
import {
  type DottedName,
  dotted,
  list,
  nameParts,
  refuse,
  type Tree,
  text,
  tree,
  unknown,
  unwrap,
} from './tree.ts';

/** `OBJECT_MATVIEW` → `MATERIALIZED VIEW`: for messages and kinds. */
function objectName(objectType: unknown): string {
  const name = text(objectType, 'an unnamed kind of object').replace(/^OBJECT_/, '');
  const spelled: Readonly<Record<string, string>> = {
    MATVIEW: 'MATERIALIZED VIEW',
    TABCONSTRAINT: 'CONSTRAINT',
  };
  return Object.hasOwn(spelled, name) ? (spelled[name] as string) : name.replaceAll('_', ' ');
}

const RELATIONS: ReadonlySet<unknown> = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_INDEX',
  'OBJECT_SEQUENCE',
]);
const TYPES: ReadonlySet<unknown> = new Set(['OBJECT_TYPE', 'OBJECT_DOMAIN']);

/** Things with code, rights or servers behind them are for the database's own administrators. */
function notOffered(verb: string, objectType: unknown): never {
  refuse('POSTERN_UNSUPPORTED', `${verb} ${objectName(objectType)} is not allowed through Postern`);
}

function noCascade(behavior: unknown, what: string): void {
  if (behavior !== 'DROP_CASCADE') return;
  refuse(
    'POSTERN_STATEMENT_UNSEEN',
    `what ${what} ... CASCADE reaches cannot be seen from its text`,
    'Name the dependent objects in statements of their own.',
  );
}

/** DROP SCHEMA names come as String nodes, types as TypeName nodes, everything else as lists of names. */
function objectList(value: unknown): DottedName {
  const node = unwrap(value);
  if (node?.type === 'List') return dotted(node.body.items);
  if (node?.type === 'TypeName') return dotted(node.body.names);
  return unknown('this name');
}

const drop: Handler = (collector, body) => {
  const { removeType } = body;
  collector.kind = `DROP ${objectName(removeType)}`;
  collector.closed(body, 'DROP', ['objects', 'removeType', 'behavior', 'missing_ok', 'concurrent']);
  const kind: AccessKind | null = RELATIONS.has(removeType)
    ? 'relation'
    : TYPES.has(removeType)
      ? 'type'
      : null;
  if (kind === null && removeType !== 'OBJECT_SCHEMA') notOffered('DROP', removeType);
  noCascade(body.behavior, collector.kind);
  for (const object of list(body.objects)) {
    if (kind === null) {
      collector.add('drop', 'schema', nameParts([object])[0] as string, '');
      collector.touchesSearchPath = true;
    } else {
      const { schema, name } = objectList(object);
      collector.add('drop', kind, schema, name);
    }
  }
  collector.changesCatalog = true;
  collector.movesNames = true;
};

/** Subcommands of ALTER TABLE and its kin that stay within the object, and what their `def` may hold. */
const ALTER_PLAIN: ReadonlySet<unknown> = new Set([
  'AT_AddColumn',
  'AT_AddColumnToView',
  'AT_AddConstraint',
  'AT_AddIdentity',
  'AT_AddIndexConstraint',
  'AT_AlterColumnType',
  'AT_AlterConstraint',
  'AT_ClusterOn',
  'AT_ColumnDefault',
  'AT_DropCluster',
  'AT_DropColumn',
  'AT_DropConstraint',
  'AT_DropExpression',
  'AT_DropIdentity',
  'AT_DropNotNull',
  'AT_DropOf',
  'AT_DropOids',
  'AT_ReplaceRelOptions',
  'AT_ReplicaIdentity',
  'AT_ResetOptions',
  'AT_ResetRelOptions',
  'AT_SetCompression',
  'AT_SetExpression',
  'AT_SetIdentity',
  'AT_SetLogged',
  'AT_SetNotNull',
  'AT_SetOptions',
  'AT_SetRelOptions',
  'AT_SetStatistics',
  'AT_SetStorage',
  'AT_SetUnLogged',
  'AT_ValidateConstraint',
]);

/** Subcommands that reach another table, which must be open to `alter` as well. */
const ALTER_OTHER: ReadonlySet<unknown> = new Set([
  'AT_AddInherit',
  'AT_DropInherit',
  'AT_AttachPartition',
  'AT_DetachPartition',
  'AT_DetachPartitionFinalize',
]);

function definition(collector: Collector, value: unknown): void {
  const node = unwrap(value);
  if (node === null) return;
  const { type, body } = node;
  if (type === 'ColumnDef') columnDefinition(collector, body);
  else if (type === 'Constraint') tableElement(collector, value);
  else if (type === 'ReplicaIdentityStmt')
    collector.closed(body, 'REPLICA IDENTITY', ['identity_type', 'name']);
  else if (type === 'ATAlterConstraint') alterConstraint(collector, body);
  else if (type === 'List' && list(body.items).every((item) => unwrap(item)?.type === 'DefElem'))
    options(collector, body.items);
  else collector.walk(value, NOTHING_VISIBLE);
}

function alterConstraint(collector: Collector, body: Tree): void {
  collector.closed(body, 'ALTER CONSTRAINT', [
    'conname',
    'alterEnforceability',
    'is_enforced',
    'alterDeferrability',
    'deferrable',
    'initdeferred',
    'alterInheritability',
    'noinherit',
  ]);
}

function otherTable(collector: Collector, value: unknown): void {
  const node = unwrap(value);
  if (node?.type === 'RangeVar') {
    collector.relation('alter', node.body);
  } else if (node?.type === 'PartitionCmd') {
    collector.closed(node.body, 'a partition', ['name', 'bound', 'concurrent']);
    collector.relation('alter', node.body.name);
    partitionBound(collector, node.body.bound);
  } else {
    unknown('this ALTER TABLE');
  }
}

const alterTable: Handler = (collector, body) => {
  const { objtype } = body;
  collector.kind = `ALTER ${objectName(objtype)}`;
  collector.stored = true;
  collector.closed(body, collector.kind, ['relation', 'cmds', 'objtype', 'missing_ok']);
  const kind: AccessKind | null = RELATIONS.has(objtype)
    ? 'relation'
    : objtype === 'OBJECT_TYPE'
      ? 'type'
      : null;
  if (kind === null) notOffered('ALTER', objtype);
  const target = collector.relation('alter', body.relation);
  if (kind === 'type') collector.add('alter', 'type', target.schema, target.name);
  collector.changesCatalog = true;
  for (const item of list(body.cmds)) {
    const node = unwrap(item);
    if (node?.type !== 'AlterTableCmd') unknown('this ALTER');
    const command = node.body;
    collector.closed(command, 'ALTER', [
      'subtype',
      'name',
      'num',
      'def',
      'behavior',
      'missing_ok',
      'recurse',
      'newowner',
    ]);
    noCascade(command.behavior, collector.kind);
    if (ALTER_OTHER.has(command.subtype)) otherTable(collector, command.def);
    else if (ALTER_PLAIN.has(command.subtype) && command.newowner === undefined) {
      if (command.def !== undefined) definition(collector, command.def);
    } else
      refuse(
        'POSTERN_UNSUPPORTED',
        `this form of ${collector.kind} is not allowed through Postern`,
        ALTER_HINT,
      );
  }
};

const ALTER_HINT =
  'Owners, triggers, rules, row security and tablespaces are changed by the database administrators, not by machines.';

const rename: Handler = (collector, body) => {
  const { renameType } = body;
  collector.kind = `ALTER ${objectName(renameType)}`;
  collector.closed(body, 'RENAME', [
    'renameType',
    'relationType',
    'relation',
    'object',
    'subname',
    'newname',
    'behavior',
    'missing_ok',
  ]);
  noCascade(body.behavior, 'RENAME');
  const newName = text(body.newname, 'an empty name');
  collector.changesCatalog = true;
  collector.movesNames = true;
  if (RELATIONS.has(renameType)) {
    const { schema, name } = collector.relation('alter', body.relation);
    collector.add('create', 'relation', schema, newName, schema === null ? name : undefined);
  } else if (renameType === 'OBJECT_COLUMN' || renameType === 'OBJECT_TABCONSTRAINT') {
    if (body.relationType === 'OBJECT_FOREIGN_TABLE') notOffered('ALTER', body.relationType);
    collector.relation('alter', body.relation);
  } else if (renameType === 'OBJECT_SCHEMA') {
    collector.add('alter', 'schema', text(body.subname, 'an empty name'), '');
    collector.add('create', 'schema', newName, '');
    collector.touchesSearchPath = true;
  } else if (TYPES.has(renameType)) {
    const { schema, name } = objectList(body.object);
    collector.add('alter', 'type', schema, name);
    collector.add('create', 'type', schema, newName, schema === null ? name : undefined);
  } else {
    notOffered('ALTER', renameType);
  }
};

const setSchema: Handler = (collector, body) => {
  const { objectType } = body;
  collector.kind = `ALTER ${objectName(objectType)}`;
  collector.closed(body, 'SET SCHEMA', ['objectType', 'relation', 'object', 'newschema', 'missing_ok']);
  const newSchema = text(body.newschema, 'an empty name');
  collector.changesCatalog = true;
  collector.movesNames = true;
  if (RELATIONS.has(objectType)) {
    const { name } = collector.relation('alter', body.relation);
    collector.add('create', 'relation', newSchema, name);
  } else if (TYPES.has(objectType)) {
    const { schema, name } = objectList(body.object);
    collector.add('alter', 'type', schema, name);
    collector.add('create', 'type', newSchema, name);
  } else {
    notOffered('ALTER', objectType);
  }
};

const alterSequence: Handler = (collector, body) => {
  collector.kind = 'ALTER SEQUENCE';
  collector.closed(body, 'ALTER SEQUENCE', ['sequence', 'options', 'missing_ok']);
  collector.relation('alter', body.sequence);
  options(collector, body.options);
};

const alterEnum: Handler = (collector, body) => {
  collector.kind = 'ALTER TYPE';
  collector.closed(body, 'ALTER TYPE', [
    'typeName',
    'oldVal',
    'newVal',
    'newValNeighbor',
    'newValIsAfter',
    'skipIfNewValExists',
  ]);
  const { schema, name } = dotted(body.typeName);
  collector.add('alter', 'type', schema, name);
};

const comment: Handler = (collector, body) => {
  const { objtype } = body;
  collector.kind = 'COMMENT';
  collector.closed(body, 'COMMENT', ['objtype', 'object', 'comment']);
  if (objtype === 'OBJECT_SCHEMA') {
    collector.add('alter', 'schema', nameParts([body.object])[0] as string, '');
  } else if (RELATIONS.has(objtype) || TYPES.has(objtype)) {
    const { schema, name } = objectList(body.object);
    collector.add('alter', TYPES.has(objtype) ? 'type' : 'relation', schema, name);
  } else if (objtype === 'OBJECT_COLUMN' || objtype === 'OBJECT_TABCONSTRAINT') {
    const node = unwrap(body.object);
    const parts = node?.type === 'List' ? list(node.body.items) : unknown('this COMMENT');
    const { schema, name } = dotted(parts.slice(0, -1));
    collector.add('alter', 'relation', schema, name);
  } else {
    notOffered('COMMENT ON', objtype);
  }
};

function eachRelation(collector: Collector, verb: Verb, value: unknown): void {
  for (const item of list(value)) collector.relation(verb, rangeVarOf(item));
}

const truncate: Handler = (collector, body) => {
  collector.kind = 'TRUNCATE';
  collector.closed(body, 'TRUNCATE', ['relations', 'restart_seqs', 'behavior']);
  noCascade(body.behavior, 'TRUNCATE');
  eachRelation(collector, 'truncate', body.relations);
  collector.unbounded = true;
};

const lock: Handler = (collector, body) => {
  collector.kind = 'LOCK TABLE';
  collector.closed(body, 'LOCK', ['relations', 'mode', 'nowait']);
  eachRelation(collector, 'lock', body.relations);
};

function wholeDatabase(kind: string): never {
  refuse('POSTERN_STATEMENT_UNSEEN', `${kind} of the whole database is not supported`, 'Name the tables.');
}

const vacuum: Handler = (collector, body) => {
  collector.kind = body.is_vacuumcmd === true ? 'VACUUM' : 'ANALYZE';
  collector.closed(body, collector.kind, ['options', 'rels', 'is_vacuumcmd']);
  options(collector, body.options);
  const relations = list(body.rels);
  if (relations.length === 0) wholeDatabase(collector.kind);
  for (const item of relations) {
    const node = unwrap(item);
    if (node?.type !== 'VacuumRelation') unknown('this VACUUM');
    collector.closed(node.body, 'VACUUM', ['relation', 'va_cols']);
    collector.relation('maintain', node.body.relation);
  }
};

const reindex: Handler = (collector, body) => {
  collector.kind = 'REINDEX';
  collector.closed(body, 'REINDEX', ['kind', 'relation', 'name', 'params']);
  options(collector, body.params);
  if (body.relation !== undefined) collector.relation('maintain', body.relation);
  else if (body.kind === 'REINDEX_OBJECT_SCHEMA') {
    collector.add('maintain', 'schema', text(body.name, 'an empty name'), '');
  } else wholeDatabase('REINDEX');
};

const cluster: Handler = (collector, body) => {
  collector.kind = 'CLUSTER';
  collector.closed(body, 'CLUSTER', ['relation', 'indexname', 'params']);
  options(collector, body.params);
  if (body.relation === undefined) wholeDatabase('CLUSTER');
  collector.relation('maintain', body.relation);
};

const refresh: Handler = (collector, body) => {
  collector.kind = 'REFRESH MATERIALIZED VIEW';
  collector.closed(body, collector.kind, ['concurrent', 'skipData', 'relation']);
  collector.relation('maintain', tree(body.relation, 'an unnamed relation'));
};

export const CHANGE_HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['DropStmt', drop],
  ['AlterTableStmt', alterTable],
  ['RenameStmt', rename],
  ['AlterObjectSchemaStmt', setSchema],
  ['AlterSeqStmt', alterSequence],
  ['AlterEnumStmt', alterEnum],
  ['CommentStmt', comment],
  ['TruncateStmt', truncate],
  ['LockStmt', lock],
  ['VacuumStmt', vacuum],
  ['ReindexStmt', reindex],
  ['ClusterStmt', cluster],
  ['RefreshMatViewStmt', refresh],
]);
