import type { Command } from 'commander';
import type { UnusedGrant } from './support/api-types.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { note, printList } from './support/output.ts';
import { formatTime } from './support/time.ts';

interface UnusedOptions {
  readonly days: number;
  readonly principal?: string;
  readonly resource?: string;
}

/** `postern grant unused`. */
export function registerUnused(parent: Command): void {
  const command = parent
    .command('unused')
    .description('rights of active grants that were given so long ago and not used since')
    .requiredOption('--days <n>', 'so many days', wholeNumber(1, 9999))
    .option('--principal <principal>', 'only its grants')
    .option('--resource <resource>', 'only on this one');
  examples(command, 'postern grant unused --days 90', 'postern grant unused --days 30 --resource ledger-db');
  connected<UnusedOptions>(command, async ({ api, options }) => {
    const { days, principal, resource } = options;
    const asked = { days: String(days), principal, resource };
    const found = await api.all<UnusedGrant>('/v1/unused-rights', asked);
    await printList(
      found,
      [
        { title: 'grant', value: (row) => row.id },
        { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
        { title: 'on', value: (row) => row.resource.name, shrinkTo: 8 },
        { title: 'since', value: (row) => formatTime(row.start) },
        { title: 'rights', value: (row) => row.rights, align: 'right' },
        {
          title: 'not used',
          value: (row) => row.unused.map(({ verb, object }) => `${verb} on ${object}`).join('; '),
          shrinkTo: 20,
        },
      ],
      { json: options.json, empty: `Everything that was granted ${days} days ago or before was used since.` },
    );
    if (options.json !== true && found.length > 0) {
      note('Narrow them in a review, or ask for less: postern principal right-size PRINCIPAL');
    }
  });
}
