/** The closed walk over a parse tree: collects what one statement touches, refuses what it does not know. */
import {
  type Access,
  type AccessKind,
  type Classified,
  COLUMN_VERBS,
  type NameEffect,
  type TransactionEffect,
  type Verb,
} from './classified.ts';
import { ColumnUses, type Frame } from './column-uses.ts';
import { isHarmlessCall } from './functions.ts';
import { NODE_SPECS, type NodeSpec } from './nodes.ts';
import { settingRule } from './settings.ts';
import { TEXT_TYPES } from './text-types.ts';
import {
  constantText,
  type DottedName,
  dotted,
  isTree,
  list,
  nameParts,
  Refused,
  refuse,
  type Tree,
  text,
  tree,
  unknown,
  unwrap,
} from './tree.ts';

/** What names in an expression can mean beside what the database holds. */
export interface Visible {
  /** Names of the WITH queries that an unqualified name means before any relation. */
  readonly ctes: ReadonlySet<string>;
  /** The FROM items around; null where there is no query. */
  readonly frame: Frame | null;
}

/** Walks the body of one node type. */
export type Handler = (collector: Collector, body: Tree, visible: Visible) => void;

export const NOTHING_VISIBLE: Visible = { ctes: new Set(), frame: null };

export class Collector {
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #accesses = new Map<string, Access>();
  readonly columns = new ColumnUses();
  readonly calls = new Set<string>();
  readonly attributes = new Set<string>();
  readonly effects: NameEffect[] = [];
  readonly transaction: TransactionEffect[] = [];
  kind = '';
  copy: 'in' | 'out' | null = null;
  /** Column references seen so far: a clause that adds some reads columns. */
  columnReferences = 0;
  /** A TRUNCATE, or an UPDATE or DELETE whose WHERE looks at no column of what it changes. */
  unbounded = false;
  touchesSearchPath = false;
  changesCatalog = false;
  /** What a name means may be different after this statement. */
  movesNames = false;
  /** A literal has decided something. */
  literalsMatter = false;
  /** The expressions are stored and run later, by others or on other occasions: a definition, a cursor. */
  stored = false;

  /** @param handlers Node types with a meaning of their own: queries and FROM items. */
  constructor(handlers: ReadonlyMap<string, Handler>) {
    this.#handlers = handlers;
  }

