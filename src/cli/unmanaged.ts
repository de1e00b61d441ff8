import { type Command, Option } from 'commander';
import { UNMANAGED_KINDS, UNMANAGED_STATUSES } from '../store/entities.ts';
import type { Unmanaged } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { print, printJson, printList } from './support/output.ts';
import { parseMoment } from './support/time.ts';
import { describeUnmanaged, UNMANAGED_COLUMNS } from './support/unmanaged-format.ts';

export function register(program: Command): void {
  const unmanaged = program
    .command('unmanaged')
    .description('what is at resources and not of Postern: accounts, connections, statements');
  list(unmanaged);
  show(unmanaged);
  accept(unmanaged);
  adopt(unmanaged);
  remediated(unmanaged);
}

interface ListOptions {
  readonly resource?: string;
  readonly kind?: string;
  readonly status: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list what reconciliations found')
    .option('--resource <resource>', 'only there')
    .addOption(new Option('--kind <kind>', 'only these').choices(UNMANAGED_KINDS))
    .addOption(
      new Option('--status <status>', 'only these').choices([...UNMANAGED_STATUSES, 'all']).default('open'),
    );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { resource, kind, status } = options;
    const found = await api.all<Unmanaged>('/v1/unmanaged', { resource, kind, status });
    await printList(found, UNMANAGED_COLUMNS, { json: options.json, empty: 'There is nothing such.' });
  });
}

function show(parent: Command): void {
  connected(
    parent.command('show <id>').description('show what was found, and what was said of it'),
    async ({ api, options, args }) => {
      const found = await api.get<Unmanaged>(path`/v1/unmanaged/${args[0] as string}`);
      await (options.json ? printJson(found) : print(describeUnmanaged(found)));
    },
  );
}

/** @param body what is said beside the kind and the reason */
function disposal<O extends { readonly reason: string }>(
  command: Command,
  kind: string,
  body: (options: O) => object,
): void {
  command.requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<O>(command, async ({ api, options, args }) => {
    const said = { kind, reason: options.reason, ...body(options) };
    const done = await api.post<Unmanaged>(path`/v1/unmanaged/${args[0] as string}/dispose`, said);
    await (options.json ? printJson(done) : print(describeUnmanaged(done)));
  });
}

function accept(parent: Command): void {
  const command = parent
    .command('accept <id>')
    .description('it may stay until then; after that, or when it can do more, it is open again')
    .requiredOption('--until <time>', 'a time, or so long from now; at most 366 days', (text) =>
      parseMoment(text, 1),
    );
  examples(command, 'postern unmanaged accept 01928f3e-... --until 90d --reason "DBA of the night shift"');
  disposal<{ reason: string; until: string }>(command, 'accepted', ({ until }) => ({ until }));
}

function adopt(parent: Command): void {
  const command = parent
    .command('adopt <id>')
    .description('somebody answers for an account from now on; when they are disabled, it is open again')
    .requiredOption('--owner <person>', 'who answers for it');
  disposal<{ reason: string; owner: string }>(command, 'adopted', ({ owner }) => ({ owner }));
}

function remediated(parent: Command): void {
  const command = parent
    .command('remediated <id>')
    .description('it was put right; where it is found again, it is open again');
  disposal(command, 'remediated', () => ({}));
}
