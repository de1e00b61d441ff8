import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CliError, usageError } from './failure.ts';
import { readSecret } from './secret-file.ts';

/** Flags by which every command that speaks to the API is told where it is and who asks. */
export interface ConnectionOptions {
  readonly api?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly data?: string;
}

export interface Connection {
  /** `https://host:port`, without a slash at the end. */
  readonly api: string;
  /** The file of the certificate authority to trust instead of the system's, with its content. */
  readonly ca: { readonly file: string; readonly pem: string } | null;
  readonly token: string | null;
}

/** What `postern setup` and `postern login` keep for later commands. */
export interface Profile {
  readonly api: string;
  /** File of the certificate authority; null where the system's store serves. */
  readonly caFile: string | null;
  /** Null: signed out. */
  readonly token: string | null;
  readonly expiresAt: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where nothing else is said. */
export const DEFAULT_API = 'https://127.0.0.1:8443';

/** `$XDG_CONFIG_HOME/postern`, or `~/.config/postern`. */
export function profileDirectory(env: Environment): string {
  const base = env.XDG_CONFIG_HOME;
  return join(base?.startsWith('/') ? base : join(env.HOME ?? homedir(), '.config'), 'postern');
}

/**
 * Where the API is, which certificate authority to trust and which token to show: from flags, then `--data`, then
 * the environment, then the profile.
 *
 * The token of the profile goes only to the installation it came from: to a server that proves itself with the
 * certificate authority kept with it, or, where there is none, to the address kept with it.
 *
 * @param profile another than the person's own; null for none
 * @throws CliError when something named cannot be read or is malformed
 */
export function resolveConnection(
  options: ConnectionOptions,
  env: Environment,
  profile: Profile | null = readProfile(profileDirectory(env)),
): Connection {
  const local = options.data === undefined ? null : readDataDirectory(options.data);
  const api = normalizeApi(options.api ?? local?.api ?? env.POSTERN_API ?? profile?.api ?? DEFAULT_API);
  const caFile = options.ca ?? local?.caFile ?? env.POSTERN_CA ?? profile?.caFile ?? null;
  const ca = caFile === null ? null : { file: resolve(caFile), pem: readPem(caFile) };
  let token: string | null = null;
  if (options.tokenFile !== undefined) token = readSecret(options.tokenFile, 'an API token');
  else if (env.POSTERN_TOKEN) token = env.POSTERN_TOKEN.trim();
  else if (profile && belongs(profile, api, ca)) token = profile.token;
  if (token !== null && !/^[\x21-\x7e]{1,512}$/.test(token)) {
    throw usageError('the API token is malformed', 'It is one word that begins with pat_.');
  }
  return { api, ca, token };
}

function belongs(profile: Profile, api: string, ca: Connection['ca']): boolean {
  if (profile.caFile === null) return ca === null && profile.api === api;
  return ca !== null && readPem(profile.caFile) === ca.pem;
}

function normalizeApi(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' || url.username !== '' || url.pathname !== '/' || url.search !== '') {
    throw usageError(`"${text}" is not the address of an API`, 'It looks like https://postern.example:8443.');
  }
  return url.origin;
}

function readPem(file: string): string {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the certificate authority: ${(error as Error).message}`);
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw usageError(`${file} holds no PEM certificate`);
  return pem;
}

/** A data directory of this machine names the API by its `run.json` and the certificate authority by its file. */
function readDataDirectory(directory: string): { api: string; caFile: string } {
  const file = join(directory, 'run.json');
  let run: unknown;
  try {
    run = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CliError(
      'CLI_NOT_RUNNING',
      `cannot read ${file}: ${(error as Error).message}`,
      `Is Postern running with this data directory? Start it with: postern serve --data ${directory}`,
    );
  }
  const api = (run as { api?: { host?: unknown; port?: unknown } } | null)?.api;
  if (typeof api?.host !== 'string' || typeof api.port !== 'number') {
    throw new CliError('CLI_NOT_RUNNING', `${file} does not name the address of the API`);
  }
  return {
    api: `https://${urlHost(reachable(api.host))}:${api.port}`,
    caFile: join(directory, 'ca', 'ca.crt'),
  };
}

/** A listening address as one to connect to: those that mean "every address" mean this machine. */
export function reachable(host: string, instead?: string): string {
  if (host === '0.0.0.0') return instead ?? '127.0.0.1';
  if (host === '::') return instead ?? '::1';
  return host;
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function readProfile(directory: string): Profile | null {
  const file = join(directory, 'profile.json');
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      throw usageError(`${file} holds a token and can be read by others`, `Close it with: chmod 600 ${file}`);
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const profile = JSON.parse(text) as Partial<Profile> | null;
    const { api, caFile, token, expiresAt } = profile ?? {};
    if (typeof api === 'string' && token !== undefined && typeof expiresAt === 'string') {
      if (token === null || typeof token === 'string') {
        return { api, caFile: typeof caFile === 'string' ? caFile : null, token, expiresAt };
      }
    }
  } catch {
    // Said below, as for any other content that is not a profile.
  }
  throw usageError(`${file} is not a profile of Postern`, 'Remove it, or write it anew with: postern setup');
}
