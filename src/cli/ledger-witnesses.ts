import type { Command } from 'commander';
import type { LedgerWitnesses } from './support/api-types.ts';
import { pc } from './support/colors.ts';
import { connected } from './support/command.ts';
import { note, print, printJson, terminalWidth } from './support/output.ts';
import { type Column, TextTable } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

type Witness = LedgerWitnesses['items'][number];

const COLUMNS: readonly Column<Witness>[] = [
  { title: 'witness', value: (row) => row.name, shrinkTo: 10 },
  {
    title: 'state',
    value: (row) => row.state,
    paint: (text, row) => (row.state === 'ok' ? pc.green(text) : pc.yellow(text)),
  },
  { title: 'leaves', value: (row) => (row.size === null ? '' : String(row.size)) },
  { title: 'cosigned', value: (row) => (row.cosignedAt === null ? 'never' : formatTime(row.cosignedAt)) },
  { title: 'without a gap since', value: (row) => (row.periods[0] ? formatTime(row.periods[0].from) : '') },
  { title: 'what is wrong', value: (row) => row.error ?? '', shrinkTo: 16 },
];

/** `postern ledger witnesses`. */
export function registerLedgerWitnesses(ledger: Command): void {
  const command = ledger
    .command('witnesses')
    .description(
      'show who vouches that the log only grows, up to where and since when (--json: every period)',
    );
  connected(command, async ({ api, options }) => {
    const answer = await api.get<LedgerWitnesses>('/v1/ledger/witnesses');
    if (options.json) return printJson(answer);
    const { items, cosigned, policy } = answer;
    if (items.length === 0) return note('No witness is configured: see docs/witness.md.');
    await print(new TextTable(COLUMNS, terminalWidth()).format(items));
    if (policy !== null) {
      const absent = policy.absent.length === 0 ? '' : `; without a cosignature: ${policy.absent.join(', ')}`;
      note(safeLine(`The policy is ${policy.met ? 'met' : 'NOT met'} by the cosigned checkpoint${absent}`));
    }
    note(cosigned === null ? 'No checkpoint is cosigned yet.' : `Cosigned up to leaf ${cosigned.size}.`);
  });
}
