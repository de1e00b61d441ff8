/** Remembers what texts do, so that each is parsed once. */
import type { Examined } from './examine-text.ts';
import { normalizeLiterals } from './normalize.ts';

export interface CacheLimits {
  /** Texts and shapes each. */
  readonly entries: number;
  /** Of the texts and shapes kept, an estimate. */
  readonly bytes: number;
}

const DEFAULT_LIMITS: CacheLimits = { entries: 20_000, bytes: 32 * 1024 * 1024 };

/** What an entry costs beside its text, about. */
const ENTRY_BYTES = 1024;

/**
 * Two generations: entries go into the young one; when it has half of the limits it becomes the old one, and the old one is
 * forgotten. What is found in the old one moves back. So a hit costs one lookup and no reordering.
 */
class Generations {
  readonly #limits: CacheLimits;
  #young = new Map<string, Examined>();
  #old = new Map<string, Examined>();
  #bytes = 0;

  constructor(limits: CacheLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): Examined | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.set(key, old);
    }
    return old;
  }

  set(key: string, value: Examined): void {
    const bytes = key.length * 2 + ENTRY_BYTES;
    if (bytes > this.#limits.bytes / 2) return;
    if (this.#young.size >= this.#limits.entries / 2 || this.#bytes + bytes > this.#limits.bytes / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bytes = 0;
    }
    this.#young.set(key, value);
    this.#bytes += bytes;
  }
}

/**
 * By exact text, and by the text without its literals where those cannot change anything. Texts of one shape share one
 * value, so that it can serve as a key itself.
 */
export class StatementCache {
  readonly #texts: Generations;
  readonly #shapes: Generations;

  constructor(limits: CacheLimits = DEFAULT_LIMITS) {
    const half = { entries: limits.entries, bytes: limits.bytes / 2 };
    this.#texts = new Generations(half);
    this.#shapes = new Generations(half);
  }

  /** Texts and shapes held. */
  get size(): number {
    return this.#texts.size + this.#shapes.size;
  }

  find(sql: string): Examined | undefined {
    const exact = this.#texts.get(sql);
    if (exact !== undefined) return exact;
    const shape = normalizeLiterals(sql);
    return shape === null ? undefined : this.#shapes.get(shape);
  }

  add(sql: string, examined: Examined): void {
    // Too large or too deep for the moment: a busy thread or a short stack may have had its part in it.
    if (examined.classified.denied?.code === 'POSTERN_STATEMENT_TOO_LARGE') return;
    this.#texts.set(sql, examined);
    if (examined.classified.literalsMatter) return;
    const shape = normalizeLiterals(sql);
    if (shape !== null) this.#shapes.set(shape, examined);
  }
}
