import type { Payload } from '../core/record.ts';
import type { JournalWriter } from '../ledger/journal.ts';
import type { Recorder } from '../protocols/contract.ts';

/** What the recorder needs of a journal. */
export type TurnJournal = Pick<JournalWriter, 'append' | 'flush' | 'sync'>;

/**
 * Gathers the records of one event-loop turn, writes them with one write when the turn's input has been handled, and then lets
 * go what was waiting for them.
 */
export class TurnRecorder implements Recorder {
  readonly #journal: TurnJournal;
  readonly #onFault: (error: unknown) => void;
  #waiting: { readonly power: boolean; readonly callback: (written: boolean) => void }[] = [];
  #scheduled = false;

  constructor(journal: TurnJournal, onFault: (error: unknown) => void) {
    this.#journal = journal;
    this.#onFault = onFault;
  }

  append(json: string, payloads?: readonly Payload[]): void {
    this.#journal.append(json, payloads);
    this.#schedule();
  }

  afterWrite(durability: 'process' | 'power', callback: (written: boolean) => void): void {
    this.#waiting.push({ power: durability === 'power', callback });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Immediates run when all input of this turn has been read: the batch is the turn.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    let written = true;
    try {
      this.#journal.flush();
    } catch (error) {
      written = false;
      this.#onFault(error);
    }
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
}
