const WINDOW_MS = 60_000;
const KEYS_MAX = 50_000;

/** Counts requests by the minute. Each worker admits its share, so that all of them together admit no more than the grant says. */
export class RateWindows {
  readonly #workers: number;
  #began = 0;
  readonly #counts = new Map<string, number>();

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Whether one more is within `rate` in a minute; counts it if so. */
  admits(key: string, rate: number, nowMs: number): boolean {
    if (rate === Number.POSITIVE_INFINITY) return true;
    if (nowMs - this.#began >= WINDOW_MS || nowMs < this.#began) {
      this.#began = nowMs;
      this.#counts.clear();
    }
    const count = this.#counts.get(key) ?? 0;
    if (count >= Math.floor(rate / this.#workers)) return false;
    if (!this.#counts.has(key) && this.#counts.size >= KEYS_MAX) return false;
    this.#counts.set(key, count + 1);
    return true;
  }
}
