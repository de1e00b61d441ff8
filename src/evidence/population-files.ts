import type { CommandSummary } from './assess/command-summary.ts';
import { TableOut } from './assess/table-files.ts';
import { SUMMARY_TABLE } from './assess/tables.ts';
import { POPULATIONS, type Population } from './format.ts';
import type { PackageWriter } from './package-writer.ts';
import { populationHeader, populationLine } from './population-columns.ts';
import type { Populations } from './populations.ts';

/** Writes what each population comes to, and answers how many rows that is. */
export function putPopulations(
  writer: PackageWriter,
  populations: Populations,
): ReadonlyMap<Population, number> {
  const rows = new Map<Population, number>();
  for (const population of POPULATIONS) {
    const ndjson = writer.open(`populations/${population}.ndjson`);
    const csv = writer.open(`populations/${population}.csv`);
    csv.file.write(populationHeader(population));
    let count = 0;
    for (const row of populations.rows(population)) {
      ndjson.file.write(JSON.stringify(row), '\n');
      csv.file.write(populationLine(population, row));
      count += 1;
    }
    for (const part of [ndjson, csv]) part.close();
    rows.set(population, count);
  }
  return rows;
}

/** Writes what the commands come to. */
export function putSummary(writer: PackageWriter, summary: CommandSummary): void {
  const out = new TableOut(writer, SUMMARY_TABLE);
  for (const row of summary.rows()) out.put(row);
  out.close();
}
