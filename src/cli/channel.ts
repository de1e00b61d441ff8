import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { CHANNEL_KINDS, DELIVERY_STATUSES } from '../store/notify-entities.ts';
import { bodyOf, channelOptions, type FieldOptions } from './channel-options.ts';
import type { Channel, Delivery } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatTime, parseDuration } from './support/time.ts';

interface Made {
  readonly channel: Channel;
  readonly signingSecret: string | null;
}

export function register(program: Command): void {
  const channel = program
    .command('channel')
    .description('where people are told of something: webhooks, Slack, e-mail');
  add(channel);
  list(channel);
  show(channel);
  update(channel);
  rotate(channel);
  test(channel);
  preview(channel);
  events(channel);
  retire(channel);
  deliveries(channel);
  redeliver(channel);
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('tell somebody of what happens')
    .addOption(new Option('--kind <kind>', 'what it is').choices(CHANNEL_KINDS).makeOptionMandatory());
  channelOptions(command);
  examples(
    command,
    'postern channel add mail --kind email --host smtp.bank.example --user postern --secret-file p --from postern@bank.example',
    'postern channel add siem --kind webhook --url https://events.bank.example/postern --event "request.*"',
    'postern channel add ops --kind slack --conversation C024BE91L --secret-file token --slack-signing-file s --buttons',
  );
  connected<FieldOptions & { kind: Channel['kind'] }>(command, async ({ api, options, args }) => {
    const { kind } = options;
    const body = { name: args[0], kind, ...bodyOf(kind, options) };
    await tell(await api.post<Made>('/v1/channels', body), options.json);
  });
}

async function tell(made: Made, json: boolean | undefined): Promise<void> {
  if (json) return printJson(made);
  if (made.signingSecret === null) return print(describe(made.channel));
  await print(`${made.signingSecret}\n`);
  note(`Tell the receiver this secret: ${made.channel.name} signs with it. It cannot be shown again.`);
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list channels')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'retired', 'all']).default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const items = await api.all<Channel>('/v1/channels', { status: options.status });
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name },
        { title: 'kind', value: (row) => row.kind },
        { title: 'goes to', value: whereTo, shrinkTo: 20 },
        { title: 'events', value: (row) => row.events.join(', '), shrinkTo: 12 },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'There is none: nobody is told of anything.' },
    );
  });
}

function show(parent: Command): void {
  connected(
    parent.command('show <channel>').description('show a channel'),
    async ({ api, options, args }) => {
      const found = await api.get<Channel>(path`/v1/channels/${args[0] as string}`);
      await (options.json ? printJson(found) : print(describe(found)));
    },
  );
}

