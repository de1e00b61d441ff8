import { type Command, Option } from 'commander';
import type { Link } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function register(program: Command): void {
  const link = program.command('link').description('by what you decide on requests from elsewhere');
  slack(link);
  hook(link);
  list(link);
  remove(link);
}

function slack(parent: Command): void {
  const command = parent
    .command('slack <channel>')
    .description(
      'print a code that makes the account your own that types it in Slack; takes a fresh sign-in',
    );
  examples(command, 'postern link slack ops');
  connected(command, async ({ api, options, args }) => {
    const made = await api.post<{ code: string; endsAt: string }>('/v1/links/slack', { channel: args[0] });
    if (options.json) return printJson(made);
    await print(`/postern link ${made.code}\n`);
    note(
      `Type this in Slack yourself, until ${formatTime(made.endsAt)}. Give it to nobody: they would decide as you.`,
    );
  });
}

function hook(parent: Command): void {
  const command = parent
    .command('hook <name>')
    .description(
      'let a system decide in your name, by signed posts; prints its secret, once, on standard output',
    )
    .option('--for <duration>', 'how long (30d, at most 90d)', parseDuration);
  examples(command, 'postern link hook change-desk --for 90d > change-desk.secret');
  connected<{ for?: number }>(command, async ({ api, options, args }) => {
    const body = { name: args[0], ...(options.for !== undefined && { ttlSeconds: options.for }) };
    const made = await api.post<{ link: Link; signingSecret: string; url: string }>('/v1/links/hook', body);
    if (options.json) return printJson(made);
    await print(`${made.signingSecret}\n`);
    note(
      `It posts to ${made.url}, signed as the Standard Webhooks say, until ${formatTime(made.link.expiresAt ?? '')}.`,
    );
    note('It carries your word on requests, and nothing else. The secret cannot be shown again.');
  });
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description("list links: your own; to administrators and auditors everybody's")
    .option('--person <person>', 'only those of one person')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'removed', 'all']).default('active'),
    );
  connected<{ person?: string; status: string }>(command, async ({ api, options }) => {
    const { person, status } = options;
    const items = await api.all<Link>('/v1/links', { status, person });
    await printList(
      items,
      [
        { title: 'link', value: (row) => row.id },
        { title: 'person', value: (row) => row.person.name },
        { title: 'what', value: whatOf, shrinkTo: 16 },
        { title: 'until', value: (row) => (row.expiresAt === null ? '' : formatTime(row.expiresAt)) },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'There is none.' },
    );
  });
}

function remove(parent: Command): void {
  const command = parent
    .command('remove <link>')
    .description('what comes by it counts no more, at once')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<Link>(path`/v1/links/${args[0] as string}/remove`, { reason });
    await (options.json ? printJson(done) : print(`${whatOf(done)} of ${done.person.name} has ended.\n`));
  });
}

const whatOf = (link: Link): string =>
  link.kind === 'hook' ? `hook ${link.name}` : `Slack ${link.user} of ${link.team}, ${link.channel.name}`;
