/** CREATE: tables, views, indexes, sequences, types, schemas. */
import { into } from './classify-query.ts';
import { type Collector, type Handler, NOTHING_VISIBLE, rangeName, rangeVarOf } from './collector.ts';
import { dotted, isTree, list, nameParts, refuse, type Tree, text, tree, unknown, unwrap } from './tree.ts';

/** Storage parameters and other options: constants. The two that name another object are looked at by the caller. */
export function options(collector: Collector, value: unknown): void {
  for (const item of list(value)) {
    const node = unwrap(item);
    if (node?.type !== 'DefElem') unknown('this option');
    if (node.body.defname === 'owned_by') ownedBy(collector, node.body);
    else if (node.body.defname === 'sequence_name') sequenceName(collector, node.body);
    else collector.walkAs('DefElem', node.body, NOTHING_VISIBLE);
  }
}

/** OWNED BY table.column: the sequence goes when the table goes. OWNED BY NONE has one part. */
function ownedBy(collector: Collector, body: Tree): void {
  const node = unwrap(body.arg);
  const parts = node?.type === 'List' ? list(node.body.items) : unknown('this OWNED BY');
  if (parts.length < 2) return;
  const table = dotted(parts.slice(0, -1));
  collector.add('alter', 'relation', table.schema, table.name);
}

/** SEQUENCE NAME of an identity column, as pg_dump writes it: a sequence is made under that name. Without a schema it would be the table's. */
function sequenceName(collector: Collector, body: Tree): void {
  const node = unwrap(body.arg);
  const { schema, name } = node?.type === 'List' ? dotted(node.body.items) : unknown('this SEQUENCE NAME');
  if (schema === null) unknown('SEQUENCE NAME without a schema');
  collector.add('create', 'relation', schema, name);
  collector.changesCatalog = true;
}

export function columnDefinition(collector: Collector, body: Tree): void {
  collector.closed(body, 'a column definition', [
    'colname',
    'typeName',
    'compression',
    'is_local',
    'is_not_null',
    'storage',
    'storage_name',
    'raw_default',
    'collClause',
    'constraints',
    'location',
  ]);
  collector.walkAs('TypeName', body.typeName, NOTHING_VISIBLE);
  collector.walkAs('CollateClause', body.collClause, NOTHING_VISIBLE);
  collector.walk(body.raw_default, NOTHING_VISIBLE);
  for (const item of list(body.constraints)) tableElement(collector, item);
}

function constraint(collector: Collector, body: Tree): void {
  collector.closed(body, 'a constraint', [
    'contype',
    'conname',
    'deferrable',
    'initdeferred',
    'is_enforced',
    'skip_validation',
    'initially_valid',
    'is_no_inherit',
    'raw_expr',
    'generated_when',
    'generated_kind',
    'nulls_not_distinct',
    'keys',
    'without_overlaps',
    'including',
    'exclusions',
    'options',
    'indexname',
    'indexspace',
    'access_method',
    'where_clause',
    'pktable',
    'fk_attrs',
    'pk_attrs',
    'fk_with_period',
    'pk_with_period',
    'fk_matchtype',
    'fk_upd_action',
    'fk_del_action',
    'fk_del_set_cols',
    'location',
  ]);
  collector.walk(body.raw_expr, NOTHING_VISIBLE);
  collector.walk(body.where_clause, NOTHING_VISIBLE);
  options(collector, body.options);
  // EXCLUDE: pairs of an index element and the operator that must not hold.
  for (const item of list(body.exclusions)) {
    const pair = unwrap(item);
    const [element, operator] = pair?.type === 'List' ? list(pair.body.items) : [];
    const name = operator === undefined ? null : unwrap(operator);
    if (name?.type !== 'List') unknown('this EXCLUDE');
    collector.walk(element, NOTHING_VISIBLE);
    collector.operator(name.body.items);
  }
  if (body.pktable === undefined) return;
  // Without a list it is the primary key, which is not known here.
  if (body.pk_attrs === undefined) collector.relation('references', body.pktable);
  else collector.addPart('references', rangeName(body.pktable), nameParts(body.pk_attrs));
}

