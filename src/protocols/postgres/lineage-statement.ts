/** From a statement's parse tree to its lineage. */
import { type CopyFormat, type Lineage, NO_LINEAGE } from './lineage.ts';
import { expressionQuery, readQuery, relationName, tableQuery } from './lineage-query.ts';
import { isTree, list, type Tree } from './tree.ts';

/** Statements that read or change no values of a table's columns. */
const HARMLESS: ReadonlySet<string> = new Set([
  'TransactionStmt',
  'VariableSetStmt',
  'VariableShowStmt',
  'DiscardStmt',
  'ConstraintsSetStmt',
  'DeallocateStmt',
  'ClosePortalStmt',
  'ListenStmt',
  'UnlistenStmt',
  'NotifyStmt',
  'DropStmt',
  'TruncateStmt',
  'LockStmt',
  'VacuumStmt',
  'ReindexStmt',
  'ClusterStmt',
  'CreateSeqStmt',
  'CreateSchemaStmt',
  'CreateEnumStmt',
  'AlterSeqStmt',
  'AlterEnumStmt',
  'CommentStmt',
]);

/** @param statement a wrapped statement that the classifier has let through */
export function lineageOf(statement: unknown): Lineage {
  const [entry] = isTree(statement) ? Object.entries(statement) : [];
  if (entry === undefined || !isTree(entry[1])) return { ...NO_LINEAGE, to: 'define' };
  const [type, body] = entry;
  const query = readQuery(statement);
  if (query !== null) return { ...NO_LINEAGE, to: isTree(body.intoClause) ? 'stored' : 'client', query };
  switch (type) {
    case 'ExecuteStmt':
      return { ...NO_LINEAGE, to: 'client', runs: true };
    case 'FetchStmt':
      return { ...NO_LINEAGE, to: body.ismove === true ? 'nobody' : 'client', runs: true };
    case 'PrepareStmt':
    case 'DeclareCursorStmt':
      return { ...NO_LINEAGE, to: 'later', query: readQuery(body.query) };
    case 'ViewStmt':
      return { ...NO_LINEAGE, to: 'stored', query: readQuery(body.query) };
    case 'CreateTableAsStmt':
      return inner('stored', body.query);
    case 'RefreshMatViewStmt':
      return NO_LINEAGE;
    case 'ExplainStmt':
      return explain(body);
    case 'CallStmt':
      return { ...NO_LINEAGE, to: 'client', query: expressionQuery({ FuncCall: body.funccall }) };
    case 'CopyStmt':
      return copy(body);
    default:
      return HARMLESS.has(type) ? NO_LINEAGE : { ...NO_LINEAGE, to: 'define' };
  }
}

/** A query, or the EXECUTE of one, inside another statement. */
function inner(to: Lineage['to'], value: unknown): Lineage {
  const runs = isTree(value) && isTree(value.ExecuteStmt);
  return { ...NO_LINEAGE, to, query: readQuery(value), runs };
}

function explain(body: Tree): Lineage {
  const query = isTree(body.query) ? body.query : {};
  const creates = isTree(query.CreateTableAsStmt) ? query.CreateTableAsStmt : null;
  if (creates !== null) return inner('stored', creates.query);
  // EXPLAIN ANALYZE of SELECT INTO creates its table as well.
  const into = isTree(query.SelectStmt) && isTree(query.SelectStmt.intoClause);
  return { ...inner(into ? 'stored' : 'plan', query), measured: list(body.options).some(isAnalyze) };
}

function isAnalyze(option: unknown): boolean {
  return isTree(option) && isTree(option.DefElem) && option.DefElem.defname === 'analyze';
}

function copy(body: Tree): Lineage {
  if (body.is_from === true) return NO_LINEAGE;
  const columns = list(body.attlist).flatMap((item) =>
    isTree(item) && isTree(item.String) ? [String(item.String.sval ?? '')] : [],
  );
  const query = isTree(body.query) ? readQuery(body.query) : tableQuery(relationName(body.relation), columns);
  return {
    ...NO_LINEAGE,
    to: 'copy',
    query,
    copy: copyFormat(body.options),
    wholeTable: !isTree(body.query) && columns.length === 0,
  };
}

/** @see https://www.postgresql.org/docs/18/sql-copy.html */
export function copyFormat(options: unknown): CopyFormat | null {
  const given = new Map<string, string>();
  for (const item of list(options)) {
    const option = isTree(item) ? item.DefElem : undefined;
    if (!isTree(option)) return null;
    const name = String(option.defname);
    // Those that change what a value looks like in a way that is not followed, or say where errors go.
    if (!FOLLOWED.has(name)) return null;
    given.set(name, argument(option.arg));
  }
  const format = (given.get('format') ?? 'text').toLowerCase();
  if (format !== 'text' && format !== 'csv' && format !== 'binary') return null;
  const csv = format === 'csv';
  const quote = given.get('quote') ?? '"';
  const header = given.get('header');
  return {
    format,
    delimiter: given.get('delimiter') ?? (csv ? ',' : '\t'),
    nullText: given.get('null') ?? (csv ? '' : '\\N'),
    quote,
    escape: given.get('escape') ?? quote,
    header: header !== undefined && !/^(false|off|0|no|f)$/i.test(header),
  };
}

const FOLLOWED: ReadonlySet<string> = new Set([
  'format',
  'delimiter',
  'null',
  'header',
  'quote',
  'escape',
  'force_quote',
]);

/** The text of an option's value; `true` for one without. */
function argument(value: unknown): string {
  const [entry] = isTree(value) ? Object.entries(value) : [];
  if (entry === undefined || !isTree(entry[1])) return 'true';
  const [type, body] = entry;
  if (type === 'String') return String(body.sval ?? '');
  if (type === 'Boolean') return String(body.boolval === true);
  if (type === 'Integer') return String(body.ival ?? 0);
  return type === 'A_Star' || type === 'List' ? 'list' : String(body.fval ?? '');
}
