/**
 * A memory of bounded size that keeps what is used: what was neither put in nor asked for lately is forgotten. Two maps, of
 * which the older one is dropped when the younger one is full.
 */
export class Remembered<V> {
  readonly #max: number;
  #young = new Map<string | number, V>();
  #old = new Map<string | number, V>();

  /** @param max most that may be remembered */
  constructor(max: number) {
    this.#max = Math.ceil(max / 2);
  }

  get(key: string | number): V | undefined {
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string | number, value: V): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  *values(): Generator<V> {
    yield* this.#young.values();
    yield* this.#old.values();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
