/** Statements about the session: transactions, settings, prepared statements, cursors, COPY, CALL, notifications. */
import type { Classified, TransactionEffect } from './classified.ts';
import { DEFINE_HANDLERS, executable, execute, options } from './classify-define.ts';
import { type Collector, type Handler, NOTHING_VISIBLE, rangeName } from './collector.ts';
import {
  constantText,
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

/** Classifies a query inside another statement on its own. Given by `classify.ts`. */
export type ClassifyInner = (query: unknown, stored: boolean) => Classified;

const TRANSACTIONS: ReadonlyMap<unknown, TransactionEffect> = new Map([
  ['TRANS_STMT_BEGIN', 'begin'],
  ['TRANS_STMT_START', 'begin'],
  ['TRANS_STMT_COMMIT', 'commit'],
  ['TRANS_STMT_ROLLBACK', 'rollback'],
  ['TRANS_STMT_SAVEPOINT', 'savepoint'],
  ['TRANS_STMT_RELEASE', 'release'],
  ['TRANS_STMT_ROLLBACK_TO', 'rollback to'],
]);

const transaction: Handler = (collector, body) => {
  const effect = TRANSACTIONS.get(body.kind);
  if (effect === undefined) refuse('POSTERN_UNSUPPORTED', 'two-phase commit is not supported');
  collector.kind = effect.toUpperCase();
  collector.closed(body, collector.kind, ['kind', 'options', 'savepoint_name', 'chain', 'location']);
  options(collector, body.options);
  const chained = body.chain === true && (effect === 'commit' || effect === 'rollback');
  collector.transaction.push(chained ? `${effect} and chain` : effect);
  // SET LOCAL ends with its transaction, a rolled-back SET or CREATE never was.
  if (effect !== 'begin' && effect !== 'savepoint' && effect !== 'release') collector.movesNames = true;
};

const set: Handler = (collector, body) => {
  collector.kind = 'SET';
  collector.closed(body, 'SET', ['kind', 'name', 'args', 'jumble_args', 'is_local', 'location']);
  if (body.kind === 'VAR_RESET_ALL') {
    collector.kind = 'RESET';
    collector.touchesSearchPath = true;
    return;
  }
  const name = text(body.name, 'an unnamed setting');
  if (body.kind === 'VAR_SET_MULTI') {
    // SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT.
    collector.walk(body.args, NOTHING_VISIBLE);
  } else if (body.kind === 'VAR_RESET' || body.kind === 'VAR_SET_DEFAULT') {
    if (body.kind === 'VAR_RESET') collector.kind = 'RESET';
    collector.setting(name, undefined);
  } else if (body.kind === 'VAR_SET_VALUE') {
    const args = list(body.args);
    collector.walk(args, NOTHING_VISIBLE);
    collector.setting(name, args.length === 1 ? constantText(args[0]) : null);
  } else {
    unknown('this form of SET');
  }
};

const show: Handler = (collector, body) => {
  collector.kind = 'SHOW';
  collector.closed(body, 'SHOW', ['name']);
};

const discard: Handler = (collector, body) => {
  collector.kind = 'DISCARD';
  collector.closed(body, 'DISCARD', ['target']);
  if (body.target === 'DISCARD_ALL') {
    collector.effects.push({ op: 'discardAll' });
    collector.touchesSearchPath = true;
  }
  if (body.target === 'DISCARD_ALL' || body.target === 'DISCARD_TEMP') {
    collector.changesCatalog = true;
    collector.movesNames = true;
  }
};

const constraints: Handler = (collector, body) => {
  collector.kind = 'SET CONSTRAINTS';
  collector.closed(body, collector.kind, ['constraints', 'deferred']);
};

const deallocate: Handler = (collector, body) => {
  collector.kind = 'DEALLOCATE';
  collector.closed(body, 'DEALLOCATE', ['name', 'isall', 'location']);
  if (body.name === undefined) collector.effects.push({ op: 'deallocateAll' });
  else collector.effects.push({ op: 'deallocate', name: text(body.name, 'an empty name') });
};

const fetch: Handler = (collector, body) => {
  collector.kind = body.ismove === true ? 'MOVE' : 'FETCH';
  collector.closed(body, collector.kind, [
    'direction',
    'howMany',
    'portalname',
    'ismove',
    'direction_keyword',
    'location',
  ]);
  collector.effects.push({ op: 'fetch', name: text(body.portalname, 'an empty name') });
};

const close: Handler = (collector, body) => {
  collector.kind = 'CLOSE';
  collector.closed(body, 'CLOSE', ['portalname']);
  if (body.portalname === undefined) collector.effects.push({ op: 'closeAll' });
  else collector.effects.push({ op: 'close', name: text(body.portalname, 'an empty name') });
};

const explain: Handler = (collector, body) => {
  collector.kind = 'EXPLAIN';
  collector.closed(body, 'EXPLAIN', ['query', 'options']);
  options(collector, body.options);
  const query = unwrap(body.query);
  const creates = query?.type === 'CreateTableAsStmt' ? DEFINE_HANDLERS.get(query.type) : undefined;
  // Without ANALYZE nothing is run, but the plan alone tells of the data.
  if (query !== null && creates !== undefined) creates(collector, query.body, NOTHING_VISIBLE);
  else executable(collector, body.query);
  collector.kind = 'EXPLAIN';
};

const listen: Handler = (collector, body) => {
  collector.kind = 'LISTEN';
  collector.closed(body, 'LISTEN', ['conditionname']);
  collector.add('listen', 'channel', null, text(body.conditionname, 'an empty name'));
};

const unlisten: Handler = (collector, body) => {
  collector.kind = 'UNLISTEN';
  collector.closed(body, 'UNLISTEN', ['conditionname']);
};

const notify: Handler = (collector, body) => {
  collector.kind = 'NOTIFY';
  collector.closed(body, 'NOTIFY', ['conditionname', 'payload']);
  collector.add('notify', 'channel', null, text(body.conditionname, 'an empty name'));
};

const call: Handler = (collector, body) => {
  collector.kind = 'CALL';
  collector.closed(body, 'CALL', ['funccall']);
  const funccall = tree(body.funccall, 'this CALL');
  const { schema, name } = dotted(funccall.funcname);
  collector.add('execute', 'function', schema, name);
  collector.walkAs('FuncCall', funccall, NOTHING_VISIBLE);
};

function copySides(body: Tree): 'in' | 'out' {
  if (body.is_program === true) {
    refuse(
      'POSTERN_UNSUPPORTED',
      'COPY to or from a program runs a command on the server and is never allowed',
    );
  }
  if (body.filename !== undefined) {
    refuse(
      'POSTERN_UNSUPPORTED',
      'COPY to or from a file on the server is never allowed',
      'Use COPY ... TO STDOUT or COPY ... FROM STDIN (\\copy in psql).',
    );
  }
  return body.is_from === true ? 'in' : 'out';
}

const copy: Handler = (collector, body) => {
  collector.kind = 'COPY';
  collector.closed(body, 'COPY', [
    'relation',
    'query',
    'attlist',
    'is_from',
    'is_program',
    'filename',
    'options',
    'whereClause',
  ]);
  collector.copy = copySides(body);
  options(collector, body.options);
  collector.walk(body.whereClause, NOTHING_VISIBLE);
  if (body.query !== undefined) {
    executable(collector, body.query);
  } else {
    const verb = collector.copy === 'in' ? 'insert' : 'select';
    if (body.attlist === undefined) collector.relation(verb, body.relation);
    else collector.addPart(verb, rangeName(body.relation), nameParts(body.attlist));
  }
  // Everything that is moved in bulk needs `copy` beside the verb of its own.
  for (const { kind, schema, name } of collector.accesses) {
    if (kind === 'relation') collector.add('copy', 'relation', schema, name);
  }
};

function prepare(collector: Collector, body: Tree, inner: ClassifyInner): void {
  collector.kind = 'PREPARE';
  collector.closed(body, 'PREPARE', ['name', 'argtypes', 'query']);
  collector.walk(body.argtypes, NOTHING_VISIBLE);
  const prepared = inner(body.query, false);
  collector.absorb(prepared);
  collector.effects.push({ op: 'prepare', name: text(body.name, 'an empty name'), inner: prepared });
}

function declare(collector: Collector, body: Tree, inner: ClassifyInner): void {
  collector.kind = 'DECLARE CURSOR';
  collector.closed(body, collector.kind, ['portalname', 'options', 'query']);
  const declared = inner(body.query, true);
  collector.absorb(declared);
  collector.effects.push({ op: 'declare', name: text(body.portalname, 'an empty name'), inner: declared });
}

/** Handlers that need to classify a query on its own. */
export function sessionHandlers(inner: ClassifyInner): ReadonlyMap<string, Handler> {
  return new Map<string, Handler>([
    ['PrepareStmt', (collector, body) => prepare(collector, body, inner)],
    ['DeclareCursorStmt', (collector, body) => declare(collector, body, inner)],
    [
      'ExecuteStmt',
      (collector, body, visible) => {
        collector.kind = 'EXECUTE';
        execute(collector, body, visible);
      },
    ],
    ['TransactionStmt', transaction],
    ['VariableSetStmt', set],
    ['VariableShowStmt', show],
    ['DiscardStmt', discard],
    ['ConstraintsSetStmt', constraints],
    ['DeallocateStmt', deallocate],
    ['FetchStmt', fetch],
    ['ClosePortalStmt', close],
    ['ExplainStmt', explain],
    ['ListenStmt', listen],
    ['UnlistenStmt', unlisten],
    ['NotifyStmt', notify],
    ['CallStmt', call],
    ['CopyStmt', copy],
  ]);
}
