import type { AlertRuleName, Parameters } from './alert-rules.ts';
import type { Ref } from './record.ts';

/** Values and leaves that one finding names; the rest is counted. */
export const NAMED_MAX = 20;

/** Something that a rule found in the log. It follows from the leaves up to `leaf`, and from nothing else. */
export interface Finding {
  /** The leaf at which it was found. */
  readonly leaf: number;
  /** Of that leaf, microseconds since the Unix epoch. */
  readonly time: number;
  readonly rule: AlertRuleName;
  readonly parameters: Parameters;
  readonly principal: Ref;
  readonly resource: Ref | null;
  /** What it was: objects, networks, clients. At most {@link NAMED_MAX}. */
  readonly values: readonly string[];
  /** Leaves of the principal by which it was found, ascending. At most {@link NAMED_MAX}. */
  readonly leaves: readonly number[];
  /** How often, since the finding before it about the same. */
  readonly count: number;
}
