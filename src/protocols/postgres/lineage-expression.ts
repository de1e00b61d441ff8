/** What an expression of a parse tree reads, and what for. */
import { isHarmlessFunction } from './functions.ts';
import type { Expression, Query, Reference, Use } from './lineage.ts';
import { TOTAL_FUNCTIONS } from './lineage-functions.ts';
import { isTree, type Tree } from './tree.ts';

type ReadQuery = (select: Tree) => Query;

/** Reads an expression (or a list, or a clause of any shape); null where it reads nothing. */
export function expression(value: unknown, readQuery: ReadQuery, use: Use = 'carried'): Expression | null {
  const walk = new Walk(readQuery);
  walk.visit(value, use);
  if (walk.references.length === 0 && walk.queries.length === 0) return null;
  return { references: walk.references, queries: walk.queries };
}

/** Casts that no value can fail. */
const TOTAL_CASTS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);

/** Nodes that pass on what is in them and cannot fail on its account. */
const CARRIERS: ReadonlySet<string> = new Set([
  'A_ArrayExpr',
  'CoalesceExpr',
  'CollateClause',
  'JsonArrayConstructor',
  'JsonArrayQueryConstructor',
  'JsonKeyValue',
  'JsonObjectConstructor',
  'JsonValueExpr',
  'List',
  'NamedArgExpr',
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
        const total = plain && TOTAL_CASTS.has(typeName.at(-1) ?? '');
        this.visit(body.arg, total ? use : stronger(use, 'probed'));
        return;
      }
      case 'A_Expr': {
        const joins = body.kind === 'AEXPR_OP' && names(body.name).join('.') === '||';
        const inner = joins ? use : stronger(use, 'probed');
        this.visit(body.lexpr, inner);
        this.visit(body.rexpr, inner);
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

  /** What is in the rows of EXISTS does not matter; what decides about them does. */
  #exists(subselect: unknown): void {
    if (!isTree(subselect) || !isTree(subselect.SelectStmt)) {
      this.visit(subselect, 'probed');
      return;
    }
    const query = this.#readQuery(subselect.SelectStmt);
    this.queries.push({ query: query.arms.length > 0 ? query : { ...query, outputs: [] }, use: 'probed' });
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
    const total = known && TOTAL_FUNCTIONS.has(name);
    // How many values are not null is no value.
    const counts = total && name === 'count' && body.agg_distinct !== true;
    const inner = total ? use : stronger(use, known ? 'probed' : 'handed');
    const compares = stronger(use, 'probed');
    if (counts) {
      const before = this.references.length;
      this.visit(body.args, use);
      const plain = this.references.slice(before).filter((each) => each.use !== 'carried');
      this.references.splice(before, this.references.length, ...plain);
    } else {
      this.visit(body.args, body.agg_distinct === true ? compares : inner);
    }
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

const ORDER: readonly Use[] = ['carried', 'probed', 'handed'];

function stronger(a: Use, b: Use): Use {
  return ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b;
}

function names(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((part: unknown) =>
    isTree(part) && isTree(part.String) ? String(part.String.sval ?? '') : '',
  );
}
