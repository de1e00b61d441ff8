/** `postern person`: by what people come in, and where they are signed in. */
import type { Command } from 'commander';
import type { Authenticator, Person, PersonSession } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { signedInBy } from './support/sign-in.ts';
import { formatFields } from './support/table.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function registerAccess(person: Command): void {
  invite(person);
  authenticators(person);
  sessions(person);
  settings(person);
}

function invite(parent: Command): void {
  const command = parent
    .command('invite <person>')
    .description('print, once, a link by which a person makes their passkey or links their login')
    .option('--for <duration>', 'how long it is valid (1d, at most 7d)', parseDuration);
  examples(command, 'postern person invite grace@bank.example');
  connected<{ for?: number }>(command, async ({ api, options, args }) => {
    const body = { ...(options.for !== undefined && { ttlSeconds: options.for }) };
    const where = path`/v1/persons/${args[0] as string}/invitations`;
    const made = await api.post<{ url: string; expiresAt: string }>(where, body);
    if (options.json) return printJson(made);
    await print(`${made.url}\n`);
    note(`It works once, until ${formatTime(made.expiresAt)}. Hand it to the person and nobody else.`);
  });
}

function authenticators(parent: Command): void {
  const command = parent
    .command('authenticators [person]')
    .description('by what somebody signs in (you, unless said otherwise), and take such a thing away')
    .option('--remove <id>', 'take this one away; their sessions end')
    .option('--reason <text>', 'why; it is kept in the log');
  connected<{ remove?: string; reason?: string }>(command, async ({ api, options, args }) => {
    if (options.remove !== undefined) {
      if (options.reason === undefined) throw usageError('--remove needs --reason');
      const where = path`/v1/authenticators/${options.remove}/remove`;
      const done = await api.post<Authenticator>(where, { reason: options.reason });
      return options.json ? printJson(done) : note(`Removed: ${done.label}`);
    }
    const who = args[0] ?? (await api.get<{ person: Person }>('/v1/whoami')).person.id;
    const answer = await api.get<{ items: readonly Authenticator[]; recoveryCodesLeft: number }>(
      path`/v1/persons/${who}/authenticators`,
    );
    if (options.json) return printJson(answer);
    await printList(
      answer.items,
      [
        { title: 'id', value: (row) => row.id },
        { title: 'kind', value: (row) => row.kind },
        { title: 'label', value: (row) => row.label, shrinkTo: 12 },
        {
          title: 'who',
          value: (row) => (row.kind === 'oidc' ? `${row.subject} at ${row.issuer}` : ''),
          shrinkTo: 12,
        },
        { title: 'since', value: (row) => formatTime(row.createdAt) },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'No way to sign in: only API tokens.' },
    );
    note(`Recovery codes left: ${answer.recoveryCodesLeft}`);
  });
}

function sessions(parent: Command): void {
  const command = parent
    .command('sessions [person]')
    .description('where somebody is signed in (you, unless said otherwise), and end such a session')
    .option('--end <session>', 'end this session')
    .option('--reason <text>', 'why it is ended; it is kept in the log');
  examples(
    command,
    'postern person sessions',
    'postern person sessions ed@bank.example --end 01a1ffcb-ab5a-7000-8000-000000000000 --reason "lost laptop"',
  );
  connected<{ end?: string; reason?: string }>(command, async ({ api, options, args }) => {
    if (options.end !== undefined) {
      if (options.reason === undefined) throw usageError('--end needs --reason');
      await api.post(path`/v1/person-sessions/${options.end}/end`, { reason: options.reason });
      return options.json ? printJson({ ended: options.end }) : note(`Ended: ${options.end}`);
    }
    const who = args[0] ?? (await api.get<{ person: Person }>('/v1/whoami')).person.id;
    const { items } = await api.get<{ items: readonly PersonSession[] }>(path`/v1/persons/${who}/sessions`);
    await printList(
      items,
      [
        { title: 'id', value: (row) => row.id },
        { title: 'where', value: (row) => row.kind },
        { title: 'by', value: (row) => signedInBy(row) },
        { title: 'from', value: (row) => row.source },
        { title: 'since', value: (row) => formatTime(row.createdAt) },
        { title: 'last used', value: (row) => formatTime(row.lastUsedAt) },
        { title: 'ends', value: (row) => formatTime(row.expiresAt) },
      ],
      { json: options.json, empty: 'Not signed in anywhere.' },
    );
  });
}

interface Settings {
  readonly browser: { readonly idleSeconds: number; readonly absoluteSeconds: number };
  readonly cli: { readonly idleSeconds: number; readonly absoluteSeconds: number };
  readonly freshSeconds: number;
}

interface SettingsOptions {
  readonly browserIdle?: number;
  readonly browserEnd?: number;
  readonly cliIdle?: number;
  readonly cliEnd?: number;
  readonly fresh?: number;
  readonly reason?: string;
}

function settings(parent: Command): void {
  const command = parent
    .command('settings')
    .description('how long people stay signed in; with options, change it')
    .option(
      '--browser-idle <duration>',
      'a browser is signed out after so long without a call',
      parseDuration,
    )
    .option('--browser-end <duration>', 'and after so long in any case', parseDuration)
    .option(
      '--cli-idle <duration>',
      'the command line is signed out after so long without a call',
      parseDuration,
    )
    .option('--cli-end <duration>', 'and after so long in any case', parseDuration)
    .option(
      '--fresh <duration>',
      'sensitive acts are open so long after somebody showed who they are',
      parseDuration,
    )
    .option('--reason <text>', 'why it is changed; it is kept in the log');
  connected<SettingsOptions>(command, async ({ api, options }) => {
    const change = changeOf(options);
    if (change !== null && options.reason === undefined) throw usageError('a change needs --reason');
    const now =
      change === null
        ? await api.get<Settings>('/v1/sign-in')
        : await api.post<Settings>('/v1/sign-in', { ...change, reason: options.reason });
    if (options.json) return printJson(now);
    const ends = (of: Settings['cli']): string =>
      `${of.idleSeconds} s unused, ${of.absoluteSeconds} s in any case`;
    await print(
      formatFields([
        ['browser ends', ends(now.browser)],
        ['command line ends', ends(now.cli)],
        ['sensitive acts', `${now.freshSeconds} s after showing who one is`],
      ]),
    );
  });
}

function changeOf({ browserIdle, browserEnd, cliIdle, cliEnd, fresh }: SettingsOptions): object | null {
  const ends = (idle?: number, end?: number): object | null =>
    idle === undefined && end === undefined
      ? null
      : {
          ...(idle !== undefined && { idleSeconds: idle }),
          ...(end !== undefined && { absoluteSeconds: end }),
        };
  const browser = ends(browserIdle, browserEnd);
  const cli = ends(cliIdle, cliEnd);
  if (browser === null && cli === null && fresh === undefined) return null;
  return {
    ...(browser && { browser }),
    ...(cli && { cli }),
    ...(fresh !== undefined && { freshSeconds: fresh }),
  };
}
