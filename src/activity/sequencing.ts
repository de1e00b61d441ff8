import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { parseVerifierKey } from '../ledger/note.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { Sequencer } from '../ledger/sequencer.ts';
import { ActivityIndex } from './activity-index.ts';
import { removeIndex } from './schema.ts';
import type { LedgerStatus, ThreadData } from './thread-messages.ts';

/** Records taken per step: large enough to share the fsyncs, small enough to answer a flush in between. */
const STEP = 10_000;
/** A checkpoint is signed at most so often, unless asked for. */
const CHECKPOINT_MS = 1000;

/**
 * The sequencer with everything it feeds, opened together and closed together. After an error it must be closed
 * and opened anew: opening is what brings the index and the log back into step.
 */
export class Sequencing {
  readonly #dataDir: string;
  readonly #payloads: PayloadStore;
  readonly #index: ActivityIndex;
  readonly #sequencer: Sequencer;
  readonly #vkey: string;
  #signedSize: number;
  #signedAt = Date.now();

  static open({ dataDir, masterKey }: ThreadData): Sequencing {
    const payloads = PayloadStore.open(join(dataDir, 'payloads.db'), Buffer.from(masterKey));
    const file = join(dataDir, 'index.db');
    let index: ActivityIndex | null = null;
    try {
      index = ActivityIndex.open(file);
      let sequencer = Sequencer.open({ dir: dataDir, payloads, consumers: [index] });
      if (index.indexedSize() > sequencer.size) {
        // An index ahead of its log is the index of another history (a restored backup): rebuild it.
        sequencer.close();
        index.close();
        removeIndex(file);
        index = ActivityIndex.open(file);
        sequencer = Sequencer.open({ dir: dataDir, payloads, consumers: [index] });
      }
      return new Sequencing(dataDir, payloads, index, sequencer);
    } catch (error) {
      index?.close();
      payloads.close();
      throw error;
    }
  }

  private constructor(dataDir: string, payloads: PayloadStore, index: ActivityIndex, sequencer: Sequencer) {
    this.#dataDir = dataDir;
    this.#payloads = payloads;
    this.#index = index;
    this.#sequencer = sequencer;
    this.#vkey = readFileSync(join(dataDir, 'log', 'log.vkey'), 'utf8').trim();
    sequencer.checkpointNow();
    this.#signedSize = sequencer.size;
  }

  /** Takes in what the journals hold, at most one step of it. Answers whether there may be more. */
  step(): boolean {
    return this.#sequencer.step(STEP) > 0;
  }

  /** Signs a checkpoint where the last one is a second old and leaves have come since. Answers whether it did. */
  checkpointIfDue(): boolean {
    if (this.#sequencer.size === this.#signedSize || Date.now() - this.#signedAt < CHECKPOINT_MS)
      return false;
    this.checkpoint();
    return true;
  }

  checkpoint(): void {
    if (this.#sequencer.size !== this.#signedSize) this.#sequencer.checkpointNow();
    this.#signedSize = this.#sequencer.size;
    this.#signedAt = Date.now();
  }

  /** As of the last signed checkpoint. */
  status(): LedgerStatus {
    const checkpoint = readFileSync(join(this.#dataDir, 'log', 'checkpoint'), 'utf8');
    const { origin, size, root } = openCheckpoint(checkpoint, parseVerifierKey(this.#vkey));
    return {
      origin,
      size,
      root: root.toString('base64'),
      checkpoint,
      vkey: this.#vkey,
      lastCheckpointAt: this.#signedAt,
      fault: null,
    };
  }

  close(): void {
    for (const part of [this.#sequencer, this.#index, this.#payloads]) part.close();
  }
}
