import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { registerPasswords } from './resource-password.ts';
import { registerReconcile } from './resource-reconcile.ts';
import { registerUpdate } from './resource-update.ts';
import type { Resource, ResourceTest, ShownResource } from './support/api-types.ts';
import { path } from './support/client.ts';
import { pc } from './support/colors.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { CliError, EXIT, usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { describe } from './support/resource-format.ts';
import { adminPassword, upstreamPassword } from './support/resource-secret.ts';
import { parseResourceUrl, TLS_MODES } from './support/resource-url.ts';
import { isServiceUrl, parseServiceAuth, parseServiceUrl } from './support/service-url.ts';
import { safeLine } from './support/text.ts';

export function register(program: Command): void {
  const resource = program
    .command('resource')
    .description('upstream systems, with the credential Postern holds for them');
  add(resource);
  list(resource);
  show(resource);
  test(resource);
  admin(resource);
  registerUpdate(resource);
  registerPasswords(resource);
  registerReconcile(resource);
  retire(resource);
}

interface AddOptions {
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly auth?: string;
  readonly serviceName?: readonly string[];
  readonly tlsMode?: string;
  readonly caFile?: string;
  readonly serverName?: string;
  readonly tlsNegotiation?: string;
  readonly environment: string;
  readonly classification: string;
  readonly owner?: string;
  readonly durability?: string;
  readonly catalogAccess?: string;
  readonly resultDigest?: true;
  readonly passwordFile?: string;
  readonly passwordFrom?: string;
  readonly adminPasswordFrom?: string;
  readonly adminUser?: string;
  readonly adminPasswordFile?: string;
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description(
      'add a PostgreSQL server, whose name clients give as their database name, or an HTTP service, at https://GATEWAY/NAME/',
    )
    .option(
      '--url <url>',
      'address, e.g. postgres://user@host:5432/database?sslmode=verify-full, or https://host/base (no password)',
    )
    .option('--host <host>', 'instead of --url: host')
    .option('--port <port>', 'port (5432)', wholeNumber(1, 65_535))
    .option('--database <name>', 'the database that the bare name of the resource means')
    .option(
      '--auth <how>',
      'of a service: basic, bearer, certificate, header:NAME or sigv4:REGION/SERVICE (bearer)',
    )
    .option('--service-name <name...>', 'of a service: further names by which clients ask for it')
    .option('--user <name>', 'user that Postern is upstream')
    .addOption(new Option('--tls-mode <mode>', 'TLS towards it (verify-full)').choices(TLS_MODES))
    .option('--ca-file <file>', 'certificate authority of its certificate, PEM')
    .option('--server-name <name>', 'name in its certificate, where that is not the host')
    .addOption(
      new Option(
        '--tls-negotiation <how>',
        'direct: TLS from the first byte, PostgreSQL 17 and later',
      ).choices(['postgres', 'direct']),
    )
    .requiredOption('--environment <name>', 'where it belongs, such as production')
    .requiredOption('--classification <name>', 'class of its data, such as confidential')
    .option('--owner <person>', 'who answers for it, and approves where the policy asks its owner')
    .addOption(
      new Option(
        '--durability <level>',
        'what a record must survive before its command is forwarded',
      ).choices(['process', 'power']),
    )
    .addOption(
      new Option(
        '--catalog-access <level>',
        'system catalogues open to every session: those that tools read (tools), or none',
      ).choices(['tools', 'none']),
    )
    .option('--result-digest', 'keep a SHA-256 of the rows that were delivered with each outcome')
    .option('--password-file <file>', 'file with the upstream password, "-" for standard input')
    .option(
      '--password-from <reference>',
      'where the password is kept, such as vault+kv://bank/secret/db#password',
    )
    .option(
      '--admin-user <name>',
      'administering user there: each session then is a role of its own with what its grants give',
    )
    .option('--admin-password-file <file>', 'file with the password of the administering user')
    .option('--admin-password-from <reference>', 'where that password is kept');
  examples(
    command,
    'postern resource add accounts --url https://accounts.bank.example/api --auth header:x-api-key \\\n' +
      '      --environment production --classification restricted --password-file key',
    'postern resource add ledger-db --url "postgres://ledger_app@db.bank.example/bank?sslmode=verify-full" \\\n' +
      '      --ca-file db-ca.crt --environment production --classification restricted --password-file pw',
  );
  command.addHelpText(
    'after',
    '\nThe upstream password comes from --password-from or --password-file, else POSTERN_UPSTREAM_PASSWORD, else it is asked for.\n' +
      'It is encrypted at rest and never shown again.',
  );
  connected<AddOptions>(command, async ({ api, options, args }) => {
    if (!isServiceUrl(options.url) && (options.auth ?? options.serviceName) !== undefined)
      throw usageError('--auth and --service-name are for services', 'Their --url begins with https://.');
    const address = isServiceUrl(options.url) ? serviceOf(options.url, options) : addressOf(options);
    const whence = await upstreamPassword(options.passwordFile, options.passwordFrom);
    const made = await api.post<Resource>('/v1/resources', {
      name: args[0],
      ...('http' in address
        ? { protocol: 'http', http: address.http }
        : { protocol: 'postgres', database: address.database }),
      host: address.host,
      port: address.port,
      tls: {
        mode: address.tlsMode ?? 'verify-full',
        ...(address.caFile !== undefined && { ca: readCa(address.caFile) }),
        ...(options.serverName !== undefined && { serverName: options.serverName }),
        ...(options.tlsNegotiation !== undefined && { negotiation: options.tlsNegotiation }),
      },
      environment: options.environment,
      classification: options.classification,
      ...(options.owner !== undefined && { owner: options.owner }),
      ...(options.durability !== undefined && { durability: options.durability }),
      ...(options.catalogAccess !== undefined && { catalogAccess: options.catalogAccess }),
      ...(options.resultDigest !== undefined && { resultDigest: options.resultDigest }),
      upstream: { user: address.user, ...whence },
      ...(options.adminUser !== undefined && {
        admin: {
          user: options.adminUser,
          ...(await adminPassword(options.adminPasswordFile, options.adminPasswordFrom)),
        },
      }),
    });
    if (options.json) return printJson(made);
    await print(describe(made));
    note(`Try it: postern resource test ${safeLine(made.name)}`);
  });
}

