import { isUtf8 } from 'node:buffer';
import { StatementCache } from './cache.ts';
import { type Examined, notExamined } from './examine-text.ts';
import { examine, loadParser } from './parser.ts';

/** A text and what it touches. The same object for all texts that differ in literals only, so that it can be a key. */
export type Known = Examined;

const NOT_UTF8 = notExamined({
  code: 'POSTERN_STATEMENT_INVALID',
  reason: 'the statement is not valid UTF-8',
});

const MAX_LATE = 64;

/** The statements that a worker has seen. */
export class StatementCatalogue {
  readonly #cache = new StatementCache();
  /** Answers that took their time, until they are fetched. */
  readonly #late = new Map<string, Known>();

  static async load(): Promise<StatementCatalogue> {
    await loadParser();
    return new StatementCatalogue();
  }

  /**
   * What the text does; a promise when it takes time to find out: ask again when it has resolved.
   *
   * @param bytes the text as sent, without its terminator
   */
  get(bytes: Buffer): Known | Promise<void> {
    const text = bytes.toString('utf8');
    // A replacement character is either in the text itself or stands for bytes that are no UTF-8.
    if (text.includes('\ufffd') && !isUtf8(bytes)) return NOT_UTF8;
    const found = this.#cache.find(text) ?? this.#take(text);
    if (found !== undefined) return found;
    const examined = examine(text);
    if (examined instanceof Promise) {
      return examined.then((late) => {
        this.#cache.add(text, late);
        // Sessions that ended meanwhile leave theirs behind.
        if (this.#late.size >= MAX_LATE) this.#late.clear();
        this.#late.set(text, late);
      });
    }
    this.#cache.add(text, examined);
    return examined;
  }

  #take(text: string): Known | undefined {
    if (this.#late.size === 0) return undefined;
    const late = this.#late.get(text);
    this.#late.delete(text);
    return late;
  }
}
