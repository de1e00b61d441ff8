import { PosternError } from '../core/errors.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { parseWitnessKey } from '../ledger/cosignature.ts';
import type { PublicKey } from '../ledger/keys.ts';
import { type NoteVerifier, splitNote } from '../ledger/note.ts';
import { cachingReader, consistencyProof } from '../ledger/proof.ts';
import type { TileReader } from '../ledger/tiles.ts';
import { submitCheckpoint, type WitnessAddress, type WitnessReply } from '../ledger/witness-client.ts';
import type { Submission } from '../ledger/witness-protocol.ts';
import type { WitnessPeriod, WitnessStore } from './witness-store.ts';

/** A witness as it is configured. */
export interface WitnessConfig {
  readonly name: string;
  /** Submission prefix, http or https. */
  readonly url: string;
  readonly vkey: string;
  /** Certificate authority to trust for https, PEM. */
  readonly ca?: string | undefined;
}

/**
 * `waiting`: nothing was submitted yet. `ok`: the last submission was cosigned. `lagging`: it answers, but what it cosigned last
 * is old. `unreachable`: no answer, or none in time. `refuses`: it says that it has seen another tree, or does not know the log,
 * or its answer is not valid.
 */
export type WitnessState = 'waiting' | 'ok' | 'lagging' | 'unreachable' | 'refuses';

export interface WitnessStatus {
  readonly name: string;
  readonly url: string;
  readonly vkey: string;
  readonly state: WitnessState;
  /** Size of the last checkpoint it cosigned, and when by its clock (seconds since the epoch). */
  readonly size: number | null;
  readonly time: number | null;
  /** Why the last submission came to nothing; null where it did not. */
  readonly error: string | null;
  /** Newest first. */
  readonly periods: readonly WitnessPeriod[];
}

/** A checkpoint on its way to the witnesses. */
export interface Circulating {
  /** As the log signed it. */
  readonly note: string;
  readonly size: number;
}

const DEADLINE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
/** The log may be quiet: a witness is asked again at times, so that one that is gone is missed. */
const REMIND_MS = 3_600_000;
/** Answers with another size that are followed within one submission. */
const MAX_TURNS = 3;

/** The dealings with one witness. */
export class WitnessLink {
  readonly config: WitnessConfig;
  readonly key: PublicKey;
  readonly #address: WitnessAddress;
  readonly #store: WitnessStore;
  readonly #readTile: TileReader;
  readonly #intervalMs: number;
  /** Size of the checkpoint that the witness has cosigned last, as far as we know. */
  #knows: number;
  #state: WitnessState = 'waiting';
  #error: string | null = null;
  #failures = 0;
  #notBefore = 0;
  #lastAt = 0;
  #busy = false;

  constructor(config: WitnessConfig, store: WitnessStore, readTile: TileReader, intervalMs: number) {
    this.config = config;
    this.key = parseWitnessKey(config.vkey);
    this.#address = { url: config.url, key: this.key, ca: config.ca };
    this.#store = store;
    this.#readTile = readTile;
    this.#intervalMs = intervalMs;
    this.#knows = store.last(config.vkey)?.size ?? 0;
  }

  /** Whether a checkpoint of this size is to be submitted now. */
  isDue(size: number): boolean {
    const now = Date.now();
    if (this.#busy || now < this.#notBefore) return false;
    return this.#state !== 'ok' || size > this.#knows || now - this.#lastAt > REMIND_MS;
  }

  /**
   * Submits a checkpoint and keeps the cosignature. Whatever happens is in the status; nothing is thrown.
   *
   * @param signal breaks it off: then it counts neither for nor against the witness
   * @returns the cosignature, a line of a note without its newline; null where there is none
   */
  async submit(circulating: Circulating, signal: AbortSignal): Promise<string | null> {
    this.#busy = true;
    try {
      const line = await this.#exchange(circulating, signal);
      this.#state = 'ok';
      this.#error = null;
      this.#failures = 0;
      this.#lastAt = Date.now();
      return line;
    } catch (error) {
      if (signal.aborted) return null;
      this.#state = error instanceof Refused ? 'refuses' : 'unreachable';
      this.#error = (error as Error).message;
      this.#notBefore = Date.now() + Math.min(this.#intervalMs * 2 ** this.#failures, LONGEST_PAUSE_MS);
      this.#failures = Math.min(this.#failures + 1, 16);
      this.#interrupt();
      return null;
    } finally {
      this.#busy = false;
    }
  }

  /** @param size of the log's last checkpoint */
  status(size: number): WitnessStatus {
    const { name, url, vkey } = this.config;
    const last = this.#store.last(vkey);
    const behind = last !== null && last.size < size;
    const late = Date.now() - this.#lastAt > Math.max(60_000, 6 * this.#intervalMs);
    return {
      name,
      url,
      vkey,
      state: this.#state === 'ok' && behind && late ? 'lagging' : this.#state,
      size: last?.size ?? null,
      time: last?.time ?? null,
      error: this.#error,
      periods: this.#store.periods(vkey),
    };
  }

  async #exchange({ note, size }: Circulating, signal: AbortSignal): Promise<string> {
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const old = Math.min(this.#knows, size);
      const proof = consistencyProof(cachingReader(this.#readTile), old, size);
      const reply = await this.#ask({ old, proof, note }, signal);
      if (reply.kind === 'cosigned') {
        const { line, time } = reply.cosignature;
        this.#knows = size;
        this.#store.cosigned(this.config.vkey, { size, time, note: `${note}${line}\n` });
        return line;
      }
      if (reply.kind === 'refused') {
        if (reply.status >= 500 || reply.status === 429) throw new Error(reply.reason);
        throw new Refused(reply.reason);
      }
      if (reply.size > size) {
        throw new Refused(
          `it has cosigned ${reply.size} leaves of this log, which has ${size} here: the log was set back, or there are two of it`,
        );
      }
      this.#knows = reply.size;
    }
    throw new Refused('it names another size each time');
  }

  async #ask(submission: Submission, signal: AbortSignal): Promise<WitnessReply> {
    try {
      return await submitCheckpoint(this.#address, submission, DEADLINE_MS, signal);
    } catch (error) {
      const invalid = error instanceof PosternError && error.code === 'POSTERN_INVALID';
      throw invalid ? new Refused(error.message) : error;
    }
  }

  #interrupt(): void {
    try {
      this.#store.interrupted(this.config.vkey);
    } catch (error) {
      this.#error = `${this.#error}; and that could not be noted: ${(error as Error).message}`;
    }
  }
}

/** The witness has answered, and will not cosign. */
class Refused extends Error {}

/** The last checkpoint, without cosignatures. @throws PosternError where it is not of the log of these keys */
export function circulating(note: string, keys: readonly NoteVerifier[]): Circulating {
  const { size } = openCheckpoint(note, keys);
  const { text, signatures } = splitNote(note);
  const own = signatures.filter(({ name }) => name === keys[0]?.name);
  return { note: `${text}\n${own.map(({ line }) => `${line}\n`).join('')}`, size };
}
