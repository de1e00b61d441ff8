/** What an expression of a parse tree reads, and what for. */
import { isHarmlessFunction } from './functions.ts';
import type { Expression, Query, Reference, Use } from './lineage.ts';
import { argumentUse } from './lineage-functions.ts';
import { TEXT_TYPES } from './text-types.ts';
import { isTree, list, type Tree } from './tree.ts';

type ReadQuery = (select: Tree) => Query;

/** Reads an expression (or a list, or a clause of any shape); null where it reads nothing. */
export function expression(value: unknown, readQuery: ReadQuery, use: Use = 'carried'): Expression | null {
  const walk = new Walk(readQuery);
  walk.visit(value, use);
  if (walk.references.length === 0 && walk.queries.length === 0) return null;
  return { references: walk.references, queries: walk.queries };
}

/** Nodes that pass on what is in them and cannot fail on its account. */
const CARRIERS: ReadonlySet<string> = new Set([
  'CoalesceExpr',
  'CollateClause',
  'List',
  'NullTest',
  'ResTarget',
  'RowExpr',
]);

class Walk {
  readonly references: Reference[] = [];
  readonly queries: { readonly query: Query; readonly use: Use }[] = [];
  readonly #readQuery: ReadQuery;

  constructor(readQuery: ReadQuery) {
    this.#readQuery = readQuery;
  }

