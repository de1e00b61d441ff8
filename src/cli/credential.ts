import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ensureDirectory, writePrivate } from '../store/files.ts';
import type { Credential, Grant, IssuedCertificate, IssuedCredential } from './support/api-types.ts';
import { type ApiClient, path } from './support/client.ts';
import { newClientKey } from './support/client-key.ts';
import { CREDENTIAL_COLUMNS } from './support/columns.ts';
import { connected, examples } from './support/command.ts';
import { reachable, urlHost } from './support/connection.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { databaseName, formatExports, formatPgpass, formatUri, type Login } from './support/postgres-env.ts';
import { safeLine } from './support/text.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function register(program: Command): void {
  const credential = program
    .command('credential')
    .description('short-lived passwords and certificates of principals');
  issue(credential);
  list(credential);
  revoke(credential);
}

interface IssueOptions {
  readonly principal: string;
  readonly kind: 'password' | 'certificate';
  readonly csr?: string;
  readonly out?: string;
  readonly grant?: string;
  readonly for?: number;
  readonly resource?: string;
  readonly database?: string;
  readonly format: 'env' | 'uri' | 'json' | 'pgpass' | 'curl';
  readonly caOut?: string;
}

function issue(parent: Command): void {
  const command = parent
    .command('issue')
    .description('issue a password and print it, once, on standard output; or a client certificate')
    .requiredOption('--principal <principal>', 'whose')
    .addOption(
      new Option('--kind <kind>', 'what to issue').choices(['password', 'certificate']).default('password'),
    )
    .option('--csr <file>', 'certificate request (PEM) of a key that you made, "-" for standard input')
    .option('--out <dir>', 'or: make a key here, and write client.key, client.crt and ca.crt')
    .option('--grant <id>', 'sessions opened with it stand under this grant alone')
    .option('--for <duration>', 'how long it is valid (1h)', parseDuration)
    .option('--resource <resource>', "resource to connect to (the grant's)")
    .option('--database <name>', "database of the resource (the resource's own)")
    .addOption(
      new Option('--format <format>', 'form to print')
        .choices(['env', 'uri', 'json', 'pgpass', 'curl'])
        .default('env'),
    )
    .option('--ca-out <file>', 'also write the certificate authority that clients need to this file');
  examples(
    command,
    'eval "$(postern credential issue --principal nightly-ledger-batch --resource ledger-db)" && psql',
    'psql "$(postern credential issue --principal nightly-ledger-batch --grant 0199... --format uri)"',
    'postern credential issue --principal nightly-ledger-batch --format pgpass >> ~/.pgpass',
    'curl --config <(postern credential issue --principal reporter --format curl) https://GATEWAY:6443/accounts/v1/accounts/42',
    'eval "$(postern credential issue --principal nightly-ledger-batch --kind certificate --out ./id)" && psql',
    'postern credential issue --principal nightly-ledger-batch --kind certificate --csr client.csr > client.crt',
  );
  connected<IssueOptions>(command, async ({ api, options }) => {
    checkKind(options);
    // Looked up first: a grant that cannot be read should not leave a password behind that nobody got.
    const resource = options.resource ?? (await resourceOf(api, options.grant));
    if (resource === null && options.database !== undefined) {
      throw usageError('--database says nothing without a resource', 'Give --resource or --grant too.');
    }
    const database = resource && databaseName(resource, options.database);
    const body = {
      principal: options.principal,
      ...(options.grant !== undefined && { grant: options.grant }),
      ...(options.for !== undefined && { ttlSeconds: options.for }),
    };
    if (options.kind === 'certificate') return issueCertificate(api, options, body, database);
    const issued = await api.post<IssuedCredential>('/v1/credentials', body);
    const caFile = caFileOf(api, issued, options.caOut);
    if (options.json || options.format === 'json') return printJson(issued);
    if (options.format === 'curl') await printCurl(api, issued, resource, caFile);
    else await print(FORMATS[options.format](loginOf(api, issued, database, caFile)));
    note(`Valid until ${formatTime(issued.credential.expiresAt)}. The password cannot be shown again.`);
  });
}

function checkKind({ kind, csr, out, format }: IssueOptions): void {
  if (kind === 'password') {
    if (csr !== undefined || out !== undefined)
      throw usageError('--csr and --out are for --kind certificate');
    return;
  }
  if ((csr === undefined) === (out === undefined)) {
    throw usageError(
      'a certificate needs a key',
      'Give --out DIR to have one made here, or --csr FILE with the request for yours.',
    );
  }
  if (format === 'pgpass' || format === 'curl') throw usageError('a file of passwords holds no certificates');
}