  get accesses(): readonly Access[] {
    return [...this.#accesses.values()];
  }

  /** Of a relation all columns, where the verb has columns. */
  add(verb: Verb, kind: AccessKind, schema: string | null, name: string, beside?: string): void {
    if (kind === 'relation' && COLUMN_VERBS.has(verb)) this.columns.all(verb, { schema, name });
    this.#add(verb, kind, schema, name, beside);
  }

  /** A relation of which those columns are used that are told to `columns`. */
  addPart(verb: Verb, { schema, name }: DottedName, columns: readonly string[] = []): void {
    this.#add(verb, 'relation', schema, name);
    this.columns.some(verb, { schema, name });
    for (const column of columns) this.columns.named(verb, { schema, name }, column);
  }

  #add(verb: Verb, kind: AccessKind, schema: string | null, name: string, beside?: string): void {
    // Each relation is a type as well, and those of pg_temp come before PostgreSQL's own.
    if (verb === 'create' && (kind === 'relation' || kind === 'type') && TEXT_TYPES.has(name)) {
      refuse(
        'POSTERN_UNSUPPORTED',
        `what is called "${name}" could be taken for PostgreSQL's own type of that name`,
        'Choose another name.',
      );
    }
    const key = `${verb}\0${kind}\0${schema ?? ''}\0${name}\0${beside ?? ''}`;
    if (this.#accesses.has(key)) return;
    this.#accesses.set(key, { verb, kind, schema, name, ...(beside === undefined ? {} : { beside }) });
  }

  /** Takes over what a query inside this statement touches. */
  absorb(inner: Classified): void {
    if (inner.denied !== null) throw new Refused(inner.denied);
    for (const { verb, kind, schema, name, beside } of inner.accesses)
      this.#add(verb, kind, schema, name, beside);
    this.columns.take(inner.columns);
    this.unbounded ||= inner.unbounded;
    for (const name of inner.calls) this.calls.add(name);
    for (const name of inner.attributes) this.attributes.add(name);
  }

  /** The relation that a RangeVar means, with all its columns. */
  relation(verb: Verb, rangeVar: unknown): DottedName {
    const target = rangeName(rangeVar);
    this.add(verb, 'relation', target.schema, target.name);
    return target;
  }

  /** A relation that the statement makes. */
  creates(rangeVar: unknown): void {
    const body = tree(rangeVar, 'an unnamed relation');
    const { schema, name } = rangeName(body);
    this.add('create', 'relation', schema ?? (body.relpersistence === 't' ? 'pg_temp' : null), name);
    this.changesCatalog = true;
  }

  /** Refuses a node with a field that is not among the known ones. */
  closed(body: Tree, what: string, known: readonly string[]): void {
    for (const field of Object.keys(body)) {
      if (!known.includes(field)) unknown(`${what} with ${field}`);
    }
  }

  /** Walks a wrapped node, a list of them, or nothing. */
  walk(value: unknown, visible: Visible): void {
    if (value === undefined) return;
    if (Array.isArray(value)) {
      for (const item of value) this.walk(item, visible);
      return;
    }
    const node = unwrap(value);
    if (node !== null) this.walkAs(node.type, node.body, visible);
  }

  /** Walks a node of a known type that stands without its wrapper. */
  walkAs(type: string, value: unknown, visible: Visible): void {
    if (value === undefined) return;
    const body = tree(value, `a ${type} node`);
    const handler = this.#handlers.get(type);
    if (handler !== undefined) handler(this, body, visible);
    else if (type === 'ColumnRef') this.#columnRef(body, visible);
    else if (type === 'FuncCall') this.#call(body, visible);
    else if (type === 'A_Indirection') this.#indirection(body, visible);
    else this.#generic(type, body, visible);
  }

  #generic(type: string, body: Tree, visible: Visible): void {
    const spec = NODE_SPECS.get(type);
    if (spec === undefined) unknown(`${type} here`);
    const call = spec.call ?? (type === 'JsonFuncExpr' ? jsonFunction(body) : null);
    if (call !== null) this.calls.add(call);
    if (type === 'CurrentOfExpr') this.columnReferences += 1;
    for (const [field, value] of Object.entries(body)) this.#field(spec, type, field, value, visible);
  }

