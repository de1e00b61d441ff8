/**
 * Records of refused requests for credentials, so many and no more: the first from an address for a reason at once, those that
 * follow within a minute as one record with their number. However many come, a minute has {@link KEYS_MAX} times two at most.
 */

import { networkOf } from '../core/attempts.ts';
import { type ErrorCode, PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { CredentialRefused, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { SYSTEM } from './persons.ts';

const WINDOW_MS = 60_000;
const KEYS_MAX = 64;
const REASON_MAX = 300;

interface Refusal {
  readonly source: string | null;
  readonly principal: Ref | null;
  readonly code: ErrorCode;
  readonly reason: string;
}

interface Counted extends Refusal {
  readonly since: string;
  count: number;
}

export class CredentialRefusals {
  readonly #write: (record: CredentialRefused) => Promise<void>;
  readonly #counted = new Map<string, Counted>();
  #timer: NodeJS.Timeout | null = null;

  /** @param write may fail: what is refused stays refused */
  constructor(write: (record: CredentialRefused) => Promise<void>) {
    this.#write = write;
  }

  /** @param refusal its principal only where it was proven: nobody writes into the account of another */
  async note(refusal: Refusal): Promise<void> {
    const { source, principal, code } = refusal;
    const key = `${networkOf(source ?? '')} ${code} ${principal?.id ?? ''}`;
    const known =
      this.#counted.get(key) ?? (this.#counted.size >= KEYS_MAX ? this.#counted.get('') : undefined);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const rest = this.#counted.size >= KEYS_MAX;
    const noted = rest
      ? { source: null, principal: null, code, reason: 'requests from more addresses than are told apart' }
      : { ...refusal, reason: refusal.reason.slice(0, REASON_MAX) };
    const since = rfc3339(nowMicros());
    this.#counted.set(rest ? '' : key, { ...noted, since, count: 0 });
    this.#timer ??= setTimeout(() => void this.#flush(), WINDOW_MS).unref();
    await this.#record({ ...noted, since, count: 1 });
  }

  /** Writes what is counted and not yet written. */
  close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    return this.#flush();
  }

  async #flush(): Promise<void> {
    this.#timer = null;
    const counted = [...this.#counted.values()];
    this.#counted.clear();
    for (const each of counted) if (each.count > 0) await this.#record(each);
  }

  async #record(counted: Counted): Promise<void> {
    try {
      await this.#write(recordOf(counted));
    } catch (error) {
      // What is refused stays refused. That nothing can be written is said by everything that needs a record to be let through.
      if (!(error instanceof PosternError)) throw error;
    }
  }
}

function recordOf({ source, principal, code, reason, count, since }: Counted): CredentialRefused {
  return {
    id: uuidv7(),
    time: rfc3339(nowMicros()),
    type: 'credential.refused',
    actor: principal === null ? SYSTEM : { kind: 'principal', ...principal },
    ...(principal && { principal }),
    source,
    code,
    reason,
    count,
    since,
  };
}
