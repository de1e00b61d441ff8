/**
 * What the classifier says about one statement string: the contract between `classify.ts`, `scope.ts` and the
 * session. Pure data, so that it can be cached, compared and sent between threads.
 */
import type { ErrorCode } from '../../core/errors.ts';

/** The verbs of a scope, each with what it lets a principal do (docs/scopes.md). */
export const VERBS = {
  select: 'read rows of a table, view, sequence or foreign table',
  insert: 'add rows',
  update: 'change rows, and lock rows with FOR UPDATE or FOR SHARE',
  delete: 'remove rows',
  truncate: 'empty a table',
  references: 'point a foreign key at a table',
  create: 'create tables, indexes, sequences, views, types and schemas',
  alter: 'change, rename or comment on what exists',
  drop: 'drop what exists',
  execute: 'call a function or procedure that is not known to be harmless',
  copy: 'move rows in bulk with COPY (together with select or insert)',
  lock: 'take an explicit table lock',
  maintain: 'VACUUM, ANALYZE, CLUSTER, REINDEX, REFRESH MATERIALIZED VIEW',
  listen: 'listen on a notification channel',
  notify: 'notify a channel',
  set: 'set a custom setting such as app.user_id',
} as const;

export type Verb = keyof typeof VERBS;

/** The verbs that can be given on columns alone, as in PostgreSQL. */
export const COLUMN_VERBS: ReadonlySet<Verb> = new Set<Verb>(['select', 'insert', 'update', 'references']);

/** `schema`: the schema as a whole; its `name` is empty. */
export type AccessKind = 'relation' | 'function' | 'schema' | 'type' | 'channel' | 'setting';

/** One thing that a statement does to one object. */
export interface Access {
  readonly verb: Verb;
  readonly kind: AccessKind;
  /**
   * Null: not qualified, to be resolved on the search path (relation, function, type), or without a schema by
   * nature (channel). For a setting `app.user_id` the part before the first dot.
   */
  readonly schema: string | null;
  readonly name: string;
  /** The unqualified relation or type in whose schema this new name will stand (ALTER ... RENAME TO). */
  readonly beside?: string;
}

/**
 * The columns of one relation in `accesses` that a statement reads or writes: not less than it does, where it cannot be told
 * rather more. A relation without columns here (`count(*)`) needs a right on any one of them.
 */
export interface ColumnUse {
  readonly verb: Verb;
  /** As in the `Access` of the same verb. */
  readonly schema: string | null;
  readonly name: string;
  /** Every column but the system's: `*`, the row as a value, a list left out. */
  readonly all: boolean;
  /** Columns that are meant for certain. One that is not there may be a function of the whole row. */
  readonly named: readonly string[];
  /** Names that mean this relation's column where it has one of that name. */
  readonly maybe: readonly string[];
}

/** A refusal that no scope can lift. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint?: string;
  /** 1-based character position in the text, for a syntax error. */
  readonly position?: number;
}

/** What a statement does to the session's prepared statements and cursors, in the order of the text. */
export type NameEffect =
  | { readonly op: 'prepare' | 'declare'; readonly name: string; readonly inner: Classified }
  | { readonly op: 'execute' | 'deallocate' | 'fetch' | 'close'; readonly name: string }
  | { readonly op: 'deallocateAll' | 'closeAll' | 'discardAll' };

export type TransactionEffect =
  | 'begin'
  | 'commit'
  | 'commit and chain'
  | 'rollback'
  | 'rollback and chain'
  | 'savepoint'
  | 'release'
  | 'rollback to';

export interface Classified {
  /** Statements in the string; 0 is an empty query. */
  readonly statements: number;
  /** Command names for people, one per statement: `SELECT`, `CREATE TABLE`. */
  readonly kinds: readonly string[];
  /** Without repeats, in the order found. */
  readonly accesses: readonly Access[];
  /** For each relation of a verb in `COLUMN_VERBS`. */
  readonly columns: readonly ColumnUse[];
  /** There is a TRUNCATE, or an UPDATE or DELETE, at any depth, whose WHERE looks at no column of what it changes. */
  readonly unbounded: boolean;
  /** Harmless built-in functions called without a schema: an overload on the search path would need `execute`. */
  readonly calls: readonly string[];
  /** Names after a dot (`t.total`): PostgreSQL calls a function `total(t)` where no such column exists. */
  readonly attributes: readonly string[];
  /** Not null: cannot be allowed by any scope. */
  readonly denied: Refusal | null;
  /** False only where no literal in the text can change anything in this object. */
  readonly literalsMatter: boolean;
  /** Afterwards the session's search path may differ (a ROLLBACK may take such a change back: see `transaction`). */
  readonly touchesSearchPath: boolean;
  /** Afterwards a relation, schema or type may have come, gone or been renamed. */
  readonly changesCatalog: boolean;
  readonly effects: readonly NameEffect[];
  readonly transaction: readonly TransactionEffect[];
  /** Rows stream in or out in COPY sub-protocol. */
  readonly copy: 'in' | 'out' | null;
}
