/**
 * What a name (of a prepared statement or a portal) stands for on the server, as far as it can be known while
 * messages are still on their way. The record must never say one statement while the server runs another, so
 * a name is only resolved when its meaning is certain:
 *
 * - A change takes effect when the server confirms it, and is forgotten when the server skipped it.
 * - A reference behind a change of the same batch (no Sync between) may rely on it: if the change fails, the
 *   server skips the reference too.
 * - A reference behind an unconfirmed change of an earlier batch must wait.
 */
export class Named<T> {
  readonly #confirmed = new Map<string, T>();
  readonly #pending: Change<T>[] = [];
  readonly #lasting: string | null;

  /** @param lasting a name that a change of all names leaves alone */
  constructor(lasting: string | null = null) {
    this.#lasting = lasting;
  }

  /** A change that has been forwarded. `name` null means all names; `value` null means the name goes away. */
  change(name: string | null, value: T | null, batch: number): Change<T> {
    const change = { name, value, batch };
    this.#pending.push(change);
    return change;
  }

  resolve(name: string, batch: number): T | undefined | 'wait' {
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const change = this.#pending[i] as Change<T>;
      if (change.name === null ? name === this.#lasting : name !== change.name) continue;
      if (change.batch !== batch) return 'wait';
      return change.value ?? undefined;
    }
    return this.#confirmed.get(name);
  }

  confirm(change: Change<T>): void {
    this.#settle(change);
    if (change.name === null) this.#clear();
    else if (change.value === null) this.#confirmed.delete(change.name);
    else this.#confirmed.set(change.name, change.value);
  }

  /** The server did not carry it out. */
  drop(change: Change<T>): void {
    this.#settle(change);
  }

  /** Whether it was carried out is not known: the name means nothing until it is given anew. */
  doubt(change: Change<T>): void {
    this.#settle(change);
    if (change.name === null) this.#clear();
    else this.#confirmed.delete(change.name);
  }

  /** Whether the name stands for something, or may. */
  mayHave(name: string): boolean {
    return this.#confirmed.has(name) || this.#pending.some((change) => change.name === name);
  }

  /** Forgets every confirmed name whose value does not fit `keep`. */
  retain(keep: (value: T) => boolean): void {
    for (const [name, value] of this.#confirmed) if (!keep(value)) this.#confirmed.delete(name);
  }

  get size(): number {
    return this.#confirmed.size + this.#pending.length;
  }

  #clear(): void {
    for (const name of this.#confirmed.keys()) if (name !== this.#lasting) this.#confirmed.delete(name);
  }

  #settle(change: Change<T>): void {
    // Answers come in the order of the changes, so this is the first one but for skipped ones.
    const at = this.#pending.indexOf(change);
    if (at !== -1) this.#pending.splice(at, 1);
  }
}

export interface Change<T> {
  readonly name: string | null;
  readonly value: T | null;
  readonly batch: number;
}
