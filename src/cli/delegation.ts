import { type Command, Option } from 'commander';
import type { Delegation } from '../store/entities.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson, printList } from './support/output.ts';
import type { Column } from './support/table.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function register(program: Command): void {
  const delegation = program.command('delegation').description('on whose behalf principals act');
  create(delegation);
  list(delegation);
  revoke(delegation);
}

function create(parent: Command): void {
  const command = parent
    .command('create')
    .description('let a principal act on your behalf, and print the token by which it shows that')
    .requiredOption('--actor <principal>', 'who may act')
    .option('--for <duration>', 'how long, up to 60m (15m)', parseDuration);
  examples(
    command,
    'postern delegation create --actor ledger-agent > word && postern exchange --token-from file:agent.jwt --delegation word --resource ledger-db',
  );
  connected<{ actor: string; for?: number }>(command, async ({ api, options }) => {
    const given = await api.post<{ delegation: Delegation; token: string }>('/v1/delegations', {
      actor: options.actor,
      ...(options.for !== undefined && { ttlSeconds: options.for }),
    });
    if (options.json) return printJson(given);
    await print(`${given.token}\n`);
    note(`${given.delegation.actor.name} may act for you until ${formatTime(given.delegation.expiresAt)}.`);
  });
}

const COLUMNS: readonly Column<Delegation>[] = [
  { title: 'id', value: ({ id }) => id },
  { title: 'who acts', value: ({ actor }) => actor.name, shrinkTo: 8 },
  {
    title: 'for whom',
    value: ({ subject, chain }) => [subject, ...[...chain].reverse()].map(({ name }) => name).join(' for '),
    shrinkTo: 8,
  },
  { title: 'until', value: ({ expiresAt }) => formatTime(expiresAt) },
  { title: 'status', value: ({ status }) => status },
];

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list who may act for whom')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['active', 'expired', 'revoked', 'all'])
        .default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const items = await api.all<Delegation>('/v1/delegations', { status: options.status });
    await printList(items, COLUMNS, { json: options.json, empty: 'Nobody acts for anybody.' });
  });
}

function revoke(parent: Command): void {
  const command = parent
    .command('revoke <id>')
    .description('take the word back, with the credentials that stand on it and their sessions')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Delegation>(path`/v1/delegations/${args[0] as string}/revoke`, {
      reason: options.reason,
    });
    if (options.json) await printJson(done);
    else note('The delegation is revoked.');
  });
}
