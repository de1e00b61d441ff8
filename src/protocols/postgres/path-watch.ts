import type { Classified } from './classified.ts';
import type { Decider } from './decide.ts';

/** What is decided with the search path. */
type PathKeeper = Pick<Decider, 'pathKnown' | 'pathChanged'>;

/**
 * Keeps the search path that decisions use equal to the server's. PostgreSQL 18 reports the setting by itself, always
 * before the ReadyForQuery of the change; an older server is asked (`ask`) once it is idle again.
 *
 * @see https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-ASYNC
 */
export class PathWatch {
  readonly #decider: PathKeeper;
  readonly #reported: boolean;
  readonly #ask: () => void;
  /** A change was forwarded in the present transaction. */
  #touched = false;
  /** An answer is awaited. */
  #asking = false;
  /** ReadyForQuery messages still owed for what was forwarded when the path became uncertain. */
  #uncertain = false;

  /** @param reported whether the server reports `search_path` */
  constructor(decider: PathKeeper, reported: boolean, ask: () => void) {
    this.#decider = decider;
    this.#reported = reported;
    this.#ask = ask;
  }

  /** A statement is about to be forwarded. */
  forwarded(classified: Classified): void {
    // What a granted function does is its own affair; it may well set the path.
    const opaque = classified.accesses.some((access) => access.kind === 'function');
    const ends =
      this.#touched && classified.transaction.some((each) => each !== 'begin' && each !== 'savepoint');
    if (!classified.touchesSearchPath && !opaque && !ends) return;
    this.#touched = true;
    this.#uncertain = true;
    this.#decider.pathKnown = false;
  }

  /** The server reported the setting, or answered what it is. */
  isNow(setting: string): void {
    this.#decider.pathChanged(setting);
  }

  answered(): void {
    this.#asking = false;
    this.#certain();
  }

  /** The question was skipped or failed: it has to be asked again. */
  unanswered(): void {
    this.#asking = false;
  }

  /** @param idle whether everything forwarded so far has been answered */
  ready(status: 'I' | 'T' | 'E', idle: boolean): void {
    if (!this.#touched) return;
    if (status === 'E') {
      // Nothing but the end of the transaction runs now, and that comes by here again.
      if (idle && this.#reported) this.#certain();
      return;
    }
    if (!idle) return;
    if (this.#reported) {
      this.#certain();
    } else if (this.#uncertain && !this.#asking) {
      this.#asking = true;
      this.#ask();
      return;
    }
    if (status === 'I' && !this.#uncertain) this.#touched = false;
  }

  #certain(): void {
    this.#uncertain = false;
    this.#decider.pathKnown = true;
  }
}
