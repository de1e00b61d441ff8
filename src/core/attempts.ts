/**
 * Failed attempts to prove who one is, counted, so that nobody goes on for ever: per address of the client, and per name that
 * is claimed. Memory is bounded: where more addresses fail than can be told apart, the rest share one account.
 *
 * A name is never locked for everybody, which would let strangers lock a principal out: when many attempts on a name fail,
 * only those addresses are heard that proved it before. What is open stays open.
 */
import { isIPv6 } from 'node:net';

const WINDOW_MS = 60_000;
const KEYS_MAX = 20_000;
/** Addresses that proved a name are remembered so long. */
const PROVEN_MS = 24 * 3_600_000;
const PROVEN_MAX = 20_000;

/** Failures in a minute after which no more is heard. */
export interface AttemptLimits {
  readonly source: number;
  readonly name: number;
  readonly rest: number;
  /** Whether an address beyond its limit is still heard for names that it proved before: one that many clients share. */
  readonly shared?: true;
}

const LIMITS: AttemptLimits = { source: 30, name: 100, rest: 300 };

interface Account {
  readonly until: number;
  failures: number;
}

export class Attempts {
  readonly #limits: AttemptLimits;
  readonly #accounts = new Map<string, Account>();
  readonly #proven = new Map<string, number>();
  #rest: Account = { until: 0, failures: 0 };

  constructor(limits: AttemptLimits = LIMITS) {
    this.#limits = limits;
  }

  /**
   * Whether an attempt is heard at all.
   *
   * @param name as it is claimed, not looked at before; null where nothing is claimed
   */
  heard(source: string, name: string | null, nowMs: number): boolean {
    const network = networkOf(source);
    const { source: most, name: mostOfName, shared } = this.#limits;
    const proven = name !== null && (this.#proven.get(`${network} ${name}`) ?? 0) > nowMs;
    if (this.#failures(`s ${network}`, nowMs) >= most) return shared === true && proven;
    return name === null || this.#failures(`n ${name}`, nowMs) < mostOfName || proven;
  }

  failed(source: string, name: string | null, nowMs: number): void {
    this.#count(`s ${networkOf(source)}`, nowMs);
    if (name !== null) this.#count(`n ${name}`, nowMs);
  }

  /** @param name of the principal that was proven */
  proven(source: string, name: string, nowMs: number): void {
    const key = `${networkOf(source)} ${name}`;
    this.#proven.delete(key);
    this.#proven.set(key, nowMs + PROVEN_MS);
    if (this.#proven.size > PROVEN_MAX) this.#proven.delete(this.#proven.keys().next().value as string);
  }

  #failures(key: string, nowMs: number): number {
    const account = this.#accounts.get(key);
    if (account !== undefined && account.until > nowMs) return account.failures;
    // Not known, where no more can be: counted with all others.
    const full = this.#accounts.size >= KEYS_MAX && this.#rest.until > nowMs;
    return full && this.#rest.failures >= this.#limits.rest ? Number.POSITIVE_INFINITY : 0;
  }

  #count(key: string, nowMs: number): void {
    const known = this.#accounts.get(key);
    if (known !== undefined && known.until > nowMs) {
      known.failures += 1;
      return;
    }
    if (known === undefined && this.#accounts.size >= KEYS_MAX) this.#sweep(nowMs);
    if (known === undefined && this.#accounts.size >= KEYS_MAX) {
      if (this.#rest.until <= nowMs) this.#rest = { until: nowMs + WINDOW_MS, failures: 0 };
      this.#rest.failures += 1;
      return;
    }
    // Behind the others: the oldest are in front.
    this.#accounts.delete(key);
    this.#accounts.set(key, { until: nowMs + WINDOW_MS, failures: 1 });
  }

  #sweep(nowMs: number): void {
    for (const [key, { until }] of this.#accounts) {
      if (until > nowMs) return;
      this.#accounts.delete(key);
    }
  }
}

/** What one party has of addresses: one of IPv4, 64 bits of IPv6. */
export function networkOf(source: string): string {
  const address = source.replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? [];
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const middle = address.includes('::')
    ? new Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0')
    : [];
  const groups = [...front, ...middle, ...back]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}
