import { type Command, Option } from 'commander';
import { describeConditions } from '../core/condition-words.ts';
import { formatDuration } from '../core/duration.ts';
import type { AccessRequest } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { type ConditionOptions, conditionOptions, conditionsOf } from './support/conditions.ts';
import { CliError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { type Column, type Field, formatFields } from './support/table.ts';
import { formatDistance, formatTime, parseDuration, parseMoment } from './support/time.ts';

export function register(program: Command): void {
  const request = program.command('request').description('ask for access, and decide on what others ask for');
  create(request);
  renew(request);
  list(request);
  inbox(request);
  show(request);
  approve(request);
  ending(request, 'deny', 'say no to a request');
  ending(request, 'withdraw', 'take a request back');
}

export interface WhyOptions {
  readonly for: number;
  readonly ticket?: string;
  readonly reason?: string;
  readonly emergency?: boolean;
  readonly wait?: number;
}

interface CreateOptions extends WhyOptions, ConditionOptions {
  readonly principal: string;
  readonly resource: string;
  readonly scope: string;
  readonly start?: string;
}

/** @param must whether it has to be said for how long */
export function whyOptions(command: Command, must = true): Command {
  return command
    .addOption(new Option('--for <duration>', 'how long').argParser(parseDuration).makeOptionMandatory(must))
    .option('--ticket <id>', 'ticket or change number that it rests on')
    .option('--reason <text>', 'why it is needed')
    .option('--emergency', 'it cannot wait; the use is reviewed afterwards')
    .addOption(
      new Option('--wait [duration]', 'stay until it is decided, at most so long (1h)')
        .argParser(parseDuration)
        .preset(3600),
    );
}

export const bodyOf = (options: WhyOptions): object => ({
  ttlSeconds: options.for,
  ...(options.ticket !== undefined && { ticket: options.ticket }),
  ...(options.reason !== undefined && { justification: options.reason }),
  ...(options.emergency === true && { emergency: true }),
});

function create(parent: Command): void {
  const command = parent
    .command('create')
    .description('ask for a grant; the policy says whether it is given, or who has to agree')
    .requiredOption('--principal <principal>', 'for whom')
    .requiredOption('--resource <resource>', 'where')
    .requiredOption('--scope <scope>', 'what, e.g. "select on ledger.*" (docs/scopes.md)')
    .option('--start <time>', 'when it begins (when it is granted)', (text) => parseMoment(text, 1));
  whyOptions(command);
  for (const option of conditionOptions()) command.addOption(option);
  examples(
    command,
    'postern request create --principal nightly-batch --resource ledger-db --scope "select on ledger.*" \\\n' +
      '      --for 2h --ticket CHG-1042 --reason "reconciliation" --wait',
  );
  connected<CreateOptions>(command, async ({ api, options }) => {
    const made = await api.post<AccessRequest>('/v1/requests', {
      principal: options.principal,
      resource: options.resource,
      scope: options.scope,
      ...conditionsOf(options),
      ...(options.start !== undefined && { start: options.start }),
      ...bodyOf(options),
    });
    await answer(api, made, options);
  });
}

function renew(parent: Command): void {
  const command = parent.command('renew <grant>').description('ask for what a grant gives, from its end on');
  examples(whyOptions(command), 'postern request renew 01928f3e-... --for 2h --reason "not done yet"');
  connected<WhyOptions>(command, async ({ api, options, args }) => {
    const body = { grant: args[0] as string, ...bodyOf(options) };
    await answer(api, await api.post<AccessRequest>('/v1/requests/renew', body), options);
  });
}

/** Shows what became of it, after waiting where that is wished. A request that is not granted is a failure. */
export async function answer(
  api: ApiClient,
  made: AccessRequest,
  { wait, json }: WhyOptions & { readonly json?: boolean },
): Promise<void> {
  let request = made;
  if (wait !== undefined && request.status === 'pending') {
    note(`Waiting for ${request.needs.join('; ')}. Ctrl-C leaves the request as it is: ${request.id}`);
    const end = Date.now() + wait * 1000;
    while (request.status === 'pending' && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      request = await api.get<AccessRequest>(path`/v1/requests/${request.id}`);
    }
  }
  await (json ? printJson(request) : print(describe(request)));
  if (request.status !== 'granted' && request.status !== 'pending') {
    throw new CliError('CLI_REQUEST_REFUSED', `the request is ${request.status}: ${request.statusReason}`);
  }
}

const COLUMNS: readonly Column<AccessRequest>[] = [
  { title: 'request', value: (row) => row.id },
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
  { title: 'resource', value: (row) => row.resource.name, shrinkTo: 8 },
  { title: 'scope', value: (row) => row.scope, shrinkTo: 12 },
  { title: 'for', value: (row) => formatDuration(row.seconds * 1000) },
  { title: 'status', value: (row) => row.status },
  { title: 'asked', value: (row) => formatTime(row.createdAt) },
  { title: 'by', value: (row) => row.requester.name, shrinkTo: 8 },
  { title: 'needs', value: (row) => row.needs.join('; '), shrinkTo: 12 },
];

interface ListOptions {
  readonly principal?: string;
  readonly resource?: string;
  readonly status: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list requests')
    .option('--principal <principal>', 'only those for this principal')
    .option('--resource <resource>', 'only those on this resource')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['pending', 'granted', 'denied', 'withdrawn', 'lapsed', 'all'])
        .default('pending'),
    );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { principal, resource, status } = options;
    const items = await api.all<AccessRequest>('/v1/requests', { principal, resource, status });
    await printList(items, COLUMNS, { json: options.json, empty: 'There is no such request.' });
  });
}

