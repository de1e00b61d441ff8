import type { LeafRecord } from '../../ledger/leaf.ts';
import type { Check } from '../findings.ts';
import type { Manifest } from '../format.ts';
import type { PackageFiles } from '../package-files.ts';
import { recordRow } from './record-rows.ts';
import { TableIn } from './table-files.ts';
import { RECORDS_TABLE } from './tables.ts';

/** Compares the table of records with the leaves, where the package has one. */
export class RecordsIn {
  readonly #table: TableIn | null;

  constructor(files: PackageFiles, { parameters }: Pick<Manifest, 'parameters'>, check: Check) {
    this.#table = parameters.framework === undefined ? null : new TableIn(files, RECORDS_TABLE, check);
  }

  take(leaf: number, record: LeafRecord): void {
    if (this.#table === null) return;
    const row = recordRow(leaf, record);
    if (row !== null) this.#table.take(row);
  }

  end(): void {
    this.#table?.end();
  }
}
