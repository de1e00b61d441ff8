import type { Payload } from '../core/record.ts';
import type { JournalWriter } from '../ledger/journal.ts';
import type { Recorder } from '../protocols/contract.ts';

/** What the recorder needs of a journal. */
export type TurnJournal = Pick<JournalWriter, 'append' | 'flush' | 'sync'>;

/** How long a record that nothing waits for (an outcome) may stay in memory, in milliseconds. */
const LINGER_MS = 10;
/** So many of them are written at once. */
const LINGER_RECORDS = 512;
/** So many bytes are written before the turn is over: one write has a limit, and one client must not use it up for all. */
const EARLY_BYTES = 32 * 1024 * 1024;

/**
 * Gathers the records of one event-loop turn, writes them with one write when the turn's input has been handled, and then lets
 * go what was waiting for them. Records that nothing waits for go along with the next that something does, or a moment later.
 */
export class TurnRecorder implements Recorder {
  readonly #journal: TurnJournal;
  readonly #onFault: (error: unknown) => void;
  #waiting: { readonly power: boolean; readonly callback: (written: boolean) => void }[] = [];
  #scheduled = false;
  #lingering = 0;
  #timer: NodeJS.Timeout | null = null;
  #bytes = 0;
  /** A part of this turn's records could not be written. */
  #lost = false;

  constructor(journal: TurnJournal, onFault: (error: unknown) => void) {
    this.#journal = journal;
    this.#onFault = onFault;
  }

  append(json: string, payloads?: readonly Payload[]): void {
    this.#journal.append(json, payloads);
    this.#lingering += 1;
    this.#bytes += json.length;
    for (const { data } of payloads ?? []) this.#bytes += data.length;
    if (this.#bytes >= EARLY_BYTES) this.#lost = !this.#write() || this.#lost;
    if (this.#lingering >= LINGER_RECORDS) this.#schedule();
    else this.#timer ??= setTimeout(() => this.#linger(), LINGER_MS);
  }

  afterWrite(durability: 'process' | 'power', callback: (written: boolean) => void): void {
    this.#waiting.push({ power: durability === 'power', callback });
    this.#schedule();
  }

  /** The timer is left alone by what is written meanwhile: making one for each statement would cost more. */
  #linger(): void {
    this.#timer = null;
    if (this.#lingering > 0) this.#flush();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Immediates run when all input of this turn has been read: the batch is the turn.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    this.#lingering = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    const written = this.#write() && !this.#lost;
    this.#lost = false;
    let synced: Promise<boolean> | null = null;
    for (const { power, callback } of waiting) {
      if (!power || !written) {
        callback(written);
        continue;
      }
      synced ??= this.#journal.sync().then(
        () => true,
        (error: unknown) => {
          this.#onFault(error);
          return false;
        },
      );
      void synced.then(callback);
    }
  }

  #write(): boolean {
    this.#bytes = 0;
    try {
      this.#journal.flush();
      return true;
    } catch (error) {
      this.#onFault(error);
      return false;
    }
  }
}
