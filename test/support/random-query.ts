/** Random queries over `hr.t(id, a, b, note)`, `s.u(id, a, c)` and `s.view(id, seen, secret)`; many are wrong, and that is all right. */

/** A small generator of numbers: the same for the same seed. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const TABLES = ['hr.t', 's.u', 's.view'] as const;
const COLUMNS = ['id', 'a', 'b', 'c', 'note', 'seen', 'secret', 'ctid'] as const;
const ALIASES = ['x', 'y', 't', 'u', 'id'] as const;

export class RandomQuery {
  readonly #next: (below: number) => number;
  #names: string[] = [];

  constructor(seed: number) {
    this.#next = numbers(seed);
  }

  /** SELECT, or a statement that changes rows. */
  statement(): string {
    const where = (): string => (this.#one(2) ? ` where ${this.#condition(1)}` : '');
    switch (this.#next(12)) {
      case 0: {
        this.#names = ['t', 'x'];
        const as = this.#one(2) ? ' x' : '';
        return `update hr.t${as} set a = ${this.#value(2)}${where()} returning ${this.#targets(1)}`;
      }
      case 1: {
        this.#names = ['u', 'x'];
        const from = this.#one(2) ? ` using ${this.#item(1)}` : '';
        return `delete from s.u${from}${where()} returning ${this.#targets(1)}`;
      }
      case 2:
        return `insert into hr.t (id, a) ${this.#select(2)} on conflict (id) do update set b = excluded.a`;
      case 3:
        return `with w as (${this.#select(2)}) ${this.#select(2, ['w'])}`;
      default:
        return this.#select(3);
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#next(list.length)] as T;
  }

  #one(of: number): boolean {
    return this.#next(of) === 0;
  }

  #select(depth: number, more: readonly string[] = []): string {
    const outer = this.#names;
    this.#names = [...outer];
    const items = [this.#item(depth - 1, more)];
    if (this.#one(3)) items.push(this.#item(depth - 1, more));
    const from = items.join(', ');
    const targets = this.#targets(depth);
    const where = this.#one(2) ? ` where ${this.#condition(depth - 1)}` : '';
    const order = this.#one(4) ? ` order by ${this.#column()}` : '';
    const limit = this.#one(6) ? ' limit 3' : '';
    const union = depth > 1 && this.#one(10) ? ` union all ${this.#select(depth - 1)}` : '';
    this.#names = outer;
    return `select ${targets} from ${from}${where}${union || order + limit}`;
  }

  #item(depth: number, more: readonly string[] = []): string {
    const kind = this.#next(10);
    if (depth > 0 && kind < 2) {
      const lateral = this.#one(2) ? 'lateral ' : '';
      return `${lateral}(${this.#select(depth)}) ${this.#alias()}`;
    }
    if (depth > 0 && kind < 5) {
      const left = this.#item(depth - 1, more);
      const right = this.#item(depth - 1, more);
      const how = this.#next(4);
      if (how === 0) return `${left} join ${right} using (${this.#pick(['id', 'a'])})`;
      if (how === 1) return `${left} natural join ${right}`;
      const join = `${left} left join ${right} on ${this.#condition(0)}`;
      return how === 2 ? `(${join}) ${this.#alias()}` : join;
    }
    const table = this.#pick([...TABLES, ...more]);
    if (this.#one(2)) {
      this.#names.push(table.split('.').at(-1) as string);
      return table;
    }
    const columns = this.#one(6) ? ' (a, b)' : '';
    return `${table} ${this.#alias()}${columns}`;
  }

  #alias(): string {
    const alias = this.#pick(ALIASES);
    this.#names.push(alias);
    return alias;
  }

  #targets(depth: number): string {
    if (this.#one(6)) return '*';
    return Array.from({ length: 1 + this.#next(2) }, () => this.#value(depth)).join(', ');
  }

  #column(): string {
    const name = this.#names.length === 0 ? '' : this.#pick(this.#names);
    switch (this.#next(8)) {
      case 0:
        return name === '' ? this.#pick(COLUMNS) : `${name}.*`;
      case 1:
        return name === '' ? this.#pick(COLUMNS) : name;
      case 2:
      case 3:
        return this.#pick(COLUMNS);
      default:
        return name === '' ? this.#pick(COLUMNS) : `${name}.${this.#pick(COLUMNS)}`;
    }
  }

  #value(depth: number): string {
    const column = this.#column();
    switch (this.#next(10)) {
      case 0:
        return `row_to_json(${column})`;
      case 1:
        return `count(${column}) over ()`;
      case 2:
        return `(${column})::text`;
      case 3:
        return depth > 1 ? `array(${this.#select(depth - 1)})` : column;
      case 4:
        return `case when ${this.#condition(0)} then 1 end`;
      case 5:
        return `coalesce(${column}, ${this.#column()})`;
      default:
        return column;
    }
  }

  #condition(depth: number): string {
    if (depth > 0 && this.#one(4)) return `exists (${this.#select(depth)})`;
    if (depth > 0 && this.#one(6)) return `1 in (${this.#select(depth)})`;
    return this.#one(2) ? `${this.#column()} is not null` : `${this.#column()} = ${this.#column()}`;
  }
}
