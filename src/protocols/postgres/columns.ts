/** The relations of a database with their columns, as the catalogue keeps them. */

export interface Column {
  /** The attribute number, from 1. */
  readonly number: number;
  readonly name: string;
  /** The OID of its type. */
  readonly type: number;
}

/** A letter of `pg_class.relkind`: `r` table, `p` partitioned, `v` view, `m` materialized view, `f` foreign, `S` sequence, `c` type. */
export type RelationKind = string;

/**
 * One relation. Its columns stay the text in which they were read until somebody asks: most are never asked for, and the
 * text of a hundred thousand columns takes a few megabytes.
 */
export class Relation {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  readonly kind: RelationKind;
  #text: string;
  #columns: readonly Column[] | null = null;
  #byName: ReadonlyMap<string, Column> | null = null;

  /** @param text JSON: `[[number, "name", type], ...]`, empty for none */
  constructor(schema: string, name: string, oid: number, kind: RelationKind, text: string) {
    this.schema = schema;
    this.name = name;
    this.oid = oid;
    this.kind = kind;
    this.#text = text;
  }

  /** Those that are there, by number; system columns are not among them. */
  get columns(): readonly Column[] {
    if (this.#columns === null) {
      const read = this.#text === '' ? [] : (JSON.parse(this.#text) as [number, string, number][]);
      this.#columns = read.map(([number, name, type]) => ({ number, name, type }));
      this.#text = '';
    }
    return this.#columns;
  }

  column(name: string): Column | undefined {
    this.#byName ??= new Map(this.columns.map((column) => [column.name, column]));
    return this.#byName.get(name);
  }
}

/** The columns that every table has. @see https://www.postgresql.org/docs/18/ddl-system-columns.html */
export const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'tableoid',
  'xmin',
  'cmin',
  'xmax',
  'cmax',
  'ctid',
]);
