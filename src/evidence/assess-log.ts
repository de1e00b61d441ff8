import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { parseVerifierKeys } from '../ledger/note.ts';
import { TileStore } from '../ledger/tiles.ts';
import { CommandSummary } from './assess/command-summary.ts';
import { recordRow } from './assess/record-rows.ts';
import { runAssessment } from './assess/run.ts';
import { TableOut } from './assess/table-files.ts';
import { RECORDS_TABLE } from './assess/tables.ts';
import type { Assessment } from './assess/types.ts';
import { Commands } from './commands.ts';
import { type ExportOptions, resolveAll } from './export.ts';
import { PackageWriter } from './package-writer.ts';
import { putPopulations, putSummary } from './population-files.ts';
import { Populations } from './populations.ts';
import { allLeaves, leavesOfPrincipal } from './selection.ts';

/** Leaves between two pauses, in which the process can do its other work. */
const PAUSE = 256;

export interface AssessOptions {
  readonly dataDir: string;
  /** With a framework and a period. */
  readonly params: ExportOptions['params'];
  /** A private folder. What is written there is removed again. */
  readonly workDir: string;
}

/**
 * Assesses the log as of its last checkpoint, as a package of it would be, without writing one.
 *
 * @throws PosternError POSTERN_NOT_FOUND for an unknown principal or resource; POSTERN_INVALID where the framework cannot be assessed by
 */
export async function assessLog({ dataDir, params, workDir }: AssessOptions): Promise<Assessment> {
  const { framework, period } = params;
  if (framework === undefined || period === undefined)
    throw new Error('An assessment is by a framework, of a period.');
  const logDir = join(dataDir, 'log');
  const keys = parseVerifierKeys(readFileSync(join(logDir, 'log.vkey'), 'utf8').trim());
  const { origin, size, root } = openCheckpoint(readFileSync(join(logDir, 'checkpoint'), 'utf8'), keys);
  const store = new TileStore(logDir);
  const parameters = resolveAll(store, size, params);
  const dir = mkdtempSync(join(workDir, 'assess-'));
  try {
    const writer = new PackageWriter(dir);
    const populations = new Populations();
    const summary = new CommandSummary();
    const records = new TableOut(writer, RECORDS_TABLE);
    const commands = new Commands({
      populations,
      parameters,
      problem: () => undefined, // as for a package: verification names it
      emit: ({ row, shared, selected }) => {
        if (selected) summary.add(row, shared);
      },
    });
    const only = parameters.principal;
    let time: string | null = null;
    let count = 0;
    for (const leaf of only === null ? allLeaves(store, size) : leavesOfPrincipal(store, size, only.id)) {
      populations.take(leaf.index, leaf.record);
      commands.take(leaf.index, leaf);
      const row = recordRow(leaf.index, leaf.record);
      if (row !== null) records.put(row);
      time = leaf.record.time;
      if (++count % PAUSE === 0) await new Promise((done) => setImmediate(done));
    }
    commands.end();
    records.close();
    putSummary(writer, summary);
    putPopulations(writer, populations);
    const set = populations.parameters;
    const text = await runAssessment({
      dir,
      framework: framework.text,
      period,
      asOf: { origin, size, root: root.toString('base64'), time },
      parameters: set && { leaf: set.leaf, time: set.time, by: set.by.name, text: set.text },
    });
    return JSON.parse(text) as Assessment;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
