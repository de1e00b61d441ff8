/**
 * Where the values of a statement's results come from: its queries reduced to what flows where. Pure data without any literal, so that it is
 * cached with the statement and holds for all texts of one shape; `mask-bind.ts` reads it against the names of a database.
 */

/** What the value of a reference is used for. */
export type Use =
  /** It is part of the result and nothing depends on it. */
  | 'carried'
  /** It is put beside other values of its type, which fails for an array of another shape, and for nothing else. */
  | 'joined'
  /** It decides something (a comparison, a condition), or may fail or multiply rows depending on what it is. */
  | 'probed'
  /** It goes into a function that may keep it or hand it on. */
  | 'handed';

export interface Reference {
  /** The names as written: `email`, `c.email`, `public.c.email`; `*` last for all columns. */
  readonly path: readonly string[];
  readonly use: Use;
}

/** All that an expression reads. */
export interface Expression {
  readonly references: readonly Reference[];
  readonly queries: readonly { readonly query: Query; readonly use: Use }[];
}

export interface Output {
  /** Null: the server chooses a name. */
  readonly name: string | null;
  /** Set where the output is a column, or all columns, as they are. */
  readonly path: readonly string[] | null;
  /** It becomes several columns: `(row).*`. */
  readonly spread: boolean;
  /** Null: nothing is read. */
  readonly value: Expression | null;
}

export interface RelationName {
  readonly schema: string | null;
  readonly name: string;
}

/** Something in FROM. */
export type Source =
  | {
      readonly kind: 'relation';
      readonly relation: RelationName;
      readonly alias: string | null;
      readonly renamed: boolean;
      /** Another name for the rows of the target, which `*` leaves out. */
      readonly shadow: boolean;
    }
  | {
      readonly kind: 'query';
      readonly query: Query;
      readonly alias: string | null;
      readonly renamed: boolean;
    }
  /** A function, XMLTABLE or JSON_TABLE: whatever goes in may come out under any name. */
  | { readonly kind: 'function'; readonly value: Expression | null; readonly alias: string | null }
  | {
      readonly kind: 'join';
      readonly sides: readonly Source[];
      /** Names in USING; null for NATURAL. */
      readonly using: readonly string[] | null;
      readonly alias: string | null;
      readonly renamed: boolean;
    };

/** A value that is kept. */
export interface Write {
  /** Null where it is not known which. */
  readonly column: string | null;
  readonly value: Expression;
  /** It is a column as it is, or the first of several that is not null. */
  readonly asItIs: boolean;
}

export interface Query {
  readonly ctes: readonly { readonly name: string; readonly query: Query; readonly renamed: boolean }[];
  readonly recursive: boolean;
  readonly sources: readonly Source[];
  readonly outputs: readonly Output[];
  /** The arms of a set operation, whose outputs are joined by position. */
  readonly arms: readonly Query[];
  /** WHERE, JOIN, ORDER BY, GROUP BY and the like. */
  readonly decides: readonly Expression[];
  /** Values of the outputs are compared with each other (DISTINCT, UNION), or one is named by its number. */
  readonly compares: boolean;
  /** What is written, and where. */
  readonly target: RelationName | null;
  readonly writes: readonly Write[];
  /** Rows of this query are inserted. */
  readonly inserts: Query | null;
}

export interface CopyFormat {
  readonly format: 'text' | 'csv' | 'binary';
  readonly delimiter: string;
  readonly nullText: string;
  readonly quote: string;
  readonly escape: string;
  readonly header: boolean;
}

/** One statement. */
export interface Lineage {
  /** Where its rows go. `plan`: to EXPLAIN. `later`: to nobody yet (PREPARE, DECLARE). `define`: it is no query. */
  readonly to: 'client' | 'copy' | 'stored' | 'plan' | 'later' | 'nobody' | 'define';
  readonly query: Query | null;
  /** EXPLAIN says how much room was taken, which tells of computed values. */
  readonly measured: boolean;
  /** It runs what EXECUTE or FETCH in it names. */
  readonly runs: boolean;
  /** Of COPY ... TO; null where its options cannot be followed. */
  readonly copy: CopyFormat | null;
  /** COPY of a table without a list of columns, which leaves out generated ones. */
  readonly wholeTable: boolean;
}

export const NO_LINEAGE: Lineage = {
  to: 'nobody',
  query: null,
  measured: false,
  runs: false,
  copy: null,
  wholeTable: false,
};