function serviceOf(
  url: string,
  { auth, serviceName = [], user, database, tlsMode, caFile, adminUser }: AddOptions,
) {
  const { host, port, basePath, encrypted, ...said } = parseServiceUrl(url);
  if ((database ?? adminUser) !== undefined)
    throw usageError('a service has no database, and no administering user');
  if (!encrypted && tlsMode !== undefined)
    throw usageError('--url says that there is no TLS, and --tls-mode how');
  return {
    ...{ host, port, caFile, tlsMode: encrypted ? tlsMode : 'disable' },
    user: user ?? said.user ?? 'postern',
    http: { hosts: serviceName, basePath, auth: parseServiceAuth(auth ?? 'bearer') },
  };
}

function addressOf(options: AddOptions) {
  const { host, port, database, user, tlsMode, caFile } = options;
  const said = { host, port, database, user, tlsMode, caFile };
  if (options.url !== undefined) {
    const url = parseResourceUrl(options.url);
    const twice = (['host', 'port', 'database', 'user'] as const).find((name) => said[name] !== undefined);
    if (twice) throw usageError(`--url and --${twice} say the same thing twice`);
    return { ...url, tlsMode: tlsMode ?? url.tlsMode, caFile: caFile ?? url.caFile };
  }
  if (host === undefined || database === undefined || user === undefined) {
    throw usageError('the address is missing', 'Give --url, or --host, --database and --user.');
  }
  return { ...said, host, database, user, port: port ?? 5432 };
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the certificate authority of the server: ${(error as Error).message}`);
  }
}

function list(parent: Command): void {
  connected(parent.command('list').description('list upstream systems'), async ({ api, options }) => {
    const items = await api.all<Resource>('/v1/resources');
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name, shrinkTo: 12 },
        {
          title: 'address',
          value: (row) => `${row.host}:${row.port}${row.http?.basePath ?? `/${row.database}`}`,
          shrinkTo: 16,
        },
        { title: 'tls', value: (row) => row.tls.mode },
        { title: 'user', value: (row) => row.upstream.user, shrinkTo: 8 },
        { title: 'sessions', value: (row) => (row.admin === null ? 'that user' : 'own roles') },
        { title: 'environment', value: (row) => row.environment, shrinkTo: 8 },
        { title: 'classification', value: (row) => row.classification, shrinkTo: 8 },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'There is no resource yet.' },
    );
  });
}

function show(parent: Command): void {
  const command = parent.command('show <resource>').description('show an upstream system, by id or name');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<ShownResource>(path`/v1/resources/${args[0] as string}`);
    if (options.json) return printJson(found);
    await print(describe(found));
    for (const fault of found.faults) note(safeLine(fault));
  });
}

function test(parent: Command): void {
  const command = parent
    .command('test <resource>')
    .description('connect to it as Postern would, step by step. Exit code 1 when a step fails');
  connected(command, async ({ api, options, args }) => {
    const name = args[0] as string;
    const result = await api.post<ResourceTest>(path`/v1/resources/${name}/test`, {});
    if (options.json) await printJson(result);
    else {
      for (const step of result.steps) {
        const mark = step.ok ? pc.green('ok  ') : pc.red('FAIL');
        await print(
          `${mark}  ${safeLine(step.step).padEnd(16)} ${`${Math.round(step.ms)} ms`.padStart(8)}  ${safeLine(step.detail)}\n`,
        );
      }
    }
    if (result.ok) return;
    if (options.json) process.exitCode = EXIT.failed;
    else throw new CliError('POSTERN_UPSTREAM_UNAVAILABLE', `${name} did not pass`);
  });
}

interface AdminOptions {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly passwordFrom?: string;
  readonly remove?: true;
  readonly reason: string;
}

function admin(parent: Command): void {
  const command = parent
    .command('admin <resource>')
    .description(
      'give Postern an administering credential, with which each session gets a database role of its own, or take it away',
    )
    .option('--user <name>', 'user that may create roles and grant what it owns')
    .option('--password-file <file>', 'file with its password, "-" for standard input')
    .option(
      '--password-from <reference>',
      'where its password is kept, such as k8s://cluster/db/admin#password',
    )
    .option('--remove', 'take the credential away: sessions are the fixed upstream user again')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern resource admin ledger-db --user postern_admin --password-file pw --reason "least privilege in the database"',
  );
  command.addHelpText(
    'after',
    '\nThe password comes from --password-file, else POSTERN_ADMIN_PASSWORD, else it is asked for.',
  );
  connected<AdminOptions>(command, async ({ api, options, args }) => {
    if ((options.user === undefined) === (options.remove === undefined))
      throw usageError('give either --user or --remove');
    const login =
      options.user === undefined
        ? null
        : { user: options.user, ...(await adminPassword(options.passwordFile, options.passwordFrom)) };
    const name = args[0] as string;
    const body = { admin: login, reason: options.reason };
    const done = await api.post<Resource>(path`/v1/resources/${name}/admin`, body);
    if (options.json) return printJson(done);
    await print(describe(done));
    if (login !== null) note(`See whether it can do its work: postern resource test ${safeLine(name)}`);
  });
}

function retire(parent: Command): void {
  const command = parent
    .command('retire <resource>')
    .description('retire an upstream system: sessions are closed, no grant opens it again')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Resource>(path`/v1/resources/${args[0] as string}/retire`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}