function inbox(parent: Command): void {
  connected(parent.command('inbox').description('requests that wait for you'), async ({ api, options }) => {
    const { items } = await api.get<{ items: AccessRequest[] }>('/v1/requests/inbox');
    await printList(items, COLUMNS, { json: options.json, empty: 'Nothing waits for you.' });
  });
}

function show(parent: Command): void {
  connected(parent.command('show <id>').description('show a request'), async ({ api, options, args }) => {
    const found = await api.get<AccessRequest>(path`/v1/requests/${args[0] as string}`);
    await (options.json ? printJson(found) : print(describe(found)));
  });
}

function approve(parent: Command): void {
  const command = parent
    .command('approve <id>')
    .description('agree to a request; it is granted when all whom the policy names have')
    .option('--comment <text>', 'kept in the log with your name');
  connected<{ comment?: string }>(command, async ({ api, options, args }) => {
    const { comment } = options;
    const done = await api.post<AccessRequest>(path`/v1/requests/${args[0] as string}/approve`, {
      ...(comment !== undefined && { comment }),
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function ending(parent: Command, verb: 'deny' | 'withdraw', summary: string): void {
  const command = parent
    .command(`${verb} <id>`)
    .description(summary)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<AccessRequest>(path`/v1/requests/${args[0] as string}/${verb}`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function describe(request: AccessRequest): string {
  const { rule, statusReason, status } = request;
  const fields: readonly Field[] = [
    ['request', request.id],
    ['principal', request.principal.name],
    ['resource', request.resource.name],
    ['scope', request.scope],
    ...describeConditions(request.conditions).map((words) => ['only', words] as const),
    ['for', formatDuration(request.seconds * 1000)],
    ['start', request.start === null ? 'when it is granted' : formatTime(request.start)],
    ['emergency', request.emergency ? 'yes' : null],
    ['asked', `${formatTime(request.createdAt)} by ${request.requester.name}`],
    ['also asked', request.alsoAskedBy?.map(({ name }) => name).join(', ') ?? null],
    ['ticket', request.ticket],
    ['reason', request.justification],
    ['status', statusReason === null ? status : `${status} (${statusReason})`],
    ['rule', rule === null ? null : `${rule.policy}/${rule.rule}, revision ${rule.revision}`],
    ...request.approvals.map(
      ({ person, at, comment }) =>
        ['agreed', `${person.name}, ${formatTime(at)}${comment === null ? '' : `: ${comment}`}`] as const,
    ),
    ...request.needs.map((words) => ['needs', words] as const),
    [
      'waits until',
      status === 'pending' ? `${formatTime(request.expiresAt)} (${formatDistance(request.expiresAt)})` : null,
    ],
    ['grant', request.grant],
  ];
  return formatFields(fields.filter(([, value]) => value !== null));
}
