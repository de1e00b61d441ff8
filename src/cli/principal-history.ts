import type { Command } from 'commander';
import type { HistoryStep } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { printList } from './support/output.ts';
import { formatTime } from './support/time.ts';

/** `postern principal history`. */
export function registerHistory(parent: Command): void {
  const command = parent
    .command('history <principal>')
    .description('what became of a principal, by whom and why, as the log has it');
  examples(command, 'postern principal history nightly-ledger-batch');
  connected(command, async ({ api, options, args }) => {
    const items = await api.all<HistoryStep>(path`/v1/principals/${args[0] as string}/history`);
    await printList(
      items,
      [
        { title: 'time', value: (row) => formatTime(row.time) },
        { title: 'what', value: (row) => row.type },
        { title: 'by', value: (row) => row.actor.name, shrinkTo: 10 },
        { title: 'changed', value: (row) => changed(row), shrinkTo: 20 },
        { title: 'reason', value: (row) => row.notice ?? row.reason, shrinkTo: 20 },
        { title: 'leaf', value: (row) => row.leaf, align: 'right' },
      ],
      { json: options.json, empty: 'The log has nothing about it.' },
    );
  });
}

const changed = (step: HistoryStep): string =>
  step.changes.map(({ field, before, after }) => `${field}: ${shown(before)} -> ${shown(after)}`).join('; ');

/** People by their names, other things as JSON without its quotes. */
function shown(value: unknown): string {
  if (value === null) return '(none)';
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && 'name' in value && typeof value.name === 'string') return value.name;
  return JSON.stringify(value);
}
