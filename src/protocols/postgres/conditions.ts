/** Whether the conditions of a grant hold for a statement, here and now. */
import { AddressBlocks } from '../../core/address-blocks.ts';
import { Clock } from '../../core/clock.ts';
import type { GrantConditions } from '../../core/conditions.ts';
import type { Verb } from './classified.ts';
import type { Known } from './statements.ts';

/** Why a condition does not hold. */
export interface Unmet {
  readonly reason: string;
  readonly hint: string;
}

const DEFINING: ReadonlySet<Verb> = new Set<Verb>(['create', 'alter', 'drop']);
const MINUTE_MS = 60_000;

/** The conditions of one grant, compiled for the hot path. */
export class CompiledConditions {
  readonly #conditions: GrantConditions;
  readonly #fingerprints: ReadonlySet<string> | null;
  readonly #sources: AddressBlocks | null;
  readonly #clocks: readonly Clock[];
  /** The minute since 1970 for which `#open` was found. */
  #minute = -1;
  #open = true;

  constructor(conditions: GrantConditions) {
    this.#conditions = conditions;
    this.#fingerprints = conditions.fingerprints === undefined ? null : new Set(conditions.fingerprints);
    this.#sources = conditions.sources === undefined ? null : new AddressBlocks(conditions.sources);
    this.#clocks = (conditions.hours ?? []).map((hours) => new Clock(hours));
  }

  /** @param source the address of the client, without its port */
  reaches(source: string): boolean {
    return this.#sources?.has(source) ?? true;
  }

  /** Whether it is one of the hours. Asked for each statement, found once a minute. */
  open(nowMs: number): boolean {
    if (this.#clocks.length === 0) return true;
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#open = this.#clocks.some((clock) => clock.includes(nowMs));
    }
    return this.#open;
  }

  /**
   * The first condition that does not hold, or null.
   *
   * @param source the address of the client, without its port
   * @param all the statement, and what EXECUTE or FETCH in it would run
   */
  unmet(all: readonly Known[], source: string, nowMs: number): Unmet | null {
    if (!this.reaches(source)) return { reason: `the grant is not for ${source}`, hint: FROM_HINT };
    if (!this.open(nowMs))
      return { reason: `the grant is not for this time of day`, hint: this.#hoursHint() };
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

  #hoursHint(): string {
    const spans = (this.#conditions.hours ?? []).map(
      ({ days, from, to, timeZone }) => `${days.join(',')} ${from}-${to} ${timeZone}`,
    );
    return `It is for ${spans.join('; ')}.`;
  }
}

const FROM_HINT = 'Connect from an address that the grant names, or ask for a grant for this one.';
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

/** The address in `address:port`, an IPv4 address in IPv6 form as what it is. */
export function addressOf(source: string): string {
  const address = source.slice(0, source.lastIndexOf(':'));
  return /^::ffff:\d/i.test(address) ? address.slice(7) : address;
}
