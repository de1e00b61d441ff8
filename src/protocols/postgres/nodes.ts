/**
 * The expression nodes of PostgreSQL's raw parse tree: for each type which fields hold further nodes. A type or a field
 * that is not in this table is refused, so a grammar that grows fails closed.
 *
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/nodes/parsenodes.h
 */

export interface NodeSpec {
  /** Fields that hold wrapped nodes or lists of them. */
  readonly nodes: ReadonlySet<string>;
  /** Fields that hold one node of a known type, without its wrapper. */
  readonly typed: ReadonlyMap<string, string>;
  /** Fields that hold an operator's name. */
  readonly operators: ReadonlySet<string>;
  /** Fields without anything to look at: flags, positions, plain names. */
  readonly plain: ReadonlySet<string>;
  /** The function that servers older than this syntax would call instead. */
  readonly call: string | null;
}

/** Fields are written `name` (plain), `name*` (nodes), `name:Type` (typed), `name!` (operator). */
function spec(fields: string, call: string | null = null): NodeSpec {
  const nodes = new Set<string>();
  const typed = new Map<string, string>();
  const operators = new Set<string>();
  const plain = new Set(['location']);
  for (const field of fields.split(' ').filter((each) => each !== '')) {
    const [name, type] = field.split(':') as [string, string?];
    if (type !== undefined) typed.set(name, type);
    else if (field.endsWith('*')) nodes.add(field.slice(0, -1));
    else if (field.endsWith('!')) operators.add(field.slice(0, -1));
    else plain.add(field);
  }
  return { nodes, typed, operators, plain, call };
}

export const NODE_SPECS: ReadonlyMap<string, NodeSpec> = new Map([
  // Leaves.
  ['A_Const', spec('ival fval boolval sval bsval isnull')],
  ['A_Star', spec('')],
  ['Alias', spec('aliasname colnames')],
  ['BitString', spec('bsval')],
  ['Boolean', spec('boolval')],
  ['CurrentOfExpr', spec('cvarno cursor_name cursor_param')],
  ['Float', spec('fval')],
  ['Integer', spec('ival')],
  ['MergeSupportFunc', spec('msftype msfcollid', 'merge_action')],
  ['ParamRef', spec('number')],
  ['SetToDefault', spec('typeId typeMod collation')],
  ['SQLValueFunction', spec('op type typmod')],
  ['String', spec('sval')],
  // Expressions.
  ['A_ArrayExpr', spec('elements* list_start list_end')],
  ['A_Expr', spec('kind name! lexpr* rexpr* rexpr_list_start rexpr_list_end')],
  ['A_Indices', spec('is_slice lidx* uidx*')],
  ['BooleanTest', spec('arg* booltesttype')],
  ['BoolExpr', spec('boolop args*')],
  ['CaseExpr', spec('arg* args* defresult*')],
  ['CaseWhen', spec('expr* result*')],
  ['CoalesceExpr', spec('args*')],
  ['CollateClause', spec('arg* collname')],
  ['GroupingFunc', spec('args*')],
  ['GroupingSet', spec('kind content*')],
  ['List', spec('items*')],
  ['MinMaxExpr', spec('op args*')],
  ['MultiAssignRef', spec('source* colno ncolumns')],
  ['NamedArgExpr', spec('arg* name argnumber')],
  ['NullTest', spec('arg* nulltesttype argisrow')],
  ['ResTarget', spec('name indirection* val*')],
  ['RowExpr', spec('args* row_format colnames')],
  ['SortBy', spec('node* sortby_dir sortby_nulls useOp!')],
  ['SubLink', spec('subLinkType subLinkId testexpr* operName! subselect*')],
  ['TypeCast', spec('arg* typeName:TypeName')],
  ['TypeName', spec('names typeOid setof typmods* typemod arrayBounds*')],
  ['WindowDef', spec('name refname partitionClause* orderClause* frameOptions startOffset* endOffset*')],
  // XML.
  ['XmlExpr', spec('op name named_args* arg_names args* xmloption indent type typmod')],
  ['XmlSerialize', spec('xmloption expr* typeName:TypeName indent')],
  ['RangeTableFunc', spec('lateral docexpr* rowexpr* namespaces* columns* alias:Alias')],
  ['RangeTableFuncCol', spec('colname typeName:TypeName for_ordinality is_not_null colexpr* coldefexpr*')],
  // JSON.
  ['JsonAggConstructor', spec('output:JsonOutput agg_filter* agg_order* over:WindowDef')],
  ['JsonArgument', spec('val:JsonValueExpr name')],
  ['JsonArrayAgg', spec('constructor:JsonAggConstructor arg:JsonValueExpr absent_on_null', 'json_arrayagg')],
  ['JsonArrayConstructor', spec('exprs* output:JsonOutput absent_on_null', 'json_array')],
  [
    'JsonArrayQueryConstructor',
    spec('query* output:JsonOutput format:JsonFormat absent_on_null', 'json_array'),
  ],
  ['JsonBehavior', spec('btype expr* coerce')],
  ['JsonFormat', spec('format_type encoding')],
  [
    'JsonFuncExpr',
    spec(
      'op column_name context_item:JsonValueExpr pathspec* passing* output:JsonOutput on_empty:JsonBehavior on_error:JsonBehavior wrapper quotes',
    ),
  ],
  ['JsonIsPredicate', spec('expr* format:JsonFormat item_type unique_keys')],
  ['JsonKeyValue', spec('key* value:JsonValueExpr')],
  [
    'JsonObjectAgg',
    spec('constructor:JsonAggConstructor arg:JsonKeyValue absent_on_null unique', 'json_objectagg'),
  ],
  ['JsonObjectConstructor', spec('exprs* output:JsonOutput absent_on_null unique', 'json_object')],
  ['JsonOutput', spec('typeName:TypeName returning:JsonReturning')],
  ['JsonParseExpr', spec('expr:JsonValueExpr output:JsonOutput unique_keys', 'json')],
  ['JsonReturning', spec('format:JsonFormat typid typmod')],
  ['JsonScalarExpr', spec('expr* output:JsonOutput', 'json_scalar')],
  ['JsonSerializeExpr', spec('expr:JsonValueExpr output:JsonOutput', 'json_serialize')],
  [
    'JsonTable',
    spec(
      'context_item:JsonValueExpr pathspec:JsonTablePathSpec passing* columns* on_error:JsonBehavior alias:Alias lateral',
      'json_table',
    ),
  ],
  [
    'JsonTableColumn',
    spec(
      'coltype name typeName:TypeName pathspec:JsonTablePathSpec format:JsonFormat wrapper quotes columns* on_empty:JsonBehavior on_error:JsonBehavior',
    ),
  ],
  ['JsonTablePathSpec', spec('string* name name_location')],
  ['JsonValueExpr', spec('raw_expr* formatted_expr* format:JsonFormat')],
  // Parts of queries.
  ['CTESearchClause', spec('search_col_list search_breadth_first search_seq_column')],
  [
    'CTECycleClause',
    spec(
      'cycle_col_list cycle_mark_column cycle_mark_value* cycle_mark_default* cycle_path_column cycle_mark_type cycle_mark_typmod cycle_mark_collation cycle_mark_neop',
    ),
  ],
  ['InferClause', spec('indexElems* whereClause* conname')],
  ['IndexElem', spec('name expr* indexcolname collation opclass opclassopts* ordering nulls_ordering')],
  ['ReturningClause', spec('options* exprs*')],
  ['ReturningOption', spec('option value')],
  ['DefElem', spec('defnamespace defname arg* defaction')],
]);
