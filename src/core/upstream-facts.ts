/** What a resource itself says of who can and who does reach it, as a worker asked it: shapes that travel between processes. */

/** A role that may log in, is a superuser, or replicates. Times are RFC 3339. */
export interface AccountSeen {
  readonly name: string;
  readonly oid: string;
  readonly login: boolean;
  readonly superuser: boolean;
  readonly createRole: boolean;
  readonly createDb: boolean;
  readonly replication: boolean;
  readonly bypassRls: boolean;
  /** Null where that cannot be seen. Never the verifier itself. */
  readonly password: 'none' | 'md5' | 'scram' | null;
  readonly validUntil: string | null;
  /** Roles of which it is a member, the first of them. */
  readonly memberOf: readonly string[];
  /** Bears the mark of a session of this Postern (its id), of another one, or none. */
  readonly mark: { readonly session: string } | 'other' | null;
}

/** A connection, as `pg_stat_activity` has it. What the asker may not see is null. */
export interface ConnectionSeen {
  readonly pid: number;
  readonly user: string;
  readonly database: string | null;
  readonly application: string;
  readonly client: string | null;
  readonly startedAt: string | null;
  readonly active: boolean;
}

/** Executions per role since the counters began. */
export interface CallsSeen {
  readonly oid: string;
  /** Null for a role that is gone. */
  readonly user: string | null;
  readonly calls: number;
}

export interface StatementsSeen {
  readonly calls: readonly CallsSeen[];
  /** When the counters were reset last; null where the server does not say (PostgreSQL 13). */
  readonly resetAt: string | null;
  /** How often entries were thrown out for want of room; null where the server does not say. */
  readonly evicted: number | null;
  /** Whether statements within functions are counted too, and cannot be told apart. */
  readonly nested: boolean;
}

export interface UpstreamFacts {
  /** Of the resource's clock. */
  readonly at: string;
  readonly version: string;
  /** As whom it was asked. */
  readonly user: string;
  readonly accounts: readonly AccountSeen[];
  readonly connections: readonly ConnectionSeen[];
  /** Null where `pg_stat_statements` cannot be read; `statementsWhy` says why. */
  readonly statements: StatementsSeen | null;
  readonly statementsWhy: string | null;
  /** Whether of others' connections more than their user and name is seen. */
  readonly seesConnections: boolean;
  /** Something stands between that shows its own process ids: connections cannot be told apart. */
  readonly pooled: boolean;
  /** There were more accounts or connections than are looked at. */
  readonly cut: boolean;
}

export type Survey =
  | { readonly outcome: 'seen'; readonly facts: UpstreamFacts }
  | { readonly outcome: 'failed'; readonly why: string };

/** What a worker knows of its own doings at a server. */
export interface OwnTraces {
  /** Of the worker's process. */
  readonly boot: string;
  /** Process ids at the server of connections that are open, or were a moment ago. */
  readonly pids: readonly number[];
  /** Sessions (ids) that have a role of their own there. */
  readonly roles: readonly string[];
  /** Statements of Postern's own that were run as the administering user, and as others, at most. */
  readonly asked: { readonly admin: number; readonly others: number };
}
