/** Tokens by which the platform under a job says what job it is. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { CliError, usageError } from './failure.ts';
import { nextAssertion } from './key-file.ts';
import { readSecret } from './secret-file.ts';

const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const SVID = 'urn:postern:token-type:jwt-svid';
const WAIT_MS = 15_000;
const LARGEST = 65_536;

export interface PlatformToken {
  readonly token: string;
  /** @see https://www.rfc-editor.org/rfc/rfc8693#section-3 */
  readonly type: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Source = (audience: string, env: Environment) => string | Promise<string>;

const fromEnvironment =
  (name: string, how: string): Source =>
  (_audience, env) => {
    const token = env[name];
    if (token === undefined || token === '') throw missing(`${name} is not set`, how);
    return token;
  };

const fromFile =
  (path: (env: Environment) => string, how: string): Source =>
  (_audience, env) => {
    try {
      return readFileSync(path(env), 'utf8').trim();
    } catch (error) {
      throw missing((error as Error).message, how);
    }
  };

/** Where each platform has its token. */
const SOURCES: Readonly<Record<string, Source>> = {
  /** @see https://docs.github.com/en/actions/reference/security/oidc */
  github: async (audience, env) => {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: at, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = env;
    if (!at || !bearer)
      throw missing('the job has no right to an ID token', 'Give it one: permissions: { id-token: write }');
    const url = new URL(at);
    url.searchParams.set('audience', audience);
    return member(await ask(url, { authorization: `bearer ${bearer}` }), 'value');
  },
  gitlab: fromEnvironment(
    'POSTERN_ID_TOKEN',
    'Give the job one: id_tokens: { POSTERN_ID_TOKEN: { aud: ... } }',
  ),
  circleci: fromEnvironment('CIRCLE_OIDC_TOKEN_V2', 'The job needs a context to have one.'),
  buildkite: async (audience) => {
    try {
      const args = ['oidc', 'request-token', '--audience', audience];
      const { stdout } = await promisify(execFile)('buildkite-agent', args, { timeout: WAIT_MS });
      return stdout.trim();
    } catch (error) {
      throw missing((error as Error).message, 'buildkite-agent must be in the path of the job.');
    }
  },
  kubernetes: fromFile(
    (env) => env.POSTERN_TOKEN_FILE ?? '/var/run/secrets/postern/token',
    'Mount a projected service account token there, with the audience of the binding, or name its file in POSTERN_TOKEN_FILE.',
  ),
  aws: fromFile(
    (env) => env.AWS_WEB_IDENTITY_TOKEN_FILE ?? '/var/run/secrets/eks.amazonaws.com/serviceaccount/token',
    'AWS_WEB_IDENTITY_TOKEN_FILE names the file of the token.',
  ),
  gcp: async (audience) => {
    const url = new URL(
      'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity',
    );
    url.searchParams.set('audience', audience);
    url.searchParams.set('format', 'full');
    return (await ask(url, { 'metadata-flavor': 'Google' })).trim();
  },
  azure: async (audience) => {
    const url = new URL('http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01');
    url.searchParams.set('resource', audience);
    return member(await ask(url, { metadata: 'true' }), 'access_token');
  },
};

export const PLATFORMS: readonly string[] = Object.keys(SOURCES);

/**
 * The token of the platform.
 *
 * @param from one of {@link PLATFORMS}; `env:NAME`, `file:PATH`, `svid:PATH` (a JWT-SVID), or `-` for standard input
 * @param audience as the binding asks for it
 */
export async function platformToken(
  from: string,
  audience: string,
  env: Environment,
): Promise<PlatformToken> {
  const [kind, ...rest] = from.split(':');
  const name = rest.join(':');
  if (from === '-') return checked(readSecret('-', 'a token'), JWT);
  if (kind === 'env' && name !== '')
    return checked(await fromEnvironment(name, 'Set it to a token.')(audience, env), JWT);
  if (kind === 'file' && name !== '') return checked(readToken(name), JWT);
  if (kind === 'svid' && name !== '') return checked(readToken(name), SVID);
  if (kind === 'key' && name !== '') return checked(await nextAssertion(name), ASSERTION);
  const source = Object.hasOwn(SOURCES, from) ? SOURCES[from] : undefined;
  if (source === undefined)
    throw usageError(
      `"${from}" is no source of tokens`,
      `They are ${PLATFORMS.join(', ')}, env:NAME, file:PATH, svid:PATH, key:PATH (postern join) and - for standard input.`,
    );
  return checked(await source(audience, env), JWT);
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw missing((error as Error).message, 'It is a file with one token.');
  }
}

/** What is no token is not sent to anybody: it may be another secret. */
function checked(token: string, type: string): PlatformToken {
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return { token, type };
  throw new CliError('CLI_NO_TOKEN', 'what the platform gave is no token (JWT)');
}

async function ask(url: URL, headers: Readonly<Record<string, string>>): Promise<string> {
  const metadata = ['metadata.google.internal', '169.254.169.254'].includes(url.hostname);
  if (url.protocol !== 'https:' && !metadata) throw usageError(`${url.origin} is not asked without TLS`);
  let answer: Response;
  try {
    answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(WAIT_MS) });
  } catch (error) {
    throw missing(`${url.origin} does not answer: ${causeOf(error)}`, 'Does the job run on that platform?');
  }
  const text = await answer.text();
  if (!answer.ok || text.length > LARGEST)
    throw missing(
      `${url.origin} answers with HTTP status ${answer.status}`,
      'Does the job run on that platform?',
    );
  return text;
}

const causeOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
};

function member(text: string, name: string): string {
  try {
    const value = (JSON.parse(text) as Record<string, unknown>)[name];
    if (typeof value === 'string') return value;
  } catch {
    // Said below.
  }
  throw new CliError('CLI_NO_TOKEN', 'the platform answered with something else than a token');
}

const missing = (why: string, hint: string): CliError =>
  new CliError('CLI_NO_TOKEN', `the platform gives no token: ${why}`, hint);
