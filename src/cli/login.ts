import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Person, PersonSession } from './support/api-types.ts';
import { ApiClient } from './support/client.ts';
import { addServerOptions, type CommonOptions, examples } from './support/command.ts';
import { type Connection, resolveConnection } from './support/connection.ts';
import { CliError, usageError } from './support/failure.ts';
import { Loopback } from './support/loopback.ts';
import { note, printJson } from './support/output.ts';
import { writeProfile } from './support/profile.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

interface LoginOptions extends CommonOptions {
  readonly provider?: string;
  readonly browser?: boolean;
  readonly again?: boolean;
  readonly open: boolean;
}

interface SignedIn {
  readonly token: string;
  readonly person: Person;
  readonly session: PersonSession;
}

interface Ways {
  readonly publicUrl: string;
  readonly providers: readonly { readonly name: string }[];
}

export function register(program: Command): void {
  const command = program
    .command('login')
    .description('sign in, and remember it for later commands')
    .option('--provider <name>', 'identity provider, where there are several')
    .option('--browser', 'through a browser on this computer, also with a passkey')
    .option('--again', 'show once more who you are, in a browser: it opens sensitive acts for some minutes')
    .option('--no-open', 'print the address instead of opening the browser');
  addServerOptions(command);
  examples(
    command,
    'postern login --api https://postern.bank.example:8443 --ca postern-ca.crt',
    'postern login --browser',
    'postern login --again',
  );
  command.addHelpText(
    'after',
    '\nWhere the identity provider can, you get a code to type on any device. Else your browser asks you.',
  );
  command.action(async () => login(command.opts<LoginOptions>()));
}

async function login(options: LoginOptions): Promise<void> {
  const connection = resolveConnection(options, { ...process.env, POSTERN_TOKEN: undefined });
  const api = new ApiClient({ ...connection, token: null });
  const ways = await api.get<Ways>('/v1/login/ways');
  const before = connection.token;
  const done = (await byDevice(api, ways, options)) ?? (await byBrowser(api, ways, options));
  if (before?.startsWith('psc_')) await endSession(connection, before);
  const file = writeProfile(connection, { token: done.token, expiresAt: done.session.expiresAt });
  if (options.json) {
    const { person, session } = done;
    return printJson({ person, session, profile: file });
  }
  note(
    `Signed in as ${safeLine(done.person.name)}, until ${formatTime(done.session.expiresAt)} at the latest.`,
  );
}

/** The session that the new one takes the place of. */
async function endSession(connection: Connection, token: string): Promise<void> {
  try {
    await new ApiClient({ ...connection, token }).post('/v1/logout', {});
  } catch (error) {
    // It has ended already.
    if (!(error instanceof CliError) || error.code !== 'POSTERN_UNAUTHORIZED') throw error;
  }
}

/** @returns null where a browser is wanted, or no provider can do without */
async function byDevice(api: ApiClient, ways: Ways, options: LoginOptions): Promise<SignedIn | null> {
  if (options.browser || options.again) return null;
  const names = ways.providers.map(({ name }) => name);
  const provider = options.provider ?? (names.length === 1 ? names[0] : undefined);
  if (provider === undefined) return null;
  if (!names.includes(provider))
    throw usageError(`there is no provider "${provider}"`, `There are: ${names.join(', ')}`);
  try {
    return await deviceFlow(api, provider, options);
  } catch (error) {
    if (error instanceof CliError && error.code === 'POSTERN_UNSUPPORTED') return null;
    throw error;
  }
}

interface DeviceStart {
  readonly ticket: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  readonly interval: number;
  readonly expiresIn: number;
}

async function deviceFlow(api: ApiClient, provider: string, options: LoginOptions): Promise<SignedIn> {
  const begun = await api.post<DeviceStart>('/v1/login/device/begin', { provider });
  note(`Open ${safeLine(begun.verificationUri)} on any device and type: ${safeLine(begun.userCode)}`);
  if (options.open) openBrowser(begun.verificationUriComplete ?? begun.verificationUri);
  let interval = Math.min(Math.max(begun.interval, 1), 60);
  const end = Date.now() + begun.expiresIn * 1000;
  while (Date.now() < end) {
    await sleep(interval * 1000);
    const answer = await api.post<SignedIn | { pending: true; slower: boolean }>('/v1/login/device', {
      ticket: begun.ticket,
    });
    if (!('pending' in answer)) return answer;
    // RFC 8628 section 3.5.
    if (answer.slower) interval += 5;
  }
  throw new CliError('CLI_TIMEOUT', 'the code was not used in time', 'Begin anew: postern login');
}

async function byBrowser(api: ApiClient, ways: Ways, options: LoginOptions): Promise<SignedIn> {
  const loopback = await Loopback.open();
  try {
    const address = loopback.address(ways.publicUrl, options.again ?? false);
    note(`Sign in with your browser on this computer: ${address}`);
    if (options.open) openBrowser(address);
    const code = await loopback.code();
    return await api.post<SignedIn>('/v1/login/cli', { code, verifier: loopback.verifier });
  } finally {
    loopback.close();
  }
}

/** Asks the desktop for its browser. Where there is none the address stands on the terminal. */
function openBrowser(address: string): void {
  if (!address.startsWith('https://')) return;
  const child = spawn(process.platform === 'darwin' ? 'open' : 'xdg-open', [address], {
    stdio: 'ignore',
    detached: true,
  });
  child.on('error', () => note('No browser could be opened from here.'));
  child.unref();
}
