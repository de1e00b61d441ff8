/**
 * From a parse tree to what the statements touch. The walk is closed: a statement, an expression or a field that this
 * version does not know is refused, never passed over.
 */
import type { Classified, Refusal } from './classified.ts';
import { CHANGE_HANDLERS } from './classify-change.ts';
import { DEFINE_HANDLERS } from './classify-define.ts';
import { QUERY_HANDLERS } from './classify-query.ts';
import { sessionHandlers } from './classify-session.ts';
import { WRITE_HANDLERS } from './classify-write.ts';
import { Collector, type Handler, NOTHING_VISIBLE } from './collector.ts';
import { ColumnUses } from './column-uses.ts';
import { REFUSED_STATEMENTS } from './refused.ts';
import { isTree, list, Refused, refuse, tree, unknown, unwrap } from './tree.ts';

export type * from './classified.ts';

/** Plain queries: no literal decides anything in them, unless the walk says so. */
const PLAIN_KINDS: ReadonlyMap<string, string> = new Map([
  ['SelectStmt', 'SELECT'],
  ['InsertStmt', 'INSERT'],
  ['UpdateStmt', 'UPDATE'],
  ['DeleteStmt', 'DELETE'],
  ['MergeStmt', 'MERGE'],
]);

const ANY_DEPTH: ReadonlyMap<string, Handler> = new Map([...QUERY_HANDLERS, ...WRITE_HANDLERS]);

const STATEMENT_HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ...DEFINE_HANDLERS,
  ...CHANGE_HANDLERS,
  ...sessionHandlers(classifyInner),
]);

/** One statement's findings, and whether it can change what names in later statements of the string mean. */
interface One {
  readonly classified: Classified;
  readonly movesNames: boolean;
}

function finish(collector: Collector, plain: boolean, denied: Refusal | null): One {
  const columns = collector.columns.resolve();
  const { accesses, effects, touchesSearchPath } = collector;
  const calls = accesses.some((access) => access.verb === 'execute');
  const runsOther = effects.some((effect) => effect.op === 'execute' || effect.op === 'fetch');
  return {
    classified: {
      statements: 1,
      kinds: [collector.kind],
      accesses,
      columns,
      unbounded: collector.unbounded,
      calls: [...collector.calls],
      attributes: [...collector.attributes],
      denied,
      literalsMatter: !plain || collector.literalsMatter,
      touchesSearchPath,
      changesCatalog: collector.changesCatalog,
      effects,
      transaction: collector.transaction,
      copy: collector.copy,
    },
    movesNames: collector.movesNames || touchesSearchPath || calls || runsOther,
  };
}

function classifyOne(statement: unknown, stored: boolean): One {
  const collector = new Collector(ANY_DEPTH);
  collector.stored = stored;
  let plain = false;
  try {
    const node = unwrap(statement);
    if (node === null) unknown('an empty statement');
    const { type, body } = node;
    collector.kind = PLAIN_KINDS.get(type) ?? type.replace(/Stmt$/, '').toUpperCase();
    plain = PLAIN_KINDS.has(type);
    const handler = plain ? ANY_DEPTH.get(type) : STATEMENT_HANDLERS.get(type);
    if (handler === undefined) {
      const known = REFUSED_STATEMENTS.get(type);
      if (known === undefined) unknown(`the statement ${type}`);
      collector.kind = known.name;
      refuse('POSTERN_UNSUPPORTED', known.reason);
    }
    handler(collector, body, NOTHING_VISIBLE);
    if (isTree(body.intoClause)) {
      collector.kind = 'SELECT INTO';
      plain = false;
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return finish(collector, plain, error.refusal);
  }
  return finish(collector, plain, null);
}

/** The query of PREPARE or DECLARE. */
function classifyInner(query: unknown, stored: boolean): Classified {
  const node = unwrap(query);
  if (node === null || !PLAIN_KINDS.has(node.type)) unknown('this statement here');
  return classifyOne(query, stored).classified;
}

const dependsOnPath = (one: Classified): boolean =>
  one.calls.length > 0 ||
  one.attributes.length > 0 ||
  one.effects.some((effect) => effect.op === 'execute') ||
  one.accesses.some(
    (access) => access.schema === null && access.kind !== 'channel' && access.kind !== 'setting',
  );

const MOVED: Refusal = {
  code: 'POSTERN_STATEMENT_UNSEEN',
  reason: 'an earlier statement of this string may change what the names in a later one mean',
  hint: 'Send the statements one by one, or write all names with their schema.',
};

function merge(all: readonly One[]): Classified {
  const accesses = new Map<string, Classified['accesses'][number]>();
  const columns = new ColumnUses();
  let denied: Refusal | null = null;
  let moved = false;
  for (const { classified, movesNames } of all) {
    for (const access of classified.accesses) accesses.set(JSON.stringify(access), access);
    columns.take(classified.columns);
    denied ??= classified.denied ?? (moved && dependsOnPath(classified) ? MOVED : null);
    moved ||= movesNames;
  }
  const each = all.map((one) => one.classified);
  return {
    statements: each.length,
    kinds: each.flatMap((one) => one.kinds),
    accesses: [...accesses.values()],
    columns: columns.resolve(),
    unbounded: each.some((one) => one.unbounded),
    calls: [...new Set(each.flatMap((one) => one.calls))],
    attributes: [...new Set(each.flatMap((one) => one.attributes))],
    denied,
    literalsMatter: each.some((one) => one.literalsMatter),
    touchesSearchPath: each.some((one) => one.touchesSearchPath),
    changesCatalog: each.some((one) => one.changesCatalog),
    effects: each.flatMap((one) => one.effects),
    transaction: each.flatMap((one) => one.transaction),
    copy: each.find((one) => one.copy !== null)?.copy ?? null,
  };
}

/** What a text that cannot be examined amounts to. */
export function refused(refusal: Refusal): Classified {
  return {
    statements: 0,
    kinds: [],
    accesses: [],
    columns: [],
    unbounded: false,
    calls: [],
    attributes: [],
    denied: refusal,
    literalsMatter: true,
    touchesSearchPath: false,
    changesCatalog: false,
    effects: [],
    transaction: [],
    copy: null,
  };
}

/**
 * Classifies the statements of one string.
 *
 * @param parseTree What libpg-query gives: `{version, stmts: [{stmt}]}`.
 * @throws {RangeError} where the tree is too deep for the stack: refuse the text as too large.
 */
export function classify(parseTree: unknown): Classified {
  const all: One[] = [];
  try {
    for (const raw of list(tree(parseTree, 'an unexpected parse tree').stmts)) {
      all.push(classifyOne(tree(raw, 'an unexpected parse tree').stmt, false));
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refused(error.refusal);
  }
  const [only] = all;
  return all.length === 1 && only !== undefined ? only.classified : merge(all);
}
