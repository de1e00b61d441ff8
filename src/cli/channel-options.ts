/** What a channel is, as flags. Secrets come from files or standard input, never from the command line. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Channel } from './support/api-types.ts';
import { listOf, wholeNumber } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { readSecret } from './support/secret-file.ts';

export interface FieldOptions {
  readonly url?: string;
  readonly urlFile?: string;
  readonly secretFile?: string;
  readonly slackSigningFile?: string;
  readonly conversation?: string;
  readonly apiBase?: string;
  readonly buttons?: boolean;
  readonly host?: string;
  readonly port?: number;
  readonly tls?: string;
  readonly user?: string;
  readonly auth?: boolean;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly direct?: boolean;
  readonly event?: readonly string[];
  readonly caFile?: string;
  readonly textFor?: string;
  readonly textFile?: string;
  readonly subject?: string;
}

export function channelOptions(command: Command): Command {
  return command
    .option('--event <patterns>', 'what goes there, such as "request.*" (all)', listOf)
    .option('--url <url>', 'webhook, and Slack without a bot: where it posts')
    .option('--url-file <file>', 'the same from a file, "-" for standard input, where it is a secret')
    .option(
      '--secret-file <file>',
      'webhook: a signing secret of your own (else one is made); Slack: token of the bot; e-mail: password',
    )
    .option('--conversation <id>', 'Slack: id of the conversation the bot writes to, such as C024BE91L')
    .option('--slack-signing-file <file>', 'Slack: signing secret of the app, for buttons')
    .option('--buttons', 'Slack: requests come with buttons to decide on them')
    .option('--no-buttons', 'Slack: without')
    .option('--api-base <url>', 'Slack: address of its API (https://slack.com/api)')
    .option('--host <host>', 'e-mail: mail server')
    .option('--port <port>', 'e-mail: its port (587, or 465 with --tls implicit)', wholeNumber(1, 65_535))
    .addOption(
      new Option(
        '--tls <mode>',
        'e-mail: how it is encrypted (starttls); none: to this machine only',
      ).choices(['starttls', 'implicit', 'none']),
    )
    .option('--user <user>', 'e-mail: user of the mail server')
    .option('--no-auth', 'e-mail: without a user')
    .option('--from <address>', 'e-mail: sender')
    .option('--to <addresses>', 'e-mail: addresses that get every message', listOf)
    .option('--direct', 'e-mail: also to who has to act or to know, at their own address (so by default)')
    .option('--no-direct', 'e-mail: only to --to')
    .option('--ca-file <file>', 'authority of its certificate besides those of the system')
    .option('--text-for <event>', 'own words for an event; they name fields as {{principal}}')
    .option('--text-file <file>', 'the words; an empty file takes them away')
    .option('--subject <text>', 'e-mail: subject of --text-for');
}

export function bodyOf(kind: Channel['kind'], options: FieldOptions): object {
  const { event, caFile } = options;
  const common = {
    ...(event && { events: event }),
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    ...textsOf(options),
  };
  if (kind === 'webhook') return { ...common, ...given('webhook', webhookOf(options)) };
  if (kind === 'slack') return { ...common, ...given('slack', slackOf(options)) };
  return { ...common, ...given('email', emailOf(options)) };
}

const given = (kind: Channel['kind'], fields: object): object =>
  Object.keys(fields).length === 0 ? {} : { [kind]: fields };

function urlOf({ url, urlFile }: FieldOptions): string | undefined {
  if (url !== undefined && urlFile !== undefined) throw usageError('give --url or --url-file');
  return urlFile === undefined ? url : readSecret(urlFile, 'the URL');
}

function webhookOf(options: FieldOptions): object {
  const url = urlOf(options);
  const secret = options.secretFile;
  return {
    ...(url !== undefined && { url }),
    ...(secret !== undefined && { signingSecret: readSecret(secret, 'the signing secret') }),
  };
}

function slackOf(options: FieldOptions): object {
  const url = urlOf(options);
  const { secretFile, slackSigningFile, conversation, apiBase, buttons } = options;
  return {
    ...(url !== undefined && { url }),
    ...(secretFile !== undefined && { token: readSecret(secretFile, 'the token') }),
    ...(slackSigningFile !== undefined && {
      signingSecret: readSecret(slackSigningFile, 'the signing secret'),
    }),
    ...(conversation !== undefined && { conversation }),
    ...(apiBase !== undefined && { apiBase }),
    ...(buttons !== undefined && { buttons }),
  };
}

function emailOf({ secretFile, host, port, tls, user, auth, from, to, direct }: FieldOptions): object {
  return {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(tls !== undefined && { tls }),
    ...(auth === false ? { user: null } : user !== undefined && { user }),
    ...(secretFile !== undefined && { password: readSecret(secretFile, 'the password') }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(direct !== undefined && { direct }),
  };
}

function textsOf({ textFor, textFile, subject }: FieldOptions): object {
  if (textFor === undefined && textFile === undefined && subject === undefined) return {};
  if (textFor === undefined || textFile === undefined)
    throw usageError('--text-for and --text-file go together');
  const text = readFileSync(textFile, 'utf8').trimEnd();
  return { texts: { [textFor]: text === '' ? null : { subject: subject ?? null, text } } };
}
