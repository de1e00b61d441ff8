import { type Command, Option } from 'commander';
import { describeConditions } from '../core/condition-words.ts';
import { registerUnused } from './grant-unused.ts';
import type { Grant } from './support/api-types.ts';
import { path } from './support/client.ts';
import { authorityOf, GRANT_COLUMNS } from './support/columns.ts';
import { connected, examples } from './support/command.ts';
import { type ConditionOptions, conditionOptions, conditionsOf } from './support/conditions.ts';
import { usageError } from './support/failure.ts';
import { print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatDistance, formatTime, parseDuration, parseMoment } from './support/time.ts';

export function register(program: Command): void {
  const grant = program
    .command('grant')
    .description('who may do what, where, until when, and on whose authority');
  add(grant);
  list(grant);
  show(grant);
  revoke(grant);
  release(grant);
  registerUnused(grant);
}

interface AddOptions extends ConditionOptions {
  readonly principal: string;
  readonly resource: string;
  readonly scope: string;
  readonly start?: string;
  readonly for?: number;
  readonly until?: string;
  readonly ticket?: string;
  readonly reason?: string;
}

function add(parent: Command): void {
  const command = parent
    .command('add')
    .description('let a principal do something on a resource, until an absolute end')
    .requiredOption('--principal <principal>', 'who')
    .requiredOption('--resource <resource>', 'where')
    .requiredOption('--scope <scope>', 'what, e.g. "insert, select on ledger.*" (docs/scopes.md)')
    .addOption(new Option('--for <duration>', 'how long').argParser(parseDuration).conflicts('until'))
    .option('--until <time>', 'instead of --for: the end', (text) => parseMoment(text, 1))
    .option('--start <time>', 'when it begins (now)', (text) => parseMoment(text, 1))
    .option('--ticket <id>', 'ticket or change number that it rests on')
    .option('--reason <text>', 'why it is needed');
  for (const option of conditionOptions()) command.addOption(option);
  examples(
    command,
    'postern grant add --principal nightly-ledger-batch --resource ledger-db \\\n' +
      '      --scope "insert, select on ledger.*" --for 2h --ticket CHG-1042 --reason "end of day posting"',
    'postern grant add --principal report-reader --resource ledger-db --scope "select (id, amount) on ledger.entries" \\\n' +
      '      --for 30d --max-rows 10000 --hours "mon-fri 08:00-18:00 Europe/Berlin" --from 10.20.0.0/16 --no-ddl',
  );
  connected<AddOptions>(command, async ({ api, options }) => {
    if (options.for === undefined && options.until === undefined) {
      throw usageError(
        'the end is missing: no grant stands for ever',
        'Give --for 2h or --until 2026-11-22T06:00:00Z.',
      );
    }
    const made = await api.post<Grant>('/v1/grants', {
      principal: options.principal,
      resource: options.resource,
      scope: options.scope,
      ...conditionsOf(options),
      ...(options.start !== undefined && { start: options.start }),
      ...(options.until !== undefined ? { end: options.until } : { ttlSeconds: options.for }),
      ...(options.ticket !== undefined && { ticket: options.ticket }),
      ...(options.reason !== undefined && { justification: options.reason }),
    });
    await (options.json ? printJson(made) : print(describe(made)));
  });
}

interface ListOptions {
  readonly principal?: string;
  readonly resource?: string;
  readonly status?: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list grants')
    .option('--principal <principal>', 'only those of this principal')
    .option('--resource <resource>', 'only those on this resource')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['active', 'expired', 'revoked', 'all'])
        .default('active'),
    );
  examples(
    command,
    'postern grant list',
    'postern grant list --principal nightly-ledger-batch --status all --json',
  );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { principal, resource, status } = options;
    const items = await api.all<Grant>('/v1/grants', { principal, resource, status });
    await printList(items, GRANT_COLUMNS, { json: options.json, empty: 'There is no such grant.' });
  });
}

function show(parent: Command): void {
  connected(parent.command('show <id>').description('show a grant'), async ({ api, options, args }) => {
    const found = await api.get<Grant>(path`/v1/grants/${args[0] as string}`);
    await (options.json ? printJson(found) : print(describe(found)));
  });
}

function revoke(parent: Command): void {
  const command = parent
    .command('revoke <id>')
    .description(
      'end a grant now: commands under it are refused at once, its sessions closed within a second',
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Grant>(path`/v1/grants/${args[0] as string}/revoke`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function release(parent: Command): void {
  const command = parent
    .command('release <id>')
    .description('give a grant back that is needed no more, before its end')
    .option('--reason <text>', 'kept in the log');
  connected<{ reason?: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<Grant>(path`/v1/grants/${args[0] as string}/release`, {
      ...(reason !== undefined && { reason }),
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function describe(grant: Grant): string {
  const ended = grant.endedAt !== null;
  return formatFields([
    ['grant', grant.id],
    ['principal', grant.principal.name],
    ['resource', grant.resource.name],
    ['scope', grant.scope],
    ...describeConditions(grant.conditions).map((words) => ['only', words] as const),
    ['status', grant.endReason ? `${grant.status} (${grant.endReason})` : grant.status],
    ['start', formatTime(grant.start)],
    ['end', ended ? formatTime(grant.end) : `${formatTime(grant.end)} (${formatDistance(grant.end)})`],
    ...(ended ? ([['ended', formatTime(grant.endedAt)]] as const) : []),
    ['authority', authorityOf(grant.authority)],
    ['reason', grant.authority.justification],
  ]);
}
