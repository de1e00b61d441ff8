import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { IdentityProvider } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, listOf } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { groupRoles } from './support/group-roles.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { readSecret } from './support/secret-file.ts';
import { formatFields } from './support/table.ts';

type Shown = IdentityProvider & { readonly redirectUri: string };

interface FieldOptions {
  readonly secretFile?: string;
  readonly public?: boolean;
  readonly scope?: readonly string[];
  readonly domain?: readonly string[];
  readonly groupsClaim?: string;
  readonly group?: readonly string[];
  readonly creates?: boolean;
  readonly caFile?: string;
}

export function register(program: Command): void {
  const provider = program.command('provider').description('OpenID providers through which people sign in');
  add(provider);
  list(provider);
  update(provider);
  remove(provider);
  test(provider);
}

function fieldOptions(command: Command): Command {
  return command
    .option('--secret-file <file>', 'client secret, "-" for standard input (else POSTERN_CLIENT_SECRET)')
    .option('--scope <scopes>', 'scopes to ask for (openid, email, profile)', listOf)
    .option('--domain <domains>', 'domains of addresses that are linked at the first login', listOf)
    .option('--groups-claim <claim>', 'claim of the ID token that lists groups')
    .option(
      '--group <group=roles>',
      'roles of a group, such as "DB admins=admin+owner"; may be repeated',
      several,
    )
    .option('--creates', 'somebody unknown of these domains and groups becomes a person at the first login')
    .option('--no-creates', 'only who is known, or invited, comes in')
    .option('--ca-file <file>', 'authority of its certificate besides those of the system');
}

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function bodyOf(options: FieldOptions): object {
  const secret =
    options.secretFile === undefined
      ? process.env.POSTERN_CLIENT_SECRET
      : readSecret(options.secretFile, 'the client secret');
  const { groupsClaim: claim, group } = options;
  if ((claim === undefined) !== (group === undefined))
    throw usageError('--groups-claim and --group go together');
  return {
    ...(options.public ? { clientSecret: null } : secret && { clientSecret: secret }),
    ...(options.scope && { scopes: options.scope }),
    ...(options.domain && { domains: options.domain }),
    ...(claim && group && { groups: { claim, roles: groupRoles(group) } }),
    ...(options.creates !== undefined && { creates: options.creates }),
    ...(options.caFile !== undefined && { ca: readFileSync(options.caFile, 'utf8') }),
  };
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('let people sign in through an OpenID provider')
    .requiredOption('--issuer <url>', 'its issuer, as it writes it')
    .requiredOption('--client-id <id>', 'what it calls Postern');
  fieldOptions(command);
  examples(
    command,
    'postern provider add bank --issuer https://sso.bank.example --client-id postern --secret-file secret --domain bank.example',
  );
  connected<FieldOptions & { issuer: string; clientId: string }>(command, async ({ api, options, args }) => {
    const { issuer, clientId, creates } = options;
    const body = { name: args[0], issuer, clientId, ...bodyOf({ ...options, creates: creates ?? false }) };
    const made = await api.post<Shown>('/v1/providers', body);
    if (options.json) return printJson(made);
    await print(describe(made));
    note(`Tell the provider this redirect URI: ${made.redirectUri}`);
  });
}

function list(parent: Command): void {
  connected(parent.command('list').description('list providers'), async ({ api, options }) => {
    const { items } = await api.get<{ items: readonly Shown[] }>('/v1/providers');
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name },
        { title: 'issuer', value: (row) => row.issuer, shrinkTo: 20 },
        { title: 'links', value: (row) => row.domains.join(', ') || 'invited only', shrinkTo: 12 },
        { title: 'makes people', value: (row) => (row.creates ? 'yes' : 'no') },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'There is none yet: people sign in with passkeys.' },
    );
  });
}

function update(parent: Command): void {
  const command = parent
    .command('update <name>')
    .description('change how a provider is used; its issuer stays')
    .option('--client-id <id>', 'what it calls Postern')
    .option('--public', 'without a client secret')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  fieldOptions(command);
  connected<FieldOptions & { clientId?: string; reason: string }>(command, async ({ api, options, args }) => {
    const { clientId, reason } = options;
    const body = { ...(clientId && { clientId }), ...bodyOf(options), reason };
    const done = await api.post<Shown>(path`/v1/providers/${args[0] as string}/update`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function remove(parent: Command): void {
  const command = parent
    .command('remove <name>')
    .description('nobody signs in through it any more')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const body = { reason: options.reason };
    const done = await api.post<Shown>(path`/v1/providers/${args[0] as string}/remove`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function test(parent: Command): void {
  const command = parent.command('test <name>').description('ask the provider what it can do');
  connected(command, async ({ api, options, args }) => {
    const answer = await api.post<{ deviceFlow: boolean }>(path`/v1/providers/${args[0] as string}/test`, {});
    if (options.json) return printJson(answer);
    await print(
      formatFields([
        ['answers', 'yes'],
        ['device flow', answer.deviceFlow ? 'yes' : 'no'],
      ]),
    );
  });
}

function describe(provider: Shown): string {
  const roles = Object.entries(provider.groups?.roles ?? {});
  return formatFields([
    ['provider', provider.name],
    ['issuer', provider.issuer],
    ['client id', `${provider.clientId} (${provider.confidential ? 'with a secret' : 'public'})`],
    ['links addresses of', provider.domains.join(', ') || 'nobody: by invitation only'],
    ['makes people', provider.creates ? 'yes' : 'no'],
    ['groups', roles.map(([group, list]) => `${group}: ${list.join(', ')}`).join('; ') || 'give no roles'],
    ['redirect URI', provider.redirectUri],
    ['status', provider.status],
  ]);
}
