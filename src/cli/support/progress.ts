const INTERVAL_MS = 100;

/** One line on a terminal that says how far a long task is; nothing where standard error is no terminal. */
export class Progress {
  #shownAt = 0;

  /** Shows a text instead of the last one, unless that was shown a moment ago. */
  show(text: string): void {
    const now = Date.now();
    if (!process.stderr.isTTY || now - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = now;
    process.stderr.write(`\r\x1b[K${text} ...`);
  }

  clear(): void {
    if (this.#shownAt > 0) process.stderr.write('\r\x1b[K');
    this.#shownAt = 0;
  }
}
