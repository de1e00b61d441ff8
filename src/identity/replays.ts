/** Ids that are good once. Bounded: when there are too many that still count, no more are taken. */
export class Replays {
  readonly #seen = new Map<string, number>();
  readonly #max: number;
  /** What was made before there was a memory may have been used already. To the second, as tokens say it. */
  readonly #sinceMs: number;

  constructor(sinceMs: number, max = 100_000) {
    this.#sinceMs = Math.floor(sinceMs / 1000) * 1000;
    this.#max = max;
  }

  /**
   * Whether an id comes for the first time; from then on it does not.
   *
   * @param madeMs when it was made, milliseconds
   * @param untilMs after this it is refused for its age anyway
   */
  first(id: string, madeMs: number, untilMs: number, nowMs: number): boolean {
    if (madeMs < this.#sinceMs || this.#seen.has(id)) return false;
    if (this.#seen.size >= this.#max) this.#sweep(nowMs);
    if (this.#seen.size >= this.#max) return false;
    this.#seen.set(id, untilMs);
    return true;
  }

  #sweep(nowMs: number): void {
    for (const [id, until] of this.#seen) if (until <= nowMs) this.#seen.delete(id);
  }
}
