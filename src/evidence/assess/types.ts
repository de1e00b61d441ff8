/**
 * What a framework is and what an assessment by it comes to (docs/frameworks.md). A framework is data: controls with
 * objectives; an objective that can be computed names a query over the populations of a package.
 */

/** How an objective is answered: by a query for what fails, by a list to be read, or by a document of the institution. */
export const OBJECTIVE_KINDS = ['assertion', 'report', 'organizational'] as const;
export type ObjectiveKind = (typeof OBJECTIVE_KINDS)[number];

/** To which time a query looks: the state at the end of the period, or what happened in it. */
export const QUERY_TIMES = ['end', 'period'] as const;
export type QueryTime = (typeof QUERY_TIMES)[number];

/** SQL over the tables of an assessment. */
export interface Query {
  /** The name by which objectives use it; for one that stands in a framework itself, that of the objective. */
  readonly id: string;
  readonly when: QueryTime;
  /** Tables it reads that may not be there: without them nothing is said. */
  readonly populations: readonly string[];
  /** Ids of the parameters without which nothing is said. */
  readonly parameters: readonly string[];
  /** Gives one number: how many things were looked at. */
  readonly examined: string;
  /** Gives the rows that fail; of a report, those to be read. */
  readonly rows: string;
}

/** A value that only the institution can set (an organization-defined parameter). None has a default. */
export interface ParameterSpec {
  /** Its name in queries and in the institution's file. */
  readonly id: string;
  readonly label: string;
  /** `days` and the like are whole numbers; `list` has texts. */
  readonly type: 'days' | 'hours' | 'seconds' | 'count' | 'text' | 'list';
  /** Ids of the parameter in frameworks that name it (`ac-02.03_odp.02`). */
  readonly odp: readonly string[];
}

export type ParameterValue = number | string | readonly string[];

/** Where the same is asked for elsewhere. */
export interface Crosswalk {
  readonly csf20?: readonly string[];
  readonly cri?: readonly string[];
  readonly 'nist-800-53'?: readonly string[];
}

export interface Objective {
  /** In OSCAL's form (`ac-2_obj.j`) where the framework has such. */
  readonly id: string;
  /** What is asserted, in one plain sentence of ours. */
  readonly asserts: string;
  readonly kind: ObjectiveKind;
  /** Of an assertion and a report. */
  readonly query?: Query;
  /** What the institution attaches. */
  readonly document?: string;
  /** What is not claimed by it. */
  readonly limits?: string;
}

export interface Control {
  /** `ac-2`, `ac-6.7`, `ii.c.15`; an OSCAL token. */
  readonly id: string;
  readonly title: string;
  /** The page or part of a report it belongs to, where the framework has an order of its own. */
  readonly part?: string;
  readonly crosswalk?: Crosswalk;
  readonly objectives: readonly Objective[];
}

/** Controls in the order in which they are to be read. */
export interface Framework {
  readonly id: string;
  readonly title: string;
  readonly version: string;
  /** URL of its text. */
  readonly source: string;
  readonly parameters: readonly ParameterSpec[];
  readonly controls: readonly Control[];
}

/** A time span, the end not included. Times are RFC 3339 UTC with microseconds. */
export interface Period {
  /** As it was asked for: `2026-Q3`. */
  readonly name: string;
  readonly since: string;
  readonly until: string;
  /** IANA name of the zone whose calendar the name is of. */
  readonly zone: string;
}

export interface AsOf {
  readonly origin: string;
  readonly size: number;
  /** base64 */
  readonly root: string;
  /** Of the last record in the package; null where there is none. */
  readonly time: string | null;
}

export const OUTCOMES = ['pass', 'fail', 'not_evaluable', 'reported', 'organizational'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A row of a result. `leaf` is, where it is there, that of the record to look at. */
export type ResultRow = Readonly<Record<string, string | number | null>>;

export interface AssessmentResult {
  /** Ids. */
  readonly control: string;
  readonly objective: string;
  readonly asserts: string;
  readonly outcome: Outcome;
  /** Why nothing is said; absent where something is. */
  readonly reason?: string;
  readonly when: QueryTime | null;
  readonly populations: readonly string[];
  /** Ids of those that the query uses. */
  readonly parameters: readonly string[];
  /** The SQL that was run; null where none is, as for what only the institution can supply. */
  readonly query: {
    readonly id: string;
    readonly examined: string;
    readonly rows: string;
    /** Hex, of both texts. */
    readonly sha256: string;
  } | null;
  /** How many things were looked at; null where nothing is said. */
  readonly examined: number | null;
  /** The first 1,000 in their order. Empty unless the outcome is `fail`. */
  readonly failing: readonly ResultRow[];
  readonly failingCount: number;
  /** Hex, of all of them, one JSON text a line. */
  readonly failingSha256: string;
  /** The rows of a report, as `failing`. */
  readonly reported: readonly ResultRow[];
  readonly reportedCount: number;
  readonly reportedSha256: string;
  readonly document?: string;
  readonly limits?: string;
}

/** A parameter as it stood at the log position. */
export interface AssessedParameter {
  readonly id: string;
  readonly label: string;
  readonly type: ParameterSpec['type'];
  readonly odp: readonly string[];
  /** Null: the institution has not set it. */
  readonly value: ParameterValue | null;
}

/** `assertions.json` of a package: follows from its leaves, its framework and its period alone. */
export interface Assessment {
  readonly framework: Pick<Framework, 'id' | 'title' | 'version' | 'source'> & {
    /** Hex, of `framework.json` of the package. */
    readonly sha256: string;
  };
  readonly period: Period;
  readonly asOf: AsOf;
  readonly parameters: readonly AssessedParameter[];
  /** The record that set them; null where none did. */
  readonly parametersFrom: {
    readonly leaf: number;
    readonly time: string;
    readonly by: string;
    /** Hex, of `parameters.yaml`. */
    readonly sha256: string;
  } | null;
  readonly counts: Readonly<Record<Outcome, number>>;
  /** In the order of the framework. */
  readonly results: readonly AssessmentResult[];
}