export function tableElement(collector: Collector, item: unknown): void {
  const node = unwrap(item);
  if (node?.type === 'ColumnDef') {
    columnDefinition(collector, node.body);
  } else if (node?.type === 'Constraint') {
    constraint(collector, node.body);
  } else if (node?.type === 'TableLikeClause') {
    collector.closed(node.body, 'LIKE', ['relation', 'options']);
    collector.relation('select', node.body.relation);
  } else {
    unknown('this part of a table');
  }
}

export function partitionBound(collector: Collector, value: unknown): void {
  if (value === undefined) return;
  const body = tree(value, 'a partition bound');
  collector.closed(body, 'a partition bound', [
    'strategy',
    'is_default',
    'modulus',
    'remainder',
    'listdatums',
    'lowerdatums',
    'upperdatums',
    'location',
  ]);
  collector.walk(body.listdatums, NOTHING_VISIBLE);
  collector.walk(body.lowerdatums, NOTHING_VISIBLE);
  collector.walk(body.upperdatums, NOTHING_VISIBLE);
}

function partitionKey(collector: Collector, value: unknown): void {
  if (value === undefined) return;
  const body = tree(value, 'PARTITION BY');
  collector.closed(body, 'PARTITION BY', ['strategy', 'partParams', 'location']);
  for (const item of list(body.partParams)) {
    const node = unwrap(item);
    if (node?.type !== 'PartitionElem') unknown('this PARTITION BY');
    collector.closed(node.body, 'PARTITION BY', ['name', 'expr', 'collation', 'opclass', 'location']);
    collector.walk(node.body.expr, NOTHING_VISIBLE);
  }
}

const createTable: Handler = (collector, body) => {
  collector.kind = 'CREATE TABLE';
  collector.stored = true;
  collector.closed(body, 'CREATE TABLE', [
    'relation',
    'tableElts',
    'inhRelations',
    'partbound',
    'partspec',
    'ofTypename',
    'constraints',
    'options',
    'oncommit',
    'tablespacename',
    'accessMethod',
    'if_not_exists',
  ]);
  collector.creates(body.relation);
  for (const item of list(body.tableElts)) tableElement(collector, item);
  for (const item of list(body.constraints)) tableElement(collector, item);
  // INHERITS and PARTITION OF: the parent's queries reach the new table.
  for (const parent of list(body.inhRelations)) collector.relation('alter', rangeVarOf(parent));
  partitionBound(collector, body.partbound);
  partitionKey(collector, body.partspec);
  collector.walkAs('TypeName', body.ofTypename, NOTHING_VISIBLE);
  options(collector, body.options);
};

const createTableAs: Handler = (collector, body) => {
  const materialized = body.objtype === 'OBJECT_MATVIEW';
  if (!materialized && body.objtype !== 'OBJECT_TABLE') unknown('this CREATE ... AS');
  collector.kind = materialized ? 'CREATE MATERIALIZED VIEW' : 'CREATE TABLE AS';
  collector.stored = materialized;
  collector.closed(body, collector.kind, ['query', 'into', 'objtype', 'is_select_into', 'if_not_exists']);
  into(collector, body.into);
  executable(collector, body.query);
};

/** What EXPLAIN and CREATE TABLE AS take: a query, or EXECUTE of a prepared one. */
export function executable(collector: Collector, value: unknown): void {
  const node = unwrap(value);
  if (node === null || !EXECUTABLE.has(node.type)) unknown('this statement here');
  if (node.type === 'ExecuteStmt') execute(collector, node.body, NOTHING_VISIBLE);
  else collector.walk(value, NOTHING_VISIBLE);
}

const EXECUTABLE: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'ExecuteStmt',
]);

export const execute: Handler = (collector, body, visible) => {
  collector.closed(body, 'EXECUTE', ['name', 'params']);
  collector.walk(body.params, visible);
  collector.effects.push({ op: 'execute', name: text(body.name, 'an empty name') });
};