  /** Goes through everything there is: the classifier has refused what it does not know. */
  visit(value: unknown, use: Use): void {
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, use);
    } else if (isTree(value)) {
      for (const [field, inner] of Object.entries(value)) this.#node(field, inner, use);
    }
  }

  #node(type: string, body: unknown, use: Use): void {
    if (!isTree(body)) {
      this.visit(body, use);
      return;
    }
    switch (type) {
      case 'ColumnRef':
        this.#reference(body, use);
        return;
      case 'SelectStmt':
        this.queries.push({ query: this.#readQuery(body), use });
        return;
      case 'SubLink': {
        const plain = body.subLinkType === 'EXPR_SUBLINK' || body.subLinkType === 'ARRAY_SUBLINK';
        // EXISTS and count tell how many rows there are, whatever is in them.
        if (body.subLinkType !== 'EXISTS_SUBLINK')
          this.visit(body.subselect, plain ? use : stronger(use, 'probed'));
        else this.#exists(body.subselect);
        this.visit(body.testexpr, stronger(use, 'probed'));
        return;
      }
      case 'FuncCall':
        this.#call(body, use);
        return;
      case 'TypeCast': {
        const typeName = isTree(body.typeName) ? names(body.typeName.names) : [];
        const plain = isTree(body.typeName) && body.typeName.arrayBounds === undefined;
        // One of another schema may be a domain, which checks the value.
        const own = typeName.length === 1 || (typeName.length === 2 && typeName[0] === 'pg_catalog');
        const total = plain && own && TEXT_TYPES.has(typeName.at(-1) ?? '');
        this.visit(body.arg, total ? use : stronger(use, 'probed'));
        return;
      }
      case 'A_Expr': {
        const joins = body.kind === 'AEXPR_OP' && names(body.name).join('.') === '||';
        const inner = stronger(use, joins ? 'joined' : 'probed');
        this.visit(body.lexpr, inner);
        this.visit(body.rexpr, inner);
        return;
      }
      case 'A_ArrayExpr':
        this.visit(body, stronger(use, 'joined'));
        return;
      case 'JsonObjectConstructor':
      case 'JsonArrayConstructor':
      case 'JsonArrayQueryConstructor':
        // UNIQUE KEYS and the type in RETURNING check what they are given.
        this.visit(body, body.unique === true || returnsType(body.output) ? stronger(use, 'probed') : use);
        return;
      case 'JsonKeyValue':
        // No key may be NULL.
        this.visit(body.key, stronger(use, 'probed'));
        this.visit(body.value, use);
        return;
      case 'JsonValueExpr': {
        const format = isTree(body.format) ? body.format.format_type : 'JS_FORMAT_DEFAULT';
        this.visit(body, format === 'JS_FORMAT_DEFAULT' ? use : stronger(use, 'probed'));
        return;
      }
      case 'CaseExpr':
        this.visit(body.arg, stronger(use, 'probed'));
        for (const when of Array.isArray(body.args) ? body.args : []) this.#when(when, use);
        this.visit(body.defresult, use);
        return;
      case 'A_Indirection':
        this.visit(body.arg, use);
        // `(row).total` may call a function total(row).
        this.visit(body.indirection, stronger(use, 'probed'));
        return;
      default:
        this.visit(body, CARRIERS.has(type) || WRAPPERS.has(type) ? use : stronger(use, 'probed'));
    }
  }

  /** What the rows of EXISTS hold does not matter; how many there are does, and whether computing them fails. */
  #exists(subselect: unknown): void {
    const inner = { RangeSubselect: { subquery: subselect } };
    this.queries.push({ query: this.#readQuery({ fromClause: [inner] }), use: 'probed' });
  }

  #when(value: unknown, use: Use): void {
    const when = isTree(value) ? value.CaseWhen : undefined;
    if (!isTree(when)) return;
    this.visit(when.expr, stronger(use, 'probed'));
    this.visit(when.result, use);
  }

  #reference(body: Tree, use: Use): void {
    const fields = Array.isArray(body.fields) ? body.fields : [];
    const path = fields.map((field: unknown) =>
      isTree(field) && isTree(field.String) ? String(field.String.sval ?? '') : '*',
    );
    this.references.push({ path, use });
  }

  #call(body: Tree, use: Use): void {
    const parts = names(body.funcname);
    const name = parts.at(-1) ?? '';
    const builtIn = parts.length === 1 || (parts.length === 2 && parts[0] === 'pg_catalog');
    const known = builtIn && isHarmlessFunction(name) && !KEEPERS.test(name);
    const compares = stronger(use, 'probed');
    list(body.args).forEach((argument, index) => {
      // How many values of a column are not null is no value; what is computed may be NULL because of what it is computed from.
      if (known && name === 'count' && body.agg_distinct !== true) {
        if (!isColumn(argument)) this.visit(argument, compares);
        else if (use !== 'carried') this.visit(argument, use);
        return;
      }
      const own = body.agg_distinct === true || body.func_variadic === true ? 'probed' : undefined;
      this.visit(argument, stronger(use, known ? (own ?? argumentUse(name, body.args, index)) : 'handed'));
    });
    this.visit(body.agg_order, compares);
    this.visit(body.agg_filter, compares);
    this.visit(body.over, compares);
  }
}

/** Fields whose trees stand without the name of their type. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'arg',
  'formatted_expr',
  'key',
  'query',
  'raw_expr',
  'val',
  'value',
]);

/** Harmless in themselves, but what they are given shows elsewhere. */
const KEEPERS = /^(set_config|setseed|pg_advisory_|pg_sleep|pg_try_advisory_)/;

/** A JSON constructor with RETURNING. */
function returnsType(output: unknown): boolean {
  return isTree(output) && isTree(output.typeName);
}

function isColumn(value: unknown): boolean {
  return isTree(value) && isTree(value.ColumnRef);
}

/** Whether a value is that of a column, or the first of several columns and constants that is not null. */
export function isAsItIs(value: unknown): boolean {
  if (!isTree(value)) return false;
  if (isTree(value.ColumnRef) || isTree(value.A_Const) || isTree(value.ParamRef)) return true;
  return isTree(value.CoalesceExpr) && list(value.CoalesceExpr.args).every(isAsItIs);
}

const ORDER: readonly Use[] = ['carried', 'joined', 'probed', 'handed'];

function stronger(a: Use, b: Use): Use {
  return ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b;
}

function names(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((part: unknown) =>
    isTree(part) && isTree(part.String) ? String(part.String.sval ?? '') : '',
  );
}
