import { type Command, Option } from 'commander';
import { readManifests } from './apply/manifests.ts';
import { maskKind } from './apply/mask-kind.ts';
import type { MaskBacktest } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, printJson, printList } from './support/output.ts';
import { parseMoment } from './support/time.ts';

/** `postern mask backtest`. */
export function registerBacktest(parent: Command): void {
  const command = parent
    .command('backtest <file...>')
    .description(
      'what mask rules of a file (postern apply) would have shown otherwise of the commands that were let through; nothing is enforced',
    )
    .addOption(
      new Option('--against <time>', 'since then, or so long ago')
        .argParser((text) => parseMoment(text, -1))
        .default(parseMoment('90d', -1), '90d'),
    );
  examples(command, 'postern mask backtest masks.yaml --against 90d');
  connected<{ against: string }>(command, async ({ api, options }) => {
    const manifests = readManifests(command.args).filter(({ kind }) => kind === maskKind.name);
    if (manifests.length === 0) throw usageError('the files declare no MaskRule');
    const rules = manifests.map(({ name, spec }) => ({ ...(spec as object), name }));
    const done = await api.post<MaskBacktest>('/v1/masks/backtest', { rules, since: options.against });
    await (options.json ? printJson(done) : tell(done));
  });
}

async function tell({ rows, ...sums }: MaskBacktest): Promise<void> {
  await printList(
    rows,
    [
      { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
      { title: 'resource', value: (row) => row.resource.name, shrinkTo: 8 },
      { title: 'column', value: (row) => row.column, shrinkTo: 14 },
      { title: 'commands', value: (row) => row.commands, align: 'right' },
      { title: 'now', value: (row) => row.before, shrinkTo: 10 },
      { title: 'then', value: (row) => row.after, shrinkTo: 10 },
      { title: 'example', value: (row) => row.example },
    ],
    { empty: 'No column that was named would have been shown otherwise.' },
  );
  const { commands, classes, unread, wholeRows, searched } = sums;
  note(
    `${commands} commands of ${classes} kinds. Where a column is compared, and may not be, a command is refused.`,
  );
  if (wholeRows > 0)
    note(`${wholeRows} used all columns of a table: which those are only the database knows.`);
  if (searched > 0) note(`For ${searched} other detectors would hold: what they would find is not known.`);
  if (unread > 0) note(`Of ${unread} the text is kept no more, or could not be read.`);
}
