/** Whether a grant holds here and now, whatever the command. */
import { AddressBlocks } from '../core/address-blocks.ts';
import { Clock } from '../core/clock.ts';
import type { GrantConditions } from '../core/conditions.ts';
import type { GrantView } from '../core/views.ts';

/** Why a condition does not hold. */
export interface Unmet {
  readonly reason: string;
  readonly hint: string;
}

const MINUTE_MS = 60_000;

/** From where and when a grant may be used, compiled for the hot path. */
export class PlaceAndTime {
  readonly #conditions: GrantConditions;
  readonly #sources: AddressBlocks | null;
  readonly #clocks: readonly Clock[];
  /** The minute since 1970 for which `#open` was found. */
  #minute = -1;
  #open = true;

  constructor(conditions: GrantConditions) {
    this.#conditions = conditions;
    this.#sources = conditions.sources === undefined ? null : new AddressBlocks(conditions.sources);
    this.#clocks = (conditions.hours ?? []).map((hours) => new Clock(hours));
  }

  /** @param source the address of the client, without its port */
  reaches(source: string): boolean {
    return this.#sources?.has(source) ?? true;
  }

  /** Whether it is one of the hours. Asked for each command, found once a minute. */
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
   * The first of the two that does not hold, or null.
   *
   * @param source the address of the client, without its port
   */
  outside(source: string, nowMs: number): Unmet | null {
    if (!this.reaches(source)) return { reason: `the grant is not for ${source}`, hint: FROM_HINT };
    if (!this.open(nowMs))
      return { reason: `the grant is not for this time of day`, hint: this.#hoursHint() };
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

const compiled = new WeakMap<GrantConditions, PlaceAndTime>();

/** Compiled once for each grant that the snapshot holds. */
export function placeAndTime(conditions: GrantConditions): PlaceAndTime {
  let found = compiled.get(conditions);
  if (found === undefined) {
    found = new PlaceAndTime(conditions);
    compiled.set(conditions, found);
  }
  return found;
}

export function isActive(grant: GrantView, nowMs: number): boolean {
  return grant.status === 'active' && grant.start <= nowMs && nowMs < grant.end;
}

/** The address in `address:port`, an IPv4 address in IPv6 form as what it is. */
export function addressOf(source: string): string {
  const address = source.slice(0, source.lastIndexOf(':'));
  return /^::ffff:\d/i.test(address) ? address.slice(7) : address;
}
