import type { Command } from 'commander';
import { registerAccess } from './person-access.ts';
import type { Person } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, listOf } from './support/command.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatTime, parseDuration } from './support/time.ts';

export function register(program: Command): void {
  const person = program
    .command('person')
    .description('people who administer, own, approve, review or audit');
  add(person);
  list(person);
  show(person);
  update(person);
  disable(person);
  enable(person);
  registerAccess(person);
  token(person);
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('add a person')
    .requiredOption('--email <address>', 'their e-mail address')
    .requiredOption(
      '--role <roles>',
      'admin, owner, approver, reviewer, auditor; several with commas',
      listOf,
    );
  examples(
    command,
    'postern person add "Ada Boone" --email ada@bank.example --role owner',
    'postern person add "Ed Cho" --email ed@bank.example --role reviewer,auditor',
  );
  connected<{ email: string; role: readonly string[] }>(command, async ({ api, options, args }) => {
    const body = { name: args[0], email: options.email, roles: options.role };
    const made = await api.post<Person>('/v1/persons', body);
    if (options.json) return printJson(made);
    await print(describe(made));
    note(`So that they can sign in: postern person invite ${made.email}`);
  });
}

function list(parent: Command): void {
  connected(parent.command('list').description('list people'), async ({ api, options }) => {
    const people = await api.all<Person>('/v1/persons');
    await printList(
      people,
      [
        { title: 'name', value: (row) => row.name, shrinkTo: 12 },
        { title: 'e-mail', value: (row) => row.email, shrinkTo: 16 },
        { title: 'roles', value: (row) => row.roles.join(', '), shrinkTo: 10 },
        { title: 'status', value: (row) => row.status },
        { title: 'since', value: (row) => formatTime(row.createdAt) },
      ],
      { json: options.json, empty: 'There is nobody yet.' },
    );
  });
}

function show(parent: Command): void {
  const command = parent.command('show <person>').description('show a person, by id, name or e-mail address');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<Person>(path`/v1/persons/${args[0] as string}`);
    await (options.json ? printJson(found) : print(describe(found)));
  });
}

function disable(parent: Command): void {
  const command = parent
    .command('disable <person>')
    .description('disable a person: their sessions and API tokens die at once')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern person disable ed@bank.example --reason "left on 2026-11-20"');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Person>(path`/v1/persons/${args[0] as string}/disable`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function enable(parent: Command): void {
  const command = parent
    .command('enable <person>')
    .description('take a disabled person back; they come in as they did before')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern person enable ed@bank.example --reason "back from leave"');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const body = { reason: options.reason };
    const done = await api.post<Person>(path`/v1/persons/${args[0] as string}/enable`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

interface UpdateOptions {
  readonly name?: string;
  readonly email?: string;
  readonly role?: readonly string[];
  readonly reason: string;
}

function update(parent: Command): void {
  const command = parent
    .command('update <person>')
    .description("change a person's name, address or roles; nobody changes their own roles")
    .option('--name <name>', 'new name')
    .option('--email <address>', 'new e-mail address')
    .option('--role <roles>', 'all roles from now on; several with commas', listOf)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern person update ed@bank.example --role reviewer --reason "CHG-77: no auditor any more"',
  );
  connected<UpdateOptions>(command, async ({ api, options, args }) => {
    const { name, email, role, reason } = options;
    const body = { ...(name && { name }), ...(email && { email }), ...(role && { roles: role }), reason };
    const done = await api.post<Person>(path`/v1/persons/${args[0] as string}/update`, body);
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function token(parent: Command): void {
  const command = parent
    .command('token <person>')
    .description('make an API token for a person and print it, once, on standard output')
    .option('--for <duration>', 'how long it is valid', parseDuration)
    .option('--sensitive', 'for automation: good for sensitive acts too; yours only, an hour at most');
  examples(
    command,
    'postern person token ada@bank.example --for 7d > ada.token',
    'postern person token ada@bank.example --sensitive --for 10m > rotation.token',
  );
  connected<{ for?: number; sensitive?: boolean }>(command, async ({ api, options, args }) => {
    const body = {
      ...(options.for !== undefined && { ttlSeconds: options.for }),
      ...(options.sensitive && { sensitive: true }),
    };
    const made = await api.post<{ token: string; expiresAt: string }>(
      path`/v1/persons/${args[0] as string}/tokens`,
      body,
    );
    if (options.json) return printJson(made);
    await print(`${made.token}\n`);
    note(`Valid until ${formatTime(made.expiresAt)}. It cannot be shown again.`);
  });
}

function describe(person: Person): string {
  return formatFields([
    ['person', person.name],
    ['e-mail', person.email],
    ['roles', person.roles.join(', ')],
    ['status', person.status],
    ['since', formatTime(person.createdAt)],
    ['id', person.id],
  ]);
}