  #field(spec: NodeSpec, type: string, field: string, value: unknown, visible: Visible): void {
    if (spec.plain.has(field)) return;
    const typed = spec.typed.get(field);
    if (typed !== undefined) this.walkAs(typed, value, visible);
    else if (spec.nodes.has(field)) this.walk(value, visible);
    else if (spec.operators.has(field)) this.operator(value);
    else unknown(`${type} with ${field}`);
  }

  /** An operator with a schema of its own is a function that the statement chose; others are found like built-in ones. */
  operator(value: unknown): void {
    const parts = nameParts(value);
    if (parts.length < 2) return;
    const { schema, name } = dotted(value);
    if (schema !== 'pg_catalog') this.add('execute', 'function', schema, name);
  }

  /** The last of several names may be a function that takes the row. */
  #columnRef(body: Tree, { frame }: Visible): void {
    this.columnReferences += 1;
    this.closed(body, 'a column', ['fields', 'location']);
    const fields = list(body.fields).map((field) => unwrap(field));
    for (const [index, field] of fields.entries()) {
      if (field?.type === 'A_Star') continue;
      if (field?.type !== 'String') unknown('a column that is not plain');
      if (index > 0) this.attributes.add(text(field.body.sval, 'an empty name'));
    }
    const [qualifier = null, name = null] = fields
      .slice(-2)
      .map((field) => (field?.type === 'String' ? text(field.body.sval, 'an empty name') : null));
    // One part is the name itself.
    if (fields.length === 1) this.columns.refer(frame, null, qualifier);
    else this.columns.refer(frame, qualifier, name);
  }

  #indirection(body: Tree, visible: Visible): void {
    this.closed(body, 'a part of a value', ['arg', 'indirection']);
    this.walk(body.arg, visible);
    for (const item of list(body.indirection)) {
      const node = unwrap(item);
      if (node?.type === 'String') this.attributes.add(text(node.body.sval, 'an empty name'));
      else this.walk(item, visible);
    }
  }

  #call(body: Tree, visible: Visible): void {
    this.closed(body, 'a function call', [
      'funcname',
      'args',
      'agg_order',
      'agg_filter',
      'over',
      'agg_within_group',
      'agg_star',
      'agg_distinct',
      'func_variadic',
      'funcformat',
      'location',
    ]);
    const { schema, name } = dotted(body.funcname);
    if (name === 'set_config' && (schema === null || schema === 'pg_catalog')) {
      this.#setConfig(list(body.args));
      if (schema === null) this.calls.add(name);
    } else if (!isHarmlessCall(schema, name)) {
      this.add('execute', 'function', schema, name);
    } else if (schema === null) {
      this.calls.add(name);
    }
    this.walk(body.args, visible);
    this.walk(body.agg_order, visible);
    this.walk(body.agg_filter, visible);
    this.walkAs('WindowDef', body.over, visible);
  }

  #setConfig(args: readonly unknown[]): void {
    this.literalsMatter = true;
    const [setting, value] = args.map(constantText);
    if (this.stored) {
      refuse('POSTERN_STATEMENT_UNSEEN', 'set_config is not supported where it would run later', 'Use SET.');
    }
    if (typeof setting !== 'string' || args.length !== 3) {
      refuse(
        'POSTERN_STATEMENT_UNSEEN',
        'which setting set_config changes cannot be seen',
        "Write the name of the setting as a constant: set_config('app.user_id', $1, true)",
      );
    }
    this.setting(setting, value ?? null);
  }

  /** A change of a run-time setting. @param value null where it cannot be seen, undefined for a reset. */
  setting(name: string, value: string | null | undefined): void {
    const rule = settingRule(name, value);
    if (rule.kind === 'denied') {
      refuse(rule.refusal.code, rule.refusal.reason, rule.refusal.hint);
    } else if (rule.kind === 'custom') {
      this.add('set', 'setting', rule.schema, rule.name);
    } else if (rule.searchPath) {
      this.touchesSearchPath = true;
    }
  }
}

function jsonFunction(body: Tree): string {
  const op = text(body.op, 'a JSON function');
  // JSON_QUERY_OP, JSON_VALUE_OP, JSON_EXISTS_OP, JSON_TABLE_OP
  return op.replace(/_OP$/, '').toLowerCase();
}

/** The name in a RangeVar. */
export function rangeName(rangeVar: unknown): DottedName {
  const body = tree(rangeVar, 'an unnamed relation');
  for (const field of Object.keys(body)) {
    if (!RANGE_VAR_FIELDS.has(field)) unknown(`a relation with ${field}`);
  }
  const schema = body.schemaname;
  return {
    schema: schema === undefined ? null : text(schema, 'an empty name'),
    name: text(body.relname, 'an empty name'),
  };
}

const RANGE_VAR_FIELDS: ReadonlySet<string> = new Set([
  'catalogname',
  'schemaname',
  'relname',
  'inh',
  'relpersistence',
  'alias',
  'location',
]);

/** The RangeVar in a wrapped node. */
export function rangeVarOf(value: unknown): Tree {
  const node = isTree(value) ? unwrap(value) : null;
  return node?.type === 'RangeVar' ? node.body : unknown('an unnamed relation');
}
