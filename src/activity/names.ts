import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { NameKind } from './schema.ts';

interface Name {
  readonly n: number;
  name: string;
  principal: number;
  readonly first: number;
  last: number;
  dirty: boolean;
  readonly isNew: boolean;
}

/** How many names of one kind are held in memory between batches. */
const HELD = 20_000;

/**
 * The dictionary of one kind of thing that leaves name: a number for each id, with the first and the last leaf
 * that named it. Changes stay in memory until `save`, so that a name seen in every leaf costs one row per batch.
 */
export class Names {
  readonly #kind: NameKind;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #set: StatementSync;
  readonly #next: () => number;
  readonly #held = new Map<string, Name>();
  readonly #dirty = new Map<string, Name>();

  constructor(db: DatabaseSync, kind: NameKind, next: () => number) {
    this.#kind = kind;
    this.#next = next;
    this.#find = db.prepare('SELECT n, name, principal, first, last FROM names WHERE kind = ? AND id = ?');
    this.#put = db.prepare(
      'INSERT INTO names (n, kind, id, name, principal, first, last) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#set = db.prepare('UPDATE names SET name = ?, principal = ?, last = ? WHERE n = ?');
  }

  /**
   * The number of `id`, which `leaf` names. What a later leaf said of it stays. `principal`: the number of the principal it belongs to, 0 where
   * none.
   */
  number(id: string, name: string, leaf: number, principal = 0): number {
    const held = this.#held.get(id) ?? this.#load(id, name, leaf, principal);
    if (leaf > held.last || (leaf === held.last && held.name !== name)) {
      held.last = leaf;
      held.name = name;
      if (principal !== 0) held.principal = principal;
      if (!held.dirty) {
        held.dirty = true;
        this.#dirty.set(id, held);
      }
    }
    return held.n;
  }

  /** Writes what changed. Within the transaction of the batch. */
  save(): void {
    for (const [id, held] of this.#dirty) {
      if (held.isNew) {
        this.#put.run(held.n, this.#kind, id, held.name, held.principal, held.first, held.last);
        this.#held.set(id, { ...held, dirty: false, isNew: false });
      } else {
        this.#set.run(held.name, held.principal, held.last, held.n);
        held.dirty = false;
      }
    }
    this.#dirty.clear();
    if (this.#held.size > HELD) this.#held.clear();
  }

  /** Forgets everything unsaved, after a batch that failed. */
  drop(): void {
    this.#held.clear();
    this.#dirty.clear();
  }

  #load(id: string, name: string, leaf: number, principal: number): Name {
    const row = this.#find.get(this.#kind, id) as
      | { n: number; name: string; principal: number; first: number; last: number }
      | undefined;
    const loaded: Name =
      row === undefined
        ? { n: this.#next(), name, principal, first: leaf, last: leaf, dirty: true, isNew: true }
        : { ...row, dirty: false, isNew: false };
    this.#held.set(id, loaded);
    if (loaded.isNew) this.#dirty.set(id, loaded);
    return loaded;
  }
}
