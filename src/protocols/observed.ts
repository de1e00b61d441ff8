/** What was seen of commands, and the smallest scope that would have let them through: alike for every protocol. */

/** Commands of one class: alike but for their literals. */
export interface Observation {
  readonly verbs: readonly string[];
  /** As records have them. */
  readonly objects: readonly string[];
  readonly commands: number;
  /** Text of one of them; null where it is kept no more. It is asked for only where it is needed. */
  text(): Promise<string | null>;
}

/** A right of a scope. */
export interface Right {
  readonly verb: string;
  readonly object: string;
}

/** One verb on one object, by how many commands. */
export interface UsedRight extends Right {
  readonly commands: number;
}

export interface ObservedScope {
  /** Canonical; null where nothing needs a scope. */
  readonly scope: string | null;
  /** The most used first. */
  readonly rights: readonly UsedRight[];
  readonly commands: number;
  /** Commands of which it could not be told exactly what they needed. The scope covers them, and may cover more. */
  readonly unresolved: number;
}
