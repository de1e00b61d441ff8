import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Rows per statement: the crossing into SQLite is paid once for so many. */
const ROWS = 64;

/** Inserts rows of one table, many per statement. `add` only queues; `flush` writes what is left over. */
export class BulkInsert {
  readonly #width: number;
  readonly #many: StatementSync;
  readonly #one: StatementSync;
  #values: SQLInputValue[] = [];

  constructor(db: DatabaseSync, table: string, columns: readonly string[]) {
    this.#width = columns.length;
    const row = `(${columns.map(() => '?').join(', ')})`;
    const head = `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES `;
    this.#many = db.prepare(head + Array.from({ length: ROWS }, () => row).join(', '));
    this.#one = db.prepare(head + row);
  }

  add(...row: SQLInputValue[]): void {
    for (const value of row) this.#values.push(value);
    if (this.#values.length === ROWS * this.#width) {
      this.#many.run(...this.#values);
      this.#values = [];
    }
  }

  flush(): void {
    for (let at = 0; at < this.#values.length; at += this.#width) {
      this.#one.run(...this.#values.slice(at, at + this.#width));
    }
    this.#values = [];
  }

  /** Forgets queued rows, after a batch that failed. */
  drop(): void {
    this.#values = [];
  }
}
