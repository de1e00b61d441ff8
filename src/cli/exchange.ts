import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { newClientKey } from './support/client-key.ts';
import { addServerOptions, type CommonOptions, examples } from './support/command.ts';
import { type Connection, resolveConnection } from './support/connection.ts';
import { type ExchangeAnswer, type ExchangeKind, gatewayHost } from './support/exchange-client.ts';
import { addExchangeOptions, type ExchangeOptions, exchangeFor } from './support/exchange-options.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { databaseName, formatExports, formatPgpass, formatUri, shellQuote } from './support/postgres-env.ts';
import { writePrivateFile } from './support/secret-file.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

interface Options extends CommonOptions, ExchangeOptions {
  readonly kind: ExchangeKind;
  readonly database?: string;
  readonly format: 'env' | 'uri' | 'pgpass' | 'token' | 'json';
  readonly out?: string;
  readonly csr?: string;
  readonly sshKey?: string;
  readonly sourceAddress?: string;
  readonly cache?: string;
}

const FORMATS = { env: formatExports, uri: formatUri, pgpass: formatPgpass } as const;
/** A credential that is kept is asked for anew when less than this is left. */
const LEAST_LEFT_MS = 60_000;

export function register(program: Command): void {
  const command = addExchangeOptions(
    program
      .command('exchange')
      .description(
        'exchange a token of the platform for a short-lived credential (for machines; people: login)',
      ),
  )
    .addOption(
      new Option('--kind <kind>', 'what to get')
        .choices(['password', 'certificate', 'ssh', 'jwt'])
        .default('password'),
    )
    .option('--database <name>', "database of the resource (the resource's own)")
    .addOption(
      new Option('--format <format>', 'form to print')
        .choices(['env', 'uri', 'pgpass', 'token', 'json'])
        .default('env'),
    )
    .option(
      '--out <dir>',
      'write files that only you can read instead: for psql and libpq, or the certificate',
    )
    .option('--csr <file>', 'certificate request (PEM) of a key that you made')
    .option('--ssh-key <file>', 'your SSH public key, for --kind ssh')
    .option('--source-address <networks>', 'networks from which the SSH certificate is good')
    .option('--cache <file>', 'keep the credential in this file, and use it while it is valid');
  examples(
    command,
    'eval "$(postern exchange --token-from github --resource ledger-db)" && psql',
    'postern exchange --token-from kubernetes --resource ledger-db --out ./postern && PGSERVICEFILE=./postern/pg_service.conf psql service=postern',
    'postern exchange --token-from gitlab --kind ssh --ssh-key ~/.ssh/id_ed25519.pub --out ~/.ssh',
  );
  addServerOptions(command).action(async () => {
    const options = command.opts<Options>();
    const connection = resolveConnection(options, process.env);
    await ISSUE[options.kind](connection, options);
  });
}

const ISSUE: Record<ExchangeKind, (connection: Connection, options: Options) => Promise<void>> = {
  password: issuePassword,
  certificate: issueCertificate,
  ssh: issueSsh,
  jwt: issueBearer,
};

async function issuePassword(connection: Connection, options: Options): Promise<void> {
  const answer = await cached(options, () => exchangeFor(connection, 'password', options));
  if (options.json || options.format === 'json') return printJson(answer);
  const login = { ...targetOf(connection, options, answer), password: answer.access_token };
  if (options.out !== undefined) {
    const passFile = join(resolve(options.out), 'pgpass');
    writePrivateFile(passFile, formatPgpass(login));
    return writeService(options.out, login, answer, { passfile: passFile });
  }
  if (options.format === 'token') await print(`${answer.access_token}\n`);
  else await print(FORMATS[options.format](login));
  note(`Valid until ${formatTime(answer.expires_at)}.`);
}

async function issueCertificate(connection: Connection, options: Options): Promise<void> {
  const { out, csr } = options;
  if ((out === undefined) === (csr === undefined))
    throw usageError('a certificate needs a key', 'Give --out DIR to have one made here, or --csr FILE.');
  const made = out === undefined ? null : await newClientKey();
  const request = made?.csrPem ?? readFileSync(csr as string, 'utf8');
  const answer = await exchangeFor(connection, 'certificate', options, { csr: request });
  if (made === null || out === undefined) {
    if (options.json) return printJson(answer);
    return print(answer.access_token);
  }
  const keyFile = join(resolve(out), 'client.key');
  const certFile = join(resolve(out), 'client.crt');
  writePrivateFile(keyFile, made.keyPem);
  writePrivateFile(certFile, answer.access_token);
  if (options.json) return printJson({ ...answer, keyFile, certFile });
  const login = { ...targetOf(connection, options, answer), keyFile, certFile };
  return writeService(out, login, answer, { sslkey: keyFile, sslcert: certFile });
}

