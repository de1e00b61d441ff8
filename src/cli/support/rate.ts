import { Progress } from './progress.ts';

/** Says how far a long walk over records is, how fast, and how long it will take. */
export class RecordProgress {
  readonly #what: string;
  readonly #progress = new Progress();
  readonly #startedAt = performance.now();

  constructor(what: string) {
    this.#what = what;
  }

  /** To be called as often as one likes. Bound, so that it can be passed on. */
  readonly show = (done: number, total: number): void => {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const rate = done / Math.max(seconds, 0.001);
    const left = Math.ceil((total - done) / Math.max(rate, 1));
    const percent = Math.floor((100 * done) / Math.max(1, total));
    this.#progress.show(
      `${this.#what}, ${percent} %, ${Math.round(rate).toLocaleString('en')} records/s, ${left} s left`,
    );
  };

  clear(): void {
    this.#progress.clear();
  }
}