async function issueCertificate(
  api: ApiClient,
  options: IssueOptions & { readonly json?: boolean },
  body: object,
  database: string | null,
): Promise<void> {
  const { csr, out } = options;
  const made = out === undefined ? null : await newClientKey();
  const request = made?.csrPem ?? readRequest(csr as string);
  const issued = await api.post<IssuedCertificate>('/v1/credentials', {
    ...body,
    kind: 'certificate',
    csr: request,
  });
  const until = `Valid until ${formatTime(issued.credential.expiresAt)}.`;
  if (made === null || out === undefined) {
    caFileOf(api, issued, options.caOut);
    if (options.json || options.format === 'json') return printJson(issued);
    await print(issued.certificate);
    note(until);
    return;
  }
  const keyFile = resolve(out, 'client.key');
  const certFile = resolve(out, 'client.crt');
  ensureDirectory(resolve(out));
  writePrivate(keyFile, made.keyPem);
  writePrivate(certFile, issued.certificate);
  const caFile = caFileOf(api, issued, options.caOut ?? resolve(out, 'ca.crt'));
  if (options.json || options.format === 'json') return printJson({ ...issued, keyFile, certFile, caFile });
  const login = { ...targetOf(api, issued, database, caFile), certFile, keyFile };
  await print(options.format === 'uri' ? formatUri(login) : formatExports(login));
  note(`${until} The key is in ${safeLine(keyFile)}.`);
}

function readRequest(file: string): string {
  try {
    return readFileSync(file === '-' ? process.stdin.fd : file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the certificate request: ${(error as Error).message}`);
  }
}

/** The file with the authority to trust, written where it was asked for. */
function caFileOf(
  api: ApiClient,
  issued: Pick<IssuedCredential, 'connection'>,
  caOut: string | undefined,
): string | null {
  if (caOut === undefined) return api.connection.ca?.file ?? null;
  writeFileSync(caOut, issued.connection.ca);
  return resolve(caOut);
}

/** A configuration of curl: user, password and whom to trust. @see https://curl.se/docs/manpage.html#-K */
async function printCurl(
  api: ApiClient,
  { connection, username, password }: IssuedCredential,
  resource: string | null,
  caFile: string | null,
): Promise<void> {
  const { http } = connection;
  if (http === null) throw usageError('this Postern listens for no HTTP', 'Start it with --http-port.');
  await print(
    [`user = "${username}:${password}"`, ...(caFile === null ? [] : [`cacert = "${caFile}"`])].join('\n'),
  );
  const host = urlHost(reachable(http.host, new URL(api.connection.api).hostname.replace(/^\[|\]$/g, '')));
  note(`Use it with: curl --config FILE https://${host}:${http.port}/${safeLine(resource ?? 'RESOURCE')}/`);
}

const FORMATS = { env: formatExports, uri: formatUri, pgpass: formatPgpass } as const;

async function resourceOf(api: ApiClient, grant: string | undefined): Promise<string | null> {
  return grant === undefined ? null : (await api.get<Grant>(path`/v1/grants/${grant}`)).resource.name;
}

/** What a client needs to use an issued credential from where the API was reached. */
export function loginOf(
  api: ApiClient,
  issued: IssuedCredential,
  database: string | null,
  caFile: string | null,
): Login {
  return { ...targetOf(api, issued, database, caFile), password: issued.password };
}

function targetOf(
  api: ApiClient,
  issued: Pick<IssuedCredential, 'connection' | 'username'>,
  database: string | null,
  caFile: string | null,
) {
  const apiHost = new URL(api.connection.api).hostname.replace(/^\[|\]$/g, '');
  return {
    host: reachable(issued.connection.host, apiHost),
    port: issued.connection.port,
    user: issued.username,
    database,
    caFile,
  };
}

interface ListOptions {
  readonly principal?: string;
  readonly status?: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list what was issued (never the passwords themselves)')
    .option('--principal <principal>', 'only those of this principal')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['active', 'expired', 'revoked', 'all'])
        .default('active'),
    );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { principal, status } = options;
    const items = await api.all<Credential>('/v1/credentials', { principal, status });
    await printList(items, CREDENTIAL_COLUMNS, { json: options.json, empty: 'There is no such credential.' });
  });
}

function revoke(parent: Command): void {
  const command = parent
    .command('revoke <id>')
    .description('end a password or certificate now, with the sessions opened by it')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Credential>(path`/v1/credentials/${args[0] as string}/revoke`, {
      reason: options.reason,
    });
    if (options.json) await printJson(done);
    else note('The credential is revoked.');
  });
}