async function issueSsh(connection: Connection, options: Options): Promise<void> {
  const { sshKey, sourceAddress, out } = options;
  if (sshKey === undefined)
    throw usageError('an SSH certificate needs a key', 'Give --ssh-key FILE, the .pub.');
  const answer = await exchangeFor(connection, 'ssh', options, {
    ssh_public_key: readFileSync(sshKey, 'utf8').trim(),
    ...(sourceAddress !== undefined && { source_address: sourceAddress }),
  });
  if (options.json) return printJson(answer);
  if (out === undefined) return print(`${answer.access_token}\n`);
  const name =
    sshKey
      .split('/')
      .at(-1)
      ?.replace(/\.pub$/, '') ?? 'key';
  const file = join(resolve(out), `${name}-cert.pub`);
  writePrivateFile(file, `${answer.access_token}\n`);
  note(`The certificate is in ${safeLine(file)}, valid until ${formatTime(answer.expires_at)}.`);
}

async function issueBearer(connection: Connection, options: Options): Promise<void> {
  const answer = await cached(options, () => exchangeFor(connection, 'jwt', options));
  if (options.json || options.format === 'json') return printJson(answer);
  if (options.out !== undefined) {
    const file = join(resolve(options.out), 'token');
    writePrivateFile(file, `${answer.access_token}\n`);
    return note(`The token is in ${safeLine(file)}, valid until ${formatTime(answer.expires_at)}.`);
  }
  await print(`${answer.access_token}\n`);
}

function targetOf(connection: Connection, { resource, database }: Options, answer: ExchangeAnswer) {
  if (resource === undefined && database !== undefined)
    throw usageError('--database says nothing without --resource');
  return {
    host: gatewayHost(connection, answer),
    port: answer.connection.port,
    user: answer.username,
    database: resource === undefined ? null : databaseName(resource, database),
    caFile: connection.ca?.file ?? null,
  };
}

/** A service file by which libpq finds everything. @see https://www.postgresql.org/docs/18/libpq-pgservice.html */
async function writeService(
  out: string,
  target: ReturnType<typeof targetOf>,
  answer: ExchangeAnswer,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const directory = resolve(out);
  const ca = join(directory, 'ca.crt');
  writePrivateFile(ca, answer.connection.ca);
  const settings: Record<string, string> = {
    host: target.host,
    port: String(target.port),
    user: target.user,
    ...(target.database !== null && { dbname: target.database }),
    sslmode: 'verify-full',
    sslrootcert: ca,
    ...files,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  const file = join(directory, 'pg_service.conf');
  writePrivateFile(file, `[postern]\n${lines.join('')}`);
  await print(`export PGSERVICEFILE=${shellQuote(file)}\nexport PGSERVICE=postern\n`);
  note(`Valid until ${formatTime(answer.expires_at)}. The files are in ${safeLine(directory)}.`);
}

/** What is kept, for what it was asked for: another resource is another credential. */
interface Kept {
  readonly asked: string;
  readonly answer: ExchangeAnswer;
}

async function cached(options: Options, get: () => Promise<ExchangeAnswer>): Promise<ExchangeAnswer> {
  const { cache, kind, tokenFrom, audience, resource, grant, delegation } = options;
  if (cache === undefined) return get();
  const asked = JSON.stringify([kind, tokenFrom, audience, resource, grant, delegation]);
  const kept = readKept(cache);
  if (kept?.asked === asked && Date.parse(kept.answer.expires_at) > Date.now() + LEAST_LEFT_MS)
    return kept.answer;
  const answer = await get();
  writePrivateFile(resolve(cache), `${JSON.stringify({ asked, answer } satisfies Kept)}\n`);
  return answer;
}

function readKept(file: string): Kept | null {
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw usageError(
        `${file} holds a credential and can be read by others`,
        `Close it with: chmod 600 ${file}`,
      );
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const kept = JSON.parse(text) as Kept;
    return typeof kept.asked === 'string' && typeof kept.answer.expires_at === 'string' ? kept : null;
  } catch {
    // Half of a file that something else wrote: it is made anew.
    return null;
  }
}
