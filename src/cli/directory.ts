import type { Command } from 'commander';
import type { Directory } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { groupRoles } from './support/group-roles.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatTime, parseDuration } from './support/time.ts';

interface Issued {
  readonly directory: Directory;
  readonly token: string;
  readonly url: string;
}

const GROUP = [
  '--group <group=roles>',
  'roles of a group, such as "DB admins=admin+owner"; may be repeated',
] as const;
const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function register(program: Command): void {
  const directory = program
    .command('directory')
    .description('directories that tell of joiners and leavers (SCIM 2.0)');
  add(directory);
  list(directory);
  update(directory);
  token(directory);
  remove(directory);
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('let a directory tell of joiners and leavers; prints its token, once, on standard output')
    .option(...GROUP, several)
    .option('--for <duration>', 'how long its token is valid (180d)', parseDuration);
  examples(
    command,
    'postern directory add okta --group "DB admins=admin" --group "DB owners=owner" > okta.token',
  );
  connected<{ group?: readonly string[]; for?: number }>(command, async ({ api, options, args }) => {
    const body = {
      name: args[0],
      groups: groupRoles(options.group ?? []),
      ...(options.for !== undefined && { ttlSeconds: options.for }),
    };
    await tell(await api.post<Issued>('/v1/directories', body), options.json);
  });
}

function token(parent: Command): void {
  const command = parent
    .command('token <name>')
    .description('make a new token for a directory, once, on standard output; the old one ends at once')
    .option('--for <duration>', 'how long it is valid (180d)', parseDuration);
  connected<{ for?: number }>(command, async ({ api, options, args }) => {
    const body = { ...(options.for !== undefined && { ttlSeconds: options.for }) };
    const where = path`/v1/directories/${args[0] as string}/token`;
    await tell(await api.post<Issued>(where, body), options.json);
  });
}

async function tell(issued: Issued, json: boolean | undefined): Promise<void> {
  if (json) return printJson(issued);
  await print(`${issued.token}\n`);
  note(`Tell the directory: base URL ${issued.url}, and this token as bearer token.`);
  note(`Valid until ${formatTime(issued.directory.tokenExpiresAt)}. It cannot be shown again.`);
}

function list(parent: Command): void {
  connected(parent.command('list').description('list directories'), async ({ api, options }) => {
    const { items } = await api.get<{ items: readonly Directory[] }>('/v1/directories');
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name },
        { title: 'groups', value: (row) => rolesIn(row), shrinkTo: 20 },
        { title: 'token ends', value: (row) => formatTime(row.tokenExpiresAt) },
        { title: 'status', value: (row) => row.status },
      ],
      { json: options.json, empty: 'There is none: people are added by hand, or by a provider.' },
    );
  });
}

function update(parent: Command): void {
  const command = parent
    .command('update <name>')
    .description('say anew which groups give which roles; the roles of everybody in them follow')
    .option(...GROUP, several)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ group?: readonly string[]; reason: string }>(command, async ({ api, options, args }) => {
    const body = { groups: groupRoles(options.group ?? []), reason: options.reason };
    const done = await api.post<Directory>(path`/v1/directories/${args[0] as string}/update`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function remove(parent: Command): void {
  const command = parent
    .command('remove <name>')
    .description('it tells of nobody any more; people stay, the roles of its groups end')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const body = { reason: options.reason };
    const done = await api.post<Directory>(path`/v1/directories/${args[0] as string}/remove`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

const rolesIn = ({ groups }: Directory): string =>
  Object.entries(groups)
    .map(([group, roles]) => `${group}: ${roles.join(', ')}`)
    .join('; ') || 'give no roles';

const describe = (directory: Directory): string =>
  formatFields([
    ['directory', directory.name],
    ['groups', rolesIn(directory)],
    ['token ends', formatTime(directory.tokenExpiresAt)],
    ['status', directory.status],
  ]);
