import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

export const DATA_KEY_BYTES = 32;

/** What a number may be: it is written in four bytes. */
const MAX_NUMBER = 0xffff_ffff;

/**
 * Number of the key of data directories from before there was a keyring: the master key itself. It opens what was sealed then,
 * until all of that is sealed anew; it seals nothing.
 */
export const LEGACY_KEY = 0;

/** The keys as they go to a thread. */
export interface DataKeysMessage {
  readonly current: number;
  readonly keys: readonly (readonly [number: number, bytes: Uint8Array])[];
  readonly sequencerSeal: Uint8Array;
}

/**
 * The data keys: what is secret at rest is sealed under the current one, and names it by its number. There are others only until
 * what they sealed is sealed under the current one. They are in memory alone; on disk they lie in the keyring, which the master
 * key opens (`src/vault/keyring.ts`).
 */
export class DataKeys {
  readonly #keys = new Map<number, Buffer>();
  readonly #wrapping = new Map<number, KeyObject>();
  readonly #boxes = new Map<number, KeyObject>();
  readonly #sequencerSeal: Buffer;
  #current: number;

  private constructor(current: number, sequencerSeal: Uint8Array) {
    this.#current = current;
    this.#sequencerSeal = Buffer.from(sequencerSeal);
  }

  /** One key, number 1, of these 32 bytes; what is derived from it is derived as it was from a master key. */
  static of(bytes: Uint8Array): DataKeys {
    const seal = createHmac('sha256', bytes).update('postern-sequencer-seal').digest();
    return DataKeys.from({ current: 1, keys: [[1, bytes]], sequencerSeal: seal });
  }

  /** @throws RangeError where a key is not of 32 bytes, or the current one is not among them */
  static from({ current, keys, sequencerSeal }: DataKeysMessage): DataKeys {
    const made = new DataKeys(current, sequencerSeal);
    for (const [number, bytes] of keys) made.add(number, bytes);
    made.use(current);
    if (made.#sequencerSeal.length !== DATA_KEY_BYTES) throw new RangeError('A key has 32 bytes.');
    return made;
  }

  /** For a thread of this process, or the keyring. */
  export(): DataKeysMessage {
    return {
      current: this.#current,
      keys: [...this.#keys].map(([number, bytes]) => [number, Uint8Array.from(bytes)] as const),
      sequencerSeal: Uint8Array.from(this.#sequencerSeal),
    };
  }

  /** The number of the key that seals. */
  get current(): number {
    return this.#current;
  }

  get numbers(): readonly number[] {
    return [...this.#keys.keys()].sort((a, b) => a - b);
  }

  /** Shows that nobody else wrote the sequencer's positions. It is the same for as long as the data directory lasts. */
  get sequencerSeal(): Buffer {
    return this.#sequencerSeal;
  }

  /** @throws RangeError for a key that is not of 32 bytes, or another one of that number */
  add(number: number, bytes: Uint8Array): void {
    const known = this.#keys.get(number);
    if (known?.equals(bytes)) return;
    if (bytes.length !== DATA_KEY_BYTES || known !== undefined) throw new RangeError(`No key ${number}.`);
    if (!Number.isInteger(number) || number < 0 || number > MAX_NUMBER)
      throw new RangeError('A key number is out of bounds.');
    this.#keys.set(number, Buffer.from(bytes));
  }

  /** Makes a fresh key; it seals nothing until it is used. */
  make(): number {
    const number = Math.max(...this.numbers) + 1;
    const bytes = randomBytes(DATA_KEY_BYTES);
    this.add(number, bytes);
    bytes.fill(0);
    return number;
  }

  /** From now on this one seals. */
  use(number: number): void {
    if (!this.#keys.has(number) || number === LEGACY_KEY) throw new RangeError(`There is no key ${number}.`);
    this.#current = number;
  }

  /** Forgets keys, the current one excepted, and overwrites their bytes. */
  drop(numbers: readonly number[]): void {
    for (const number of numbers) {
      if (number === this.#current) throw new RangeError('The current key stays.');
      this.#keys.get(number)?.fill(0);
      for (const keys of [this.#keys, this.#wrapping, this.#boxes]) keys.delete(number);
    }
  }

  /** Takes over what another set of keys has: for a thread that is told of a change. */
  become(message: DataKeysMessage): void {
    for (const [number, bytes] of message.keys) this.add(number, bytes);
    this.use(message.current);
    const staying = new Set(message.keys.map(([number]) => number));
    this.drop(this.numbers.filter((number) => !staying.has(number)));
  }

  /** Wraps the day keys of payloads. Undefined where there is no key of that number. */
  wrapping(number: number): KeyObject | undefined {
    return this.#derived(this.#wrapping, number, (key) =>
      number === LEGACY_KEY ? key : derive(key, 'postern payload keys v2'),
    );
  }

  /** Seals small secrets. Undefined where there is no key of that number. */
  box(number: number): KeyObject | undefined {
    const purpose = number === LEGACY_KEY ? 'postern vault v1' : 'postern vault v2';
    return this.#derived(this.#boxes, number, (key) => derive(key, purpose));
  }

  #derived(
    known: Map<number, KeyObject>,
    number: number,
    make: (key: Buffer) => Buffer,
  ): KeyObject | undefined {
    const found = known.get(number);
    const bytes = this.#keys.get(number);
    if (found !== undefined || bytes === undefined) return found;
    const key = createSecretKey(make(bytes));
    known.set(number, key);
    return key;
  }
}

const derive = (key: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', purpose, DATA_KEY_BYTES));
