import { type Command, Option } from 'commander';
import type { Notice } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { printList } from './support/output.ts';
import { formatTime } from './support/time.ts';

interface NoticeOptions {
  readonly to?: string;
  readonly principal?: string;
  readonly status?: string;
}

export function register(program: Command): void {
  const command = program
    .command('notices')
    .description('what somebody has to be told: owners who left, and what happens unless somebody acts')
    .option('--to <person>', 'only those for this person; owners see those for themselves')
    .option('--principal <principal>', 'only those about this one')
    .addOption(
      new Option('--status <status>', 'open is what is not settled').choices(['open', 'ended', 'all']),
    );
  examples(command, 'postern notices', 'postern notices --to ed@bank.example --status all');
  connected<NoticeOptions>(command, async ({ api, options }) => {
    const { to, principal, status } = options;
    const items = await api.all<Notice>('/v1/notices', { to, principal, status });
    await printList(
      items,
      [
        { title: 'principal', value: (row) => row.principal.name, shrinkTo: 12 },
        { title: 'to', value: (row) => row.to?.name ?? '(administrators)', shrinkTo: 10 },
        { title: 'effective', value: (row) => formatTime(row.effectiveAt) },
        { title: 'status', value: (row) => row.status },
        { title: 'given', value: (row) => formatTime(row.createdAt) },
        { title: 'notice', value: (row) => row.text, shrinkTo: 30 },
      ],
      { json: options.json, empty: 'There is nothing to tell.' },
    );
  });
}
