import type { Command } from 'commander';
import type { Reconciliation, Resource, Unmanaged } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';
import { UNMANAGED_COLUMNS } from './support/unmanaged-format.ts';

/** `postern resource reconcile` and `reconciliations`. */
export function registerReconcile(parent: Command): void {
  reconcile(parent);
  history(parent);
}

interface Compared {
  readonly reconciliation: Reconciliation;
  /** What is open there. */
  readonly unmanaged: readonly Unmanaged[];
}

function reconcile(parent: Command): void {
  const command = parent
    .command('reconcile [resource]')
    .description(
      'compare a resource with what is known of it: accounts, connections and statements that are not of Postern. Exit code 1 when there are open ones, or it cannot be asked',
    )
    .option('--all', 'every active one');
  examples(command, 'postern resource reconcile ledger-db', 'postern resource reconcile --all --json');
  connected<{ all?: true }>(command, async ({ api, options, args }) => {
    const [name] = args;
    if ((name === undefined) === (options.all === undefined)) {
      throw usageError('name a resource, or say --all');
    }
    const names = name === undefined ? await everyResource(api) : [name];
    const all: Compared[] = [];
    for (const each of names) {
      const compared = await compare(api, each);
      all.push(compared);
      if (options.json !== true) await tell(compared);
    }
    if (options.json) await printJson(name === undefined ? { items: all, next: null } : all[0]);
    const failed = all.filter(({ reconciliation }) => reconciliation.status === 'failed');
    if (failed.length > 0) {
      const words = failed.map(({ reconciliation }) => safeLine(reconciliation.resource.name)).join(', ');
      throw new CliError('POSTERN_UPSTREAM_UNAVAILABLE', `could not be asked: ${words}`);
    }
    if (all.some(({ unmanaged }) => unmanaged.length > 0)) process.exitCode = 1;
  });
}

async function everyResource(api: ApiClient): Promise<string[]> {
  const found = await api.all<Resource>('/v1/resources');
  return found
    .filter(({ status, protocol }) => status === 'active' && protocol === 'postgres')
    .map(({ id }) => id);
}

async function compare(api: ApiClient, name: string): Promise<Compared> {
  const reconciliation = await api.post<Reconciliation>(path`/v1/resources/${name}/reconcile`, {});
  const resource = reconciliation.resource.id;
  return { reconciliation, unmanaged: await api.all<Unmanaged>('/v1/unmanaged', { resource }) };
}

async function tell({ reconciliation, unmanaged }: Compared): Promise<void> {
  const { resource, status, why, server, user, accounts, connections, balances, bounds } = reconciliation;
  if (status === 'failed') {
    note(`${safeLine(resource.name)}: ${safeLine(why ?? '')}`);
    return;
  }
  await print(
    formatFields([
      ['resource', resource.name],
      ['asked as', `${user} (PostgreSQL ${server})`],
      ['seen', `${accounts} accounts, ${connections} connections`],
      ...balances.map(
        ({ users, since, ran, recorded, own }) =>
          [
            `ran as ${users}`,
            `${ran} statements since ${formatTime(since)}; recorded ${recorded}, of Postern itself ${own}, at most`,
          ] as const,
      ),
    ]),
  );
  await printList(unmanaged, UNMANAGED_COLUMNS, {
    empty: 'Nothing is there that is not of Postern, or was not dealt with.',
  });
  for (const bound of bounds) note(safeLine(bound));
}

function history(parent: Command): void {
  const command = parent
    .command('reconciliations [resource]')
    .description('when resources were compared with what is known of them, and what was found');
  connected(command, async ({ api, options, args }) => {
    const found = await api.all<Reconciliation>('/v1/reconciliations', { resource: args[0] });
    await printList(
      found,
      [
        { title: 'at', value: (row) => formatTime(row.at) },
        { title: 'resource', value: (row) => row.resource.name, shrinkTo: 10 },
        { title: 'status', value: (row) => row.status },
        { title: 'accounts', value: (row) => row.found.account, align: 'right' },
        { title: 'connections', value: (row) => row.found.connection, align: 'right' },
        { title: 'statements', value: (row) => row.found.statements, align: 'right' },
        { title: 'bounds', value: (row) => row.why ?? row.bounds.join(' '), shrinkTo: 12 },
      ],
      { json: options.json, empty: 'Nothing was compared yet.' },
    );
  });
}
