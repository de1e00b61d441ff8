import { csvLine } from '../csv.ts';
import type { Check } from '../findings.ts';
import type { PackageFiles } from '../package-files.ts';
import type { PackageWriter } from '../package-writer.ts';
import { TextCursor } from '../readers.ts';
import { RowMatcher } from '../row-matcher.ts';
import type { AssessTable } from './tables.ts';

type Row = Readonly<Record<string, unknown>>;

/** Where a table stands as CSV. */
export function csvOf({ file }: AssessTable): string {
  return file.replace(/ndjson$/, 'csv');
}

/** Writes the rows of a table into a package, as NDJSON and CSV. */
export class TableOut {
  readonly #table: AssessTable;
  readonly #ndjson: ReturnType<PackageWriter['open']>;
  readonly #csv: ReturnType<PackageWriter['open']>;

  constructor(writer: PackageWriter, table: AssessTable) {
    this.#table = table;
    this.#ndjson = writer.open(table.file);
    this.#csv = writer.open(csvOf(table));
    this.#csv.file.write(csvLine(table.columns));
  }

  put(row: object): void {
    this.#ndjson.file.write(JSON.stringify(row), '\n');
    this.#csv.file.write(csvLine(this.#table.cells(row as Row)));
  }

  close(): void {
    this.#ndjson.close();
    this.#csv.close();
  }
}

/** Compares the rows of a table of a package with those that must be in it, in their order. */
export class TableIn {
  readonly #table: AssessTable;
  readonly #check: Check;
  readonly #rows: RowMatcher | null = null;
  readonly #csv: TextCursor | null = null;
  #same = true;

  constructor(files: PackageFiles, table: AssessTable, check: Check) {
    this.#table = table;
    this.#check = check;
    const csv = csvOf(table);
    // What is missing is told where files are held to the manifest.
    if (files.size(table.file) === null || files.size(csv) === null) return;
    this.#rows = new RowMatcher(files.open(table.file), table.file, check, (row) => Number(row[table.key]));
    this.#csv = new TextCursor(files.open(csv));
    this.#same = this.#csv.takes([csvLine(table.columns)]);
  }

  take(given: object): void {
    const row = given as Row;
    if (this.#rows === null || this.#csv === null) return;
    const { key, cells } = this.#table;
    const leaf = Number(row[key]);
    const where = { key: leaf, leaf, record: row.id as string };
    const text = JSON.stringify(row);
    const rest = this.#rows.begins([text]);
    if (rest === null) {
      const found = this.#rows.match(where);
      if (found !== null && found.text !== text) this.#rows.compare(found.row, row, where);
    } else if (rest !== '') {
      this.#check.problem(this.#table.file, 'The row is not written as Postern writes it.', { leaf });
    }
    this.#same &&= this.#csv.takes([csvLine(cells(row))]);
  }

  end(): void {
    if (this.#rows === null || this.#csv === null) return;
    this.#rows.end();
    if (!this.#csv.end() || !this.#csv.valid || !this.#same)
      this.#check.problem(csvOf(this.#table), 'The file is not what follows from the log.');
  }
}