function update(parent: Command): void {
  const command = parent
    .command('update <channel>')
    .description('change what is given; the rest stays')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  channelOptions(command);
  connected<FieldOptions & { reason: string }>(command, async ({ api, options, args }) => {
    const where = path`/v1/channels/${args[0] as string}`;
    const { kind } = await api.get<Channel>(where);
    const body = { ...bodyOf(kind, options), reason: options.reason };
    const done = await api.post<Channel>(`${where}/update`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function rotate(parent: Command): void {
  const command = parent
    .command('rotate <channel>')
    .description('a new signing secret for a webhook, once, on standard output; for a while both sign')
    .option('--overlap <duration>', 'for how long (1d); 0: the old one ends at once', (text) =>
      text === '0' ? 0 : parseDuration(text),
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ overlap?: number; reason: string }>(command, async ({ api, options, args }) => {
    const { overlap, reason } = options;
    const body = { reason, ...(overlap !== undefined && { overlapSeconds: overlap }) };
    await tell(await api.post<Made>(path`/v1/channels/${args[0] as string}/rotate`, body), options.json);
  });
}

function test(parent: Command): void {
  const command = parent
    .command('test <channel>')
    .description('send a message now, and say what became of it');
  connected(command, async ({ api, options, args }) => {
    const name = args[0] as string;
    const done = await api.post<{ ok: boolean; detail: string | null }>(path`/v1/channels/${name}/test`, {});
    if (options.json) await printJson(done);
    if (!done.ok) throw new CliError('CLI_CHANNEL', `${name}: ${done.detail}`);
    if (!options.json) note(`${name} has taken the message.`);
  });
}

function preview(parent: Command): void {
  const command = parent
    .command('preview <channel>')
    .description('show what an event would say, with examples for its fields')
    .requiredOption('--event <event>', 'which; postern channel events')
    .option('--text-file <file>', 'words to try instead of those of the channel')
    .option('--subject <text>', 'subject to try');
  connected<{ event: string; textFile?: string; subject?: string }>(
    command,
    async ({ api, options, args }) => {
      const { event, textFile, subject = null } = options;
      if (subject !== null && textFile === undefined) throw usageError('--subject goes with --text-file');
      const own =
        textFile === undefined ? undefined : { subject, text: readFileSync(textFile, 'utf8').trimEnd() };
      const body = { event, ...(own && { own }) };
      const shown = await api.post<{ subject: string; text: string }>(
        path`/v1/channels/${args[0] as string}/preview`,
        body,
      );
      await (options.json ? printJson(shown) : print(`${shown.subject}\n\n${shown.text}\n`));
    },
  );
}

function events(parent: Command): void {
  const command = parent
    .command('events')
    .description('list what people are told of, and the fields of its texts');
  connected(command, async ({ api, options }) => {
    const { items } = await api.get<{
      items: readonly { name: string; summary: string; fields: readonly string[] }[];
    }>('/v1/notification-events');
    await printList(
      items,
      [
        { title: 'event', value: (row) => row.name },
        { title: 'when', value: (row) => row.summary, shrinkTo: 30 },
        { title: 'fields', value: (row) => row.fields.join(', '), shrinkTo: 20 },
      ],
      { json: options.json, empty: 'There is none.' },
    );
  });
}

function retire(parent: Command): void {
  const command = parent
    .command('retire <channel>')
    .description('send nothing there any more; its secrets are destroyed')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<Channel>(path`/v1/channels/${args[0] as string}/retire`, { reason });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function deliveries(parent: Command): void {
  const command = parent
    .command('deliveries [channel]')
    .description('what became of messages, the oldest first; kept for 30 days')
    .addOption(
      new Option('--status <status>', 'only these').choices([...DELIVERY_STATUSES, 'all']).default('all'),
    )
    .option('--dead', 'only those that were given up')
    .option('--last <count>', 'only the last so many', wholeNumber(1, 100_000));
  connected<{ status: string; dead?: boolean; last?: number }>(command, async ({ api, options, args }) => {
    const { status, dead, last } = options;
    const query = { status: dead ? 'dead' : status, ...(args[0] !== undefined && { channel: args[0] }) };
    const found = await api.all<Delivery>('/v1/deliveries', query);
    await printList(
      last === undefined ? found : found.slice(-last),
      [
        { title: 'delivery', value: (row) => row.id },
        { title: 'channel', value: (row) => row.channel.name },
        { title: 'event', value: (row) => row.kind },
        { title: 'to', value: (row) => row.recipient, shrinkTo: 12 },
        { title: 'made', value: (row) => formatTime(row.createdAt) },
        { title: 'tries', value: (row) => String(row.attempts), align: 'right' },
        { title: 'status', value: (row) => row.status },
        { title: 'what went wrong', value: (row) => row.error ?? '', shrinkTo: 12 },
      ],
      { json: options.json, empty: 'There is no such message.' },
    );
  });
}

function redeliver(parent: Command): void {
  const command = parent
    .command('redeliver [delivery]')
    .description('put what was given up or held on its way again, with the id that it had')
    .option('--channel <channel>', 'instead: all that were given up in it');
  connected<{ channel?: string }>(command, async ({ api, options, args }) => {
    const { channel } = options;
    if ((args[0] === undefined) === (channel === undefined))
      throw usageError('give the id of a delivery, or --channel');
    const ids =
      channel === undefined
        ? [args[0] as string]
        : (await api.all<Delivery>('/v1/deliveries', { channel, status: 'dead' })).map(({ id }) => id);
    const done: Delivery[] = [];
    for (const id of ids) done.push(await api.post<Delivery>(path`/v1/deliveries/${id}/redeliver`, {}));
    if (options.json) return printJson({ items: done, next: null });
    note(done.length === 1 ? 'It is on its way again.' : `${done.length} are on their way again.`);
  });
}

function whereTo({ kind, settings }: Channel): string {
  if (kind === 'webhook') return settings.origin;
  if (kind === 'slack') return settings.conversation ?? 'the conversation of its URL';
  const { host, port, to, direct } = settings;
  return [`${host}:${port}`, ...(direct ? ['who is concerned'] : []), ...to].join(', ');
}

function describe(channel: Channel): string {
  const texts = Object.keys(channel.texts);
  return formatFields([
    ['channel', channel.name],
    ['kind', channel.kind],
    ['goes to', whereTo(channel)],
    ...(channel.kind === 'email'
      ? ([
          ['from', channel.settings.from],
          ['TLS', channel.settings.tls],
          ['user', channel.settings.user ?? 'none'],
        ] as const)
      : []),
    ...(channel.kind === 'slack' ? ([['buttons', channel.settings.buttons ? 'yes' : 'no']] as const) : []),
    ['events', channel.events.join(', ')],
    ['own texts', texts.length === 0 ? 'none' : texts.join(', ')],
    [
      'secrets',
      Object.entries(channel.secrets)
        .map(([name, since]) => `${name} (since ${formatTime(since)})`)
        .join(', ') || 'none',
    ],
    ['signs with both until', channel.formerUntil === null ? '' : formatTime(channel.formerUntil)],
    ['status', channel.status],
  ]);
}
