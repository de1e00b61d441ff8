import { type Command, Option } from 'commander';
import type { LegalHold } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatTime } from './support/time.ts';

export function register(program: Command): void {
  const hold = program
    .command('hold')
    .description('legal holds: while one stands, no text of the principal is destroyed');
  place(hold);
  list(hold);
  release(hold);
}

function place(parent: Command): void {
  const command = parent
    .command('place')
    .description('keep the texts of a principal, or of all, from being destroyed')
    .option('--principal <principal>', 'of this principal; without it, of all')
    .requiredOption('--reason <text>', 'the matter; it is kept in the log');
  examples(command, 'postern hold place --principal nightly-ledger-batch --reason "case 2026-17"');
  connected<{ principal?: string; reason: string }>(command, async ({ api, options }) => {
    const { principal, reason } = options;
    const body = { reason, ...(principal !== undefined && { principal }) };
    const made = await api.post<LegalHold>('/v1/holds', body);
    await (options.json ? printJson(made) : print(describe(made)));
  });
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list legal holds')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'released', 'all']).default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const items = await api.all<LegalHold>('/v1/holds', { status: options.status });
    await printList(
      items,
      [
        { title: 'hold', value: (row) => row.id },
        { title: 'on', value: (row) => row.principal?.name ?? 'everything', shrinkTo: 12 },
        { title: 'status', value: (row) => row.status },
        { title: 'placed', value: (row) => formatTime(row.createdAt) },
        { title: 'by', value: (row) => row.placedBy.name, shrinkTo: 10 },
        { title: 'reason', value: (row) => row.reason, shrinkTo: 12 },
      ],
      { json: options.json, empty: 'There is no such hold.' },
    );
  });
}

function release(parent: Command): void {
  const command = parent
    .command('release <id>')
    .description('end a legal hold')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<LegalHold>(path`/v1/holds/${args[0] as string}/release`, { reason });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function describe(hold: LegalHold): string {
  return formatFields([
    ['hold', hold.id],
    ['on', hold.principal?.name ?? 'everything'],
    ['reason', hold.reason],
    ['placed', `${formatTime(hold.createdAt)} by ${hold.placedBy.name}`],
    ['status', hold.endReason === null ? hold.status : `${hold.status} (${hold.endReason})`],
  ]);
}