const createView: Handler = (collector, body) => {
  collector.kind = 'CREATE VIEW';
  collector.stored = true;
  collector.closed(body, 'CREATE VIEW', [
    'view',
    'aliases',
    'query',
    'replace',
    'options',
    'withCheckOption',
  ]);
  collector.creates(body.view);
  if (body.replace === true) {
    const { schema, name } = rangeName(body.view);
    const temporary = tree(body.view, 'a view').relpersistence === 't';
    collector.add('alter', 'relation', schema ?? (temporary ? 'pg_temp' : null), name);
    collector.movesNames = true;
  }
  options(collector, body.options);
  collector.walk(body.query, NOTHING_VISIBLE);
};

const createIndex: Handler = (collector, body) => {
  collector.kind = 'CREATE INDEX';
  collector.stored = true;
  collector.closed(body, 'CREATE INDEX', [
    'idxname',
    'relation',
    'accessMethod',
    'tableSpace',
    'indexParams',
    'indexIncludingParams',
    'options',
    'whereClause',
    'unique',
    'nulls_not_distinct',
    'concurrent',
    'if_not_exists',
    'reset_default_tblspc',
  ]);
  collector.relation('alter', body.relation);
  collector.changesCatalog = true;
  collector.walk(body.indexParams, NOTHING_VISIBLE);
  collector.walk(body.indexIncludingParams, NOTHING_VISIBLE);
  options(collector, body.options);
  collector.walk(body.whereClause, NOTHING_VISIBLE);
};

const createSequence: Handler = (collector, body) => {
  collector.kind = 'CREATE SEQUENCE';
  collector.closed(body, 'CREATE SEQUENCE', ['sequence', 'options', 'if_not_exists']);
  collector.creates(body.sequence);
  options(collector, body.options);
};

const createSchema: Handler = (collector, body) => {
  collector.kind = 'CREATE SCHEMA';
  collector.closed(body, 'CREATE SCHEMA', ['schemaname', 'schemaElts', 'if_not_exists']);
  if (list(body.schemaElts).length > 0) {
    refuse(
      'POSTERN_UNSUPPORTED',
      'CREATE SCHEMA with other statements inside is not supported',
      'Send them one by one.',
    );
  }
  collector.add('create', 'schema', text(body.schemaname, 'an empty name'), '');
  collector.changesCatalog = true;
  // A schema that the search path names may now come before others.
  collector.touchesSearchPath = true;
};

const createComposite: Handler = (collector, body) => {
  collector.kind = 'CREATE TYPE';
  collector.closed(body, 'CREATE TYPE', ['typevar', 'coldeflist']);
  const { schema, name } = rangeName(body.typevar);
  collector.add('create', 'type', schema, name);
  collector.changesCatalog = true;
  for (const item of list(body.coldeflist)) tableElement(collector, item);
};

const createEnum: Handler = (collector, body) => {
  collector.kind = 'CREATE TYPE';
  collector.closed(body, 'CREATE TYPE', ['typeName', 'vals']);
  const { schema, name } = dotted(body.typeName);
  collector.add('create', 'type', schema, name);
  collector.changesCatalog = true;
};

const createDomain: Handler = (collector, body) => {
  collector.kind = 'CREATE DOMAIN';
  collector.stored = true;
  collector.closed(body, 'CREATE DOMAIN', ['domainname', 'typeName', 'collClause', 'constraints']);
  const { schema, name } = dotted(body.domainname);
  collector.add('create', 'type', schema, name);
  collector.changesCatalog = true;
  collector.walkAs('TypeName', body.typeName, NOTHING_VISIBLE);
  if (isTree(body.collClause)) collector.walkAs('CollateClause', body.collClause, NOTHING_VISIBLE);
  for (const item of list(body.constraints)) tableElement(collector, item);
};

export const DEFINE_HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['CreateStmt', createTable],
  ['CreateTableAsStmt', createTableAs],
  ['ViewStmt', createView],
  ['IndexStmt', createIndex],
  ['CreateSeqStmt', createSequence],
  ['CreateSchemaStmt', createSchema],
  ['CompositeTypeStmt', createComposite],
  ['CreateEnumStmt', createEnum],
  ['CreateDomainStmt', createDomain],
]);
