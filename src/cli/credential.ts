import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Credential, Grant, IssuedCredential } from './support/api-types.ts';
import { type ApiClient, path } from './support/client.ts';
import { CREDENTIAL_COLUMNS } from './support/columns.ts';
import { connected, examples } from './support/command.ts';
import { reachable } from './support/connection.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { databaseName, formatExports, formatPgpass, formatUri, type Login } from './support/postgres-env.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function register(program: Command): void {
  const credential = program.command('credential').description('short-lived passwords of principals');
  issue(credential);
  list(credential);
  revoke(credential);
}

interface IssueOptions {
  readonly principal: string;
  readonly grant?: string;
  readonly for?: number;
  readonly resource?: string;
  readonly database?: string;
  readonly format: 'env' | 'uri' | 'json' | 'pgpass';
  readonly caOut?: string;
}

function issue(parent: Command): void {
  const command = parent
    .command('issue')
    .description('issue a password and print it, once, on standard output')
    .requiredOption('--principal <principal>', 'whose')
    .option('--grant <id>', 'sessions opened with it stand under this grant alone')
    .option('--for <duration>', 'how long it is valid (1h)', parseDuration)
    .option('--resource <resource>', "resource to connect to (the grant's)")
    .option('--database <name>', "database of the resource (the resource's own)")
    .addOption(
      new Option('--format <format>', 'form to print')
        .choices(['env', 'uri', 'json', 'pgpass'])
        .default('env'),
    )
    .option('--ca-out <file>', 'also write the certificate authority that clients need to this file');
  examples(
    command,
    'eval "$(postern credential issue --principal nightly-ledger-batch --resource ledger-db)" && psql',
    'psql "$(postern credential issue --principal nightly-ledger-batch --grant 0199... --format uri)"',
    'postern credential issue --principal nightly-ledger-batch --format pgpass >> ~/.pgpass',
  );
  connected<IssueOptions>(command, async ({ api, options }) => {
    // Looked up first: a grant that cannot be read should not leave a password behind that nobody got.
    const resource = options.resource ?? (await resourceOf(api, options.grant));
    if (resource === null && options.database !== undefined) {
      throw usageError('--database says nothing without a resource', 'Give --resource or --grant too.');
    }
    const issued = await api.post<IssuedCredential>('/v1/credentials', {
      principal: options.principal,
      ...(options.grant !== undefined && { grant: options.grant }),
      ...(options.for !== undefined && { ttlSeconds: options.for }),
    });
    let caFile = api.connection.ca?.file ?? null;
    if (options.caOut !== undefined) {
      writeFileSync(options.caOut, issued.connection.ca);
      caFile = resolve(options.caOut);
    }
    if (options.json || options.format === 'json') return printJson(issued);
    await print(
      FORMATS[options.format](
        loginOf(api, issued, resource && databaseName(resource, options.database), caFile),
      ),
    );
    note(`Valid until ${formatTime(issued.credential.expiresAt)}. The password cannot be shown again.`);
  });
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
  const apiHost = new URL(api.connection.api).hostname.replace(/^\[|\]$/g, '');
  return {
    host: reachable(issued.connection.host, apiHost),
    port: issued.connection.port,
    user: issued.username,
    password: issued.password,
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
    .description('list issued passwords (never the passwords themselves)')
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
    .description('end a password now, with the sessions opened by it')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Credential>(path`/v1/credentials/${args[0] as string}/revoke`, {
      reason: options.reason,
    });
    if (options.json) await printJson(done);
    else note('The credential is revoked.');
  });
}
