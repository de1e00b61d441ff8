import { join } from 'node:path';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { ConsumerAhead } from '../ledger/leaf.ts';
import type { KeyChange } from '../ledger/log-key.ts';
import { parseVerifierKeys } from '../ledger/note.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { Sequencer, type SequencerOptions } from '../ledger/sequencer.ts';
import { isDamage } from '../store/damage.ts';
import { ActivityIndex } from './activity-index.ts';
import { removeIndex } from './schema.ts';
import type { KeyRotation, LedgerStatus, ThreadData } from './thread-messages.ts';

/** Records taken per step: large enough to share the fsyncs, small enough to answer a flush in between. */
const STEP = 5_000;
/** A checkpoint is signed at most so often, unless asked for. */
const CHECKPOINT_MS = 1000;

/**
 * The sequencer with everything it feeds, opened together and closed together. Every method may be called again after
 * an error: sequencer and index find back into step by themselves.
 */
export class Sequencing {
  readonly #payloads: PayloadStore;
  readonly #index: ActivityIndex;
  readonly #sequencer: Sequencer;
  #signedSize: number;
  #signedAt = Date.now();

  static open({ dataDir, masterKey, logKey = null }: ThreadData): Sequencing {
    const payloads = PayloadStore.open(join(dataDir, 'payloads.db'), Buffer.from(masterKey));
    const file = join(dataDir, 'index.db');
    const options = { dir: dataDir, payloads, logKey };
    try {
      try {
        return Sequencing.#open(options, file);
      } catch (error) {
        // Everything in the index comes from the log: what is damaged, or of another history, is made anew.
        if (!isDamage(error) && !(error instanceof ConsumerAhead)) throw error;
        removeIndex(file);
        return Sequencing.#open(options, file);
      }
    } catch (error) {
      payloads.close();
      throw error;
    }
  }

  static #open(options: SequencerOptions, indexFile: string): Sequencing {
    const index = ActivityIndex.open(indexFile);
    try {
      return new Sequencing(options.payloads, index, Sequencer.open({ ...options, consumers: [index] }));
    } catch (error) {
      index.close();
      throw error;
    }
  }

  private constructor(payloads: PayloadStore, index: ActivityIndex, sequencer: Sequencer) {
    this.#payloads = payloads;
    this.#index = index;
    this.#sequencer = sequencer;
    sequencer.checkpointNow();
    this.#signedSize = sequencer.size;
  }

  /** Number of leaves under the last checkpoint. */
  get size(): number {
    return this.#signedSize;
  }

  /** Takes in what the journals hold, at most {@link STEP} records of it; how many it were. */
  step(): number {
    return this.#sequencer.step(STEP);
  }

  /** Whether the journals held more than the last {@link step} took. */
  get behind(): boolean {
    return this.#sequencer.behind;
  }

  /** Signs a checkpoint where the last one is a second old and leaves have come since. Answers whether it did. */
  checkpointIfDue(): boolean {
    if (this.#sequencer.size === this.#signedSize || Date.now() - this.#signedAt < CHECKPOINT_MS)
      return false;
    this.checkpoint();
    return true;
  }

  checkpoint(): void {
    this.#sequencer.checkpointNow();
    this.#signedSize = this.#sequencer.size;
    this.#signedAt = Date.now();
  }

  /** @see Sequencer.rotateKey */
  rotateKey({ actor, overlapMs, reason }: KeyRotation): KeyChange {
    const change = this.#sequencer.rotateKey(actor, overlapMs, reason);
    this.checkpoint();
    return change;
  }

  /** As of the last signed checkpoint. */
  status(): LedgerStatus {
    const checkpoint = this.#sequencer.checkpointNow();
    const vkey = this.#sequencer.vkey;
    const { origin, size, root } = openCheckpoint(checkpoint, parseVerifierKeys(vkey));
    return {
      origin,
      size,
      root: root.toString('base64'),
      checkpoint,
      vkey,
      lastCheckpointAt: this.#signedAt,
      fault: null,
    };
  }

  close(): void {
    for (const part of [this.#sequencer, this.#index, this.#payloads]) part.close();
  }
}
