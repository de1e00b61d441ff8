/** Whether the conditions of a grant hold for a statement, here and now. */
import type { GrantConditions } from '../../core/conditions.ts';
import { PlaceAndTime, type Unmet } from '../grant-conditions.ts';
import type { Verb } from './classified.ts';
import type { Known } from './statements.ts';

const DEFINING: ReadonlySet<Verb> = new Set<Verb>(['create', 'alter', 'drop']);

/** The conditions of one grant, compiled for the hot path. */
export class CompiledConditions extends PlaceAndTime {
  readonly #conditions: GrantConditions;
  readonly #fingerprints: ReadonlySet<string> | null;

  constructor(conditions: GrantConditions) {
    super(conditions);
    this.#conditions = conditions;
    this.#fingerprints = conditions.fingerprints === undefined ? null : new Set(conditions.fingerprints);
  }

  /**
   * The first condition that does not hold, or null.
   *
   * @param source the address of the client, without its port
   * @param all the statement, and what EXECUTE or FETCH in it would run
   */
  unmet(all: readonly Known[], source: string, nowMs: number): Unmet | null {
    const outside = this.outside(source, nowMs);
    if (outside !== null) return outside;
    for (const { classified, fingerprint } of all) {
      const { accesses } = classified;
      if (this.#conditions.requireWhere === true && classified.unbounded) {
        return {
          reason: 'the grant allows no UPDATE or DELETE without a WHERE, and no TRUNCATE',
          hint: WHERE_HINT,
        };
      }
      if (this.#conditions.noDdl === true && accesses.some(({ verb }) => DEFINING.has(verb))) {
        return { reason: 'the grant allows no statement that creates, alters or drops', hint: DDL_HINT };
      }
      if (this.#fingerprints !== null && accesses.length > 0 && !this.#fingerprints.has(fingerprint ?? '')) {
        const reason = `the grant is not for a statement with the fingerprint ${fingerprint ?? 'of none'}`;
        return { reason, hint: FINGERPRINT_HINT };
      }
    }
    return null;
  }
}

const WHERE_HINT = 'Say which rows are meant, by a column of the table that is changed.';
const DDL_HINT = 'Ask for a grant without this condition.';
const FINGERPRINT_HINT =
  'The grant names the statements that may be run. Those differ from others in more than their constants.';

const compiled = new WeakMap<GrantConditions, CompiledConditions>();

/** Compiled once for each grant that the snapshot holds. */
export function compileConditions(conditions: GrantConditions): CompiledConditions {
  let found = compiled.get(conditions);
  if (found === undefined) {
    found = new CompiledConditions(conditions);
    compiled.set(conditions, found);
  }
  return found;
}
