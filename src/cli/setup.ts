import { join } from 'node:path';
import type { Command } from 'commander';
import type { Person } from './support/api-types.ts';
import { ApiClient } from './support/client.ts';
import { addServerOptions, type CommonOptions, examples } from './support/command.ts';
import { type Profile, profileDirectory, resolveConnection } from './support/connection.ts';
import { CliError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { ask, askSecret } from './support/prompt.ts';
import { readSecret, writePrivateFile } from './support/secret-file.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

interface SetupOptions extends CommonOptions {
  readonly name?: string;
  readonly email?: string;
  readonly tokenFile?: string;
  readonly save: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('setup')
    .description('become the first administrator of a new installation, and remember it for later commands')
    .option('--name <name>', 'your name')
    .option('--email <address>', 'your e-mail address')
    .option('--token-file <file>', 'the one-time token that "postern serve" printed, "-" for standard input')
    .option('--no-save', 'do not write the profile; print the API token instead');
  addServerOptions(command);
  examples(
    command,
    'postern setup --data /var/lib/postern --name "Ada Boone" --email ada@bank.example',
    'postern setup --api https://postern.bank.example:8443 --ca postern-ca.crt --token-file token',
  );
  command.addHelpText(
    'after',
    '\nThe one-time token comes from --token-file, else POSTERN_SETUP_TOKEN, else it is asked for.',
  );
  command.action(async () => setUp(command.opts<SetupOptions>()));
}

async function setUp(options: SetupOptions): Promise<void> {
  // The flag --token-file is the one-time token here; no API token exists yet, and an old profile says nothing.
  const { tokenFile: _, ...server } = options;
  const connection = resolveConnection(server, { ...process.env, POSTERN_TOKEN: undefined }, null);
  const api = new ApiClient(connection);
  const token = await oneTimeToken(options.tokenFile);
  const name = options.name ?? (await ask('Your name', 'Use --name.'));
  const email = options.email ?? (await ask('Your e-mail address', 'Use --email.'));
  const directory = profileDirectory(process.env);
  const caFile = connection.ca && join(directory, 'ca.crt');
  // Written before the one-time token is spent: where nothing can be written, it must not be.
  if (options.save && caFile) writePrivateFile(caFile, connection.ca.pem);
  const body = { token: token.trim(), name, email };
  const made = await api.post<{ person: Person; token: string; expiresAt: string }>('/v1/setup', body);
  if (!options.save) return options.json ? printJson(made) : print(`${made.token}\n`);
  const file = join(directory, 'profile.json');
  const profile: Profile = { api: connection.api, caFile, token: made.token, expiresAt: made.expiresAt };
  try {
    writePrivateFile(file, `${JSON.stringify(profile, null, 2)}\n`);
  } catch (error) {
    await print(`${made.token}\n`);
    throw new CliError(
      'CLI_NOT_SAVED',
      `you are the first administrator, but the profile could not be written: ${(error as Error).message}`,
      'Your API token stands on standard output and cannot be shown again: keep it, and use it with --token-file.',
    );
  }
  if (options.json) return printJson({ person: made.person, expiresAt: made.expiresAt, profile: file });
  note(`Welcome, ${safeLine(made.person.name)}: you are the first administrator of ${connection.api}.`);
  note(`Your API token is kept in ${file}, until ${formatTime(made.expiresAt)}. Try: postern whoami`);
  note(
    `So that you can sign in when it ends, make a passkey within the hour: postern person invite ${safeLine(made.person.email)}`,
  );
}

async function oneTimeToken(file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecret(file, 'the one-time token');
  const given = process.env.POSTERN_SETUP_TOKEN;
  if (given) return given;
  return askSecret(
    'One-time token',
    'Use --token-file FILE or POSTERN_SETUP_TOKEN. "postern serve" printed it at first start.',
  );
}
