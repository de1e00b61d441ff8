import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { asBuffer } from './payload-block.ts';
import { COMMITMENT_BYTES, type DataKey } from './payload-seal.ts';
import { Remembered } from './remembered.ts';

/**
 * Which payloads are stored, in little memory: says of nearly every new one that it is new, and of none that is stored. A
 * blocked Bloom filter for each day, since every day has keys of its own, so commitments of its own.
 */

/** Days of which it is known. Around midnight records of two come. */
const DAYS = 2;
/** An odd number that spreads bits: the golden ratio. */
const SPREAD = 0x9e3779b1;
/** Words of a block: one line of the processor's cache. */
const BLOCK_WORDS = 16;
const BITS_PER_PAYLOAD = 16;
const FIRST_WORDS = 4096;
const GROWTH = 8;
/** 32 MiB, which does for 17 million payloads a day; of more it says less often that they are new. */
const MOST_WORDS = 8 * 1024 * 1024;

/** Grows by a part eight times as large as the last, as long as it may. */
export class GrowingFilter {
  readonly #parts: Uint32Array[] = [];
  /** Payloads that still go into the last part. */
  #room = 0;

  /** @param hash 32 bits of what is looked for @param more another 32 */
  has(hash: number, more: number): boolean {
    const most = Math.imul(hash ^ more, SPREAD);
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      const part = this.#parts[i] as Uint32Array;
      const at = blockAt(part, hash);
      if (
        isSet(part, at, more) &&
        isSet(part, at, more >>> 9) &&
        isSet(part, at, more >>> 18) &&
        isSet(part, at, most >>> 5) &&
        isSet(part, at, most >>> 14)
      ) {
        return true;
      }
    }
    return false;
  }

  add(hash: number, more: number): void {
    const part = this.#roomy();
    const at = blockAt(part, hash);
    const most = Math.imul(hash ^ more, SPREAD);
    set(part, at, more);
    set(part, at, more >>> 9);
    set(part, at, more >>> 18);
    set(part, at, most >>> 5);
    set(part, at, most >>> 14);
    this.#room -= 1;
  }

  #roomy(): Uint32Array {
    const last = this.#parts.at(-1);
    if (last !== undefined && (this.#room > 0 || last.length >= MOST_WORDS)) return last;
    const next = new Uint32Array(
      Math.min(MOST_WORDS, last === undefined ? FIRST_WORDS : last.length * GROWTH),
    );
    this.#parts.push(next);
    this.#room = Math.floor((next.length * 32) / BITS_PER_PAYLOAD);
    return next;
  }
}

function blockAt(part: Uint32Array, hash: number): number {
  return (hash & (part.length / BLOCK_WORDS - 1)) * BLOCK_WORDS;
}

/** Nine bits say which bit of a block. */
function isSet(part: Uint32Array, at: number, bits: number): boolean {
  return (((part[at + (bits & (BLOCK_WORDS - 1))] as number) >>> ((bits >>> 4) & 31)) & 1) === 1;
}

function set(part: Uint32Array, at: number, bits: number): void {
  const word = at + (bits & (BLOCK_WORDS - 1));
  part[word] = (part[word] as number) | (1 << ((bits >>> 4) & 31));
}

interface Day {
  readonly filter: GrowingFilter;
  /** Numbers of the keys of which it has everything. */
  readonly whole: Set<number>;
  /** Up to which block it has everything of a key. */
  readonly learnt: Map<number, number>;
}

/** For the one writer: everything that is stored has to be added. */
export class SeenPayloads {
  readonly #days = new Remembered<Day>(DAYS);
  readonly #blocks: StatementSync;
  readonly #perBatch: number;
  #mayRead = 0;

  /** @param perBatch blocks that may be read in a batch */
  constructor(db: DatabaseSync, perBatch: number) {
    this.#perBatch = perBatch;
    this.#blocks = db.prepare('SELECT n, commitments FROM blocks WHERE key = ? AND n > ? ORDER BY n LIMIT ?');
  }

  /** A batch begins: some blocks may be read. */
  begin(): void {
    this.#mayRead = this.#perBatch;
  }

  /** A key was just made: nothing is stored with it. */
  keyMade(key: DataKey): void {
    this.#of(key).whole.add(key.n);
  }

  /** False only where no payload with this commitment was ever stored with the key. */
  mayHave(key: DataKey, hash: number, more: number): boolean {
    const day = this.#of(key);
    return !this.#isWhole(day, key.n) || day.filter.has(hash, more);
  }

  add(key: DataKey, hash: number, more: number): void {
    this.#of(key).filter.add(hash, more);
  }

  clear(): void {
    this.#days.clear();
  }

  #of({ day }: DataKey): Day {
    const known = this.#days.get(day);
    if (known !== undefined) return known;
    const made = { filter: new GrowingFilter(), whole: new Set<number>(), learnt: new Map<number, number>() };
    this.#days.set(day, made);
    return made;
  }

  /** Whether the filter has everything of a key; reads what may be read of what it lacks. */
  #isWhole({ filter, whole, learnt }: Day, key: number): boolean {
    if (whole.has(key)) return true;
    if (this.#mayRead === 0) return false;
    const rows = this.#blocks.all(key, learnt.get(key) ?? 0, this.#mayRead);
    for (const row of rows) {
      const commitments = asBuffer(row.commitments);
      for (let at = 0; at < commitments.length; at += COMMITMENT_BYTES) {
        filter.add(commitments.readUInt32BE(at), commitments.readUInt32BE(at + 4));
      }
      learnt.set(key, Number(row.n));
    }
    const all = rows.length < this.#mayRead;
    this.#mayRead -= rows.length;
    if (all) {
      whole.add(key);
      learnt.delete(key);
    }
    return all;
  }
}
