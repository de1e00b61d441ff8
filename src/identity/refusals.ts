import { uuidv7 } from '../core/ids.ts';
import type { LoginRefused, RecordBase } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { atMillis } from './input.ts';
import { SYSTEM } from './persons.ts';

const WINDOW_MS = 60_000;
/** So many are told apart in a minute; the others are one sum per method. */
const MOST = 200;

interface Counted {
  readonly method: string;
  readonly reason: string;
  readonly source: string | null;
  readonly since: number;
  count: number;
}

/** Counts refused attempts to come in and records them once a minute, equal ones together, so that nobody can fill the log. */
export class Refusals {
  readonly #write: (record: RecordBase) => Promise<void>;
  #counted = new Map<string, Counted>();
  #flushedAt = 0;

  constructor(write: (record: RecordBase) => Promise<void>) {
    this.#write = write;
  }

  note(method: string, reason: string, source: string): void {
    const full = this.#counted.size >= MOST;
    const key = JSON.stringify([method, reason, source]);
    const known = this.#counted.get(key);
    if (known !== undefined) known.count += 1;
    else if (full) this.#add(JSON.stringify([method, '', null]), method, 'various', null);
    else this.#add(key, method, reason, source);
  }

  /** Writes what was counted, if it is time. What cannot be written is counted on. Returns how many records. */
  async flush(now = Date.now(), force = false): Promise<number> {
    if (this.#counted.size === 0 || (!force && now < this.#flushedAt + WINDOW_MS)) return 0;
    this.#flushedAt = now;
    let written = 0;
    for (const [key, { since, ...refused }] of [...this.#counted]) {
      const record: LoginRefused = {
        id: uuidv7(),
        time: rfc3339(nowMicros()),
        type: 'person.login_refused',
        actor: SYSTEM,
        refused: { ...refused, since: atMillis(since) },
      };
      await this.#write(record);
      this.#counted.delete(key);
      written += 1;
    }
    return written;
  }

  #add(key: string, method: string, reason: string, source: string | null): void {
    const known = this.#counted.get(key);
    if (known !== undefined) known.count += 1;
    else this.#counted.set(key, { method, reason, source, since: Date.now(), count: 1 });
  }
}
