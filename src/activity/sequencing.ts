import { join } from 'node:path';
import type { DataKeys } from '../core/data-keys.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import type { KeyChange } from '../ledger/log-key.ts';
import { parseVerifierKeys } from '../ledger/note.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { Sequencer } from '../ledger/sequencer.ts';
import type { Loss } from '../ledger/sequencer-db.ts';
import { TILE_WIDTH } from '../ledger/tree.ts';
import type { KeyRotation, LedgerStatus } from './thread-messages.ts';

/** Records taken per step: large enough to share the fsyncs, small enough to answer a flush in between. */
const STEP = 20_000;
/** A checkpoint is signed at most so often, unless asked for. */
const CHECKPOINT_MS = 1000;

export interface SequencingOptions {
  readonly dataDir: string;
  readonly keys: DataKeys;
  /** Text of the log's signing keys where they are not in `log/log.key`. */
  readonly logKey?: string | null | undefined;
}

/**
 * The sequencer with the payloads, opened together and closed together, and when it signs. Every method may be called again
 * after an error.
 */
export class Sequencing {
  readonly #payloads: PayloadStore;
  readonly #sequencer: Sequencer;
  #signedSize: number;
  #signedAt = Date.now();

  static open({ dataDir, keys, logKey = null }: SequencingOptions): Sequencing {
    const payloads = PayloadStore.open(join(dataDir, 'payloads.db'), keys);
    try {
      return new Sequencing(payloads, Sequencer.open({ dir: dataDir, payloads, logKey }));
    } catch (error) {
      payloads.close();
      throw error;
    }
  }

  private constructor(payloads: PayloadStore, sequencer: Sequencer) {
    this.#payloads = payloads;
    this.#sequencer = sequencer;
    sequencer.checkpointNow();
    this.#signedSize = sequencer.size;
  }

  /** Number of leaves under the last checkpoint. */
  get size(): number {
    return this.#signedSize;
  }

  /** Number of leaves in full bundles, under a checkpoint or not: safe on disk, and their files never change. */
  get fullSize(): number {
    return this.#sequencer.size - (this.#sequencer.size % TILE_WIDTH);
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
      losses: this.#sequencer.losses.map(sentence),
      fault: null,
    };
  }

  close(): void {
    for (const part of [this.#sequencer, this.#payloads]) part.close();
  }
}

function sentence({ file, offset, what }: Loss): string {
  const how = what === 'missing' ? 'was gone when it had been read up to' : 'ended before';
  return `The journal ${file} ${how} offset ${offset}: what it had more is not in the log.`;
}
