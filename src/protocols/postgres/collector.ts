/** The closed walk over a parse tree: collects what one statement touches, refuses what it does not know. */
import type { Access, AccessKind, Classified, NameEffect, TransactionEffect, Verb } from './classified.ts';
import { isHarmlessFunction } from './functions.ts';
import { NODE_SPECS, type NodeSpec } from './nodes.ts';
import { settingRule } from './settings.ts';
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

/** Names of the WITH queries that an unqualified name means before any relation. */
export type CteNames = ReadonlySet<string>;

/** Walks the body of one node type. */
export type Handler = (collector: Collector, body: Tree, ctes: CteNames) => void;

export const NO_CTES: CteNames = new Set();

export class Collector {
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #accesses = new Map<string, Access>();
  readonly calls = new Set<string>();
  readonly attributes = new Set<string>();
  readonly effects: NameEffect[] = [];
  readonly transaction: TransactionEffect[] = [];
  kind = '';
  copy: 'in' | 'out' | null = null;
  /** Column references seen so far: a clause that adds some reads columns. */
  columnReferences = 0;
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

  add(verb: Verb, kind: AccessKind, schema: string | null, name: string, beside?: string): void {
    const key = `${verb}\0${kind}\0${schema ?? ''}\0${name}\0${beside ?? ''}`;
    if (this.#accesses.has(key)) return;
    this.#accesses.set(key, { verb, kind, schema, name, ...(beside === undefined ? {} : { beside }) });
  }

  /** Takes over what a query inside this statement touches. */
  absorb(inner: Classified): void {
    if (inner.denied !== null) throw new Refused(inner.denied);
    for (const { verb, kind, schema, name, beside } of inner.accesses)
      this.add(verb, kind, schema, name, beside);
    for (const name of inner.calls) this.calls.add(name);
    for (const name of inner.attributes) this.attributes.add(name);
  }

  /** The relation that a RangeVar means. */
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
  walk(value: unknown, ctes: CteNames): void {
    if (value === undefined) return;
    if (Array.isArray(value)) {
      for (const item of value) this.walk(item, ctes);
      return;
    }
    const node = unwrap(value);
    if (node !== null) this.walkAs(node.type, node.body, ctes);
  }

  /** Walks a node of a known type that stands without its wrapper. */
  walkAs(type: string, value: unknown, ctes: CteNames): void {
    if (value === undefined) return;
    const body = tree(value, `a ${type} node`);
    const handler = this.#handlers.get(type);
    if (handler !== undefined) handler(this, body, ctes);
    else if (type === 'ColumnRef') this.#columnRef(body);
    else if (type === 'FuncCall') this.#call(body, ctes);
    else if (type === 'A_Indirection') this.#indirection(body, ctes);
    else this.#generic(type, body, ctes);
  }

  #generic(type: string, body: Tree, ctes: CteNames): void {
    const spec = NODE_SPECS.get(type);
    if (spec === undefined) unknown(`${type} here`);
    const call = spec.call ?? (type === 'JsonFuncExpr' ? jsonFunction(body) : null);
    if (call !== null) this.calls.add(call);
    if (type === 'CurrentOfExpr') this.columnReferences += 1;
    for (const [field, value] of Object.entries(body)) this.#field(spec, type, field, value, ctes);
  }

  #field(spec: NodeSpec, type: string, field: string, value: unknown, ctes: CteNames): void {
    if (spec.plain.has(field)) return;
    const typed = spec.typed.get(field);
    if (typed !== undefined) this.walkAs(typed, value, ctes);
    else if (spec.nodes.has(field)) this.walk(value, ctes);
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
  #columnRef(body: Tree): void {
    this.columnReferences += 1;
    this.closed(body, 'a column', ['fields', 'location']);
    const fields = list(body.fields).map((field) => unwrap(field));
    for (const [index, field] of fields.entries()) {
      if (field?.type === 'A_Star') continue;
      if (field?.type !== 'String') unknown('a column that is not plain');
      if (index > 0) this.attributes.add(text(field.body.sval, 'an empty name'));
    }
  }

  #indirection(body: Tree, ctes: CteNames): void {
    this.closed(body, 'a part of a value', ['arg', 'indirection']);
    this.walk(body.arg, ctes);
    for (const item of list(body.indirection)) {
      const node = unwrap(item);
      if (node?.type === 'String') this.attributes.add(text(node.body.sval, 'an empty name'));
      else this.walk(item, ctes);
    }
  }

  #call(body: Tree, ctes: CteNames): void {
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
    } else if (!isHarmlessFunction(name) || (schema !== null && schema !== 'pg_catalog')) {
      this.add('execute', 'function', schema, name);
    } else if (schema === null) {
      this.calls.add(name);
    }
    this.walk(body.args, ctes);
    this.walk(body.agg_order, ctes);
    this.walk(body.agg_filter, ctes);
    this.walkAs('WindowDef', body.over, ctes);
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
