/**
 * Which columns a statement uses, found without knowing what columns there are. References are gathered with the FROM items that
 * they can see and resolved at the end; where PostgreSQL would choose among several relations, each of them counts.
 *
 * @see https://www.postgresql.org/docs/18/sql-expressions.html#SQL-EXPRESSIONS-COLUMN-REFS
 */
import type { ColumnUse, Verb } from './classified.ts';
import { SYSTEM_COLUMNS } from './columns.ts';
import type { DottedName } from './tree.ts';

/** A name that columns can be qualified with. Without relations: a subquery, a function, a WITH query. */
export interface FrameItem {
  readonly name: string | null;
  readonly relations: readonly DottedName[];
  /** `joined`: the name of a join. `renamed`: the columns go by other names than their own. */
  readonly kind: 'plain' | 'joined' | 'renamed';
}

/** The FROM items of one query; those of the queries around it are seen through `parent`. */
export class Frame {
  readonly items: FrameItem[] = [];
  readonly #parent: Frame | null;

  constructor(parent: Frame | null) {
    this.#parent = parent;
  }

  add(name: string | null, relations: readonly DottedName[], kind: FrameItem['kind'] = 'plain'): void {
    this.items.push({ name, relations, kind });
  }

  /** All items that can be seen from here. */
  *visible(): Generator<FrameItem> {
    yield* this.items;
    if (this.#parent !== null) yield* this.#parent.visible();
  }
}

interface Reference {
  /** Null where it stands in no query: then it may be anything. */
  readonly frame: Frame | null;
  readonly qualifier: string | null;
  /** Null for `*`. */
  readonly name: string | null;
}

class Use {
  readonly verb: Verb;
  readonly target: DottedName;
  all = false;
  readonly named = new Set<string>();
  readonly maybe = new Set<string>();

  constructor(verb: Verb, target: DottedName) {
    this.verb = verb;
    this.target = target;
  }
}

/** Gathers the uses of one statement or several. */
export class ColumnUses {
  readonly #uses = new Map<string, Use>();
  readonly #references = new Map<Frame | null, Map<string, Reference>>();

  /** The relation is used, by no column in particular so far. */
  some(verb: Verb, target: DottedName): Use {
    const key = `${verb}\0${target.schema ?? '\0'}\0${target.name}`;
    let use = this.#uses.get(key);
    if (use === undefined) {
      use = new Use(verb, target);
      this.#uses.set(key, use);
    }
    return use;
  }

  all(verb: Verb, target: DottedName): void {
    this.some(verb, target).all = true;
  }

  named(verb: Verb, target: DottedName, column: string): void {
    this.some(verb, target).named.add(column);
  }

  /** A column in an expression: `name`, `qualifier.name`, `*` or `qualifier.*`. */
  refer(frame: Frame | null, qualifier: string | null, name: string | null): void {
    let known = this.#references.get(frame);
    if (known === undefined) {
      known = new Map();
      this.#references.set(frame, known);
    }
    known.set(`${qualifier ?? '\0'}\0${name ?? '\0'}`, { frame, qualifier, name });
  }

  /** Takes over what was found in another statement. */
  take(uses: readonly ColumnUse[]): void {
    for (const { verb, schema, name, all, named, maybe } of uses) {
      const use = this.some(verb, { schema, name });
      use.all ||= all;
      for (const each of named) use.named.add(each);
      for (const each of maybe) use.maybe.add(each);
    }
  }

  /** Ends the gathering. */
  resolve(): ColumnUse[] {
    const references = [...this.#references.values()].flatMap((known) => [...known.values()]);
    this.#references.clear();
    for (const each of references) this.#resolve(each);
    return [...this.#uses.values()].map(({ verb, target, all, named, maybe }) => ({
      verb,
      schema: target.schema,
      name: target.name,
      all,
      // System columns are not among all.
      named: [...named].filter((name) => !all || SYSTEM_COLUMNS.has(name)),
      maybe: [...maybe].filter((name) => !named.has(name) && (!all || SYSTEM_COLUMNS.has(name))),
    }));
  }

  #resolve({ frame, qualifier, name }: Reference): void {
    if (frame === null) {
      this.#everything();
    } else if (qualifier !== null) {
      const items = [...frame.visible()].filter((item) => item.name === qualifier);
      // PostgreSQL would find none either, as far as is known.
      if (items.length === 0) this.#everything();
      for (const { kind, relations } of items) {
        for (const relation of relations) {
          if (name === null || kind !== 'plain') this.all('select', relation);
          if (name !== null && (kind === 'plain' || SYSTEM_COLUMNS.has(name))) {
            this.named('select', relation, name);
          }
        }
      }
    } else if (name === null) {
      for (const { relations } of frame.items) for (const each of relations) this.all('select', each);
    } else {
      for (const item of frame.visible()) {
        for (const relation of item.relations) {
          // The name of a FROM item, where no column has it, is its row as a value.
          if (item.name === name || item.kind === 'renamed') this.all('select', relation);
          this.some('select', relation).maybe.add(name);
        }
      }
    }
  }

  #everything(): void {
    for (const use of this.#uses.values()) if (use.verb === 'select') use.all = true;
  }
}
