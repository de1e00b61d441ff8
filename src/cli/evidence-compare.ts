import type { Command } from 'commander';
import type { Comparison, ObjectiveChange, PopulationChange } from '../evidence/compare.ts';
import { outcomeWords } from '../evidence/outcome-words.ts';
import { examples } from './support/command.ts';
import { note, print, printJson, terminalWidth } from './support/output.ts';
import { type Column, TextTable } from './support/table.ts';
import { safeLine } from './support/text.ts';

/** Rows of an objective that are shown; `--json` has them all. */
const SHOWN = 10;

/** `postern evidence compare`: without a server. */
export function registerCompare(evidence: Command): void {
  const command = evidence
    .command('compare <old> <new>')
    .description('say what is better, worse, new and gone in one package since another; verifies neither')
    .option('--json', 'print JSON');
  examples(command, 'postern evidence compare 2026-Q2.zip 2026-Q3.zip');
  command.action(async (old: string, now: string) => {
    const { comparePackages } = await import('../evidence/compare.ts');
    const comparison = await comparePackages(old, now);
    if (command.opts<{ json?: boolean }>().json === true) return printJson(comparison);
    await tell(comparison);
  });
}

const OBJECTIVES: readonly Column<ObjectiveChange>[] = [
  { title: 'objective', value: ({ objective }) => objective },
  { title: '', value: ({ course }) => course },
  { title: 'was', value: ({ before }) => (before === null ? '' : outcomeWords(before)) },
  { title: 'is', value: ({ after }) => (after === null ? '' : outcomeWords(after)) },
  { title: 'fails', value: ({ failing }) => `${failing.before} -> ${failing.after}`, align: 'right' },
  { title: 'new rows', value: ({ newRows }) => String(newRows.length), align: 'right' },
  { title: 'gone rows', value: ({ goneRows }) => String(goneRows.length), align: 'right' },
  { title: '', value: ({ asked }) => (asked === 'alike' ? '' : 'asked otherwise') },
];

const POPULATION: readonly Column<PopulationChange>[] = [
  { title: 'population', value: ({ population }) => population },
  { title: 'was', value: ({ before }) => String(before), align: 'right' },
  { title: 'is', value: ({ after }) => String(after), align: 'right' },
  { title: 'new', value: (row) => String(row.new), align: 'right' },
  { title: 'gone', value: ({ gone }) => String(gone), align: 'right' },
  { title: 'changed', value: ({ changed }) => String(changed), align: 'right' },
];

async function tell({ before, after, objectives, parameters, populations }: Comparison): Promise<void> {
  const width = terminalWidth();
  const span = (of: Comparison['before']): string =>
    [of.framework, of.period, `${of.size} leaves`].filter((part) => part !== null).join(', ');
  await print(`${safeLine(span(before))} -> ${safeLine(span(after))}\n\n`);
  if (objectives === null)
    note('They have no assessments by the same framework: only their populations are compared.');
  else {
    const told = objectives.filter(
      ({ course, newRows, goneRows }) => course !== 'same' || newRows.length + goneRows.length > 0,
    );
    if (told.length === 0)
      await print(`All ${objectives.length} objectives came out as before, with the same rows.\n`);
    else await print(new TextTable(OBJECTIVES, width).format(told));
    for (const { objective, newRows } of told) {
      for (const row of newRows.slice(0, SHOWN))
        await print(`  ${safeLine(objective)} fails now: ${safeLine(JSON.stringify(row))}\n`);
      if (newRows.length > SHOWN) await print(`  and ${newRows.length - SHOWN} more\n`);
    }
  }
  for (const { id, before: was, after: is } of parameters)
    await print(
      `parameter ${safeLine(id)}: ${safeLine(JSON.stringify(was))} -> ${safeLine(JSON.stringify(is))}\n`,
    );
  const changed = populations.filter((each) => each.new + each.gone + each.changed > 0);
  if (changed.length === 0) await print('\nNo population changed.\n');
  else await print(`\n${new TextTable(POPULATION, width).format(changed)}`);
  note('Neither package was verified: postern verify PACKAGE');
}
