import type { Command } from 'commander';
import type { Session } from './support/api-types.ts';
import { connected } from './support/command.ts';
import { printList } from './support/output.ts';
import { formatTime } from './support/time.ts';

export function register(program: Command): void {
  const session = program.command('session').description('live sessions');
  connected(session.command('list').description('list live sessions'), async ({ api, options }) => {
    const { items } = await api.get<{ items: readonly Session[] }>('/v1/sessions');
    await printList(
      items,
      [
        { title: 'session', value: (row) => row.id },
        { title: 'principal', value: (row) => row.principal.name, shrinkTo: 12 },
        { title: 'resource', value: (row) => row.resource.name, shrinkTo: 10 },
        { title: 'from', value: (row) => row.source, shrinkTo: 12 },
        { title: 'since', value: (row) => formatTime(row.startedAt) },
        { title: 'commands', value: (row) => row.commands, align: 'right' },
        { title: 'denied', value: (row) => row.denied, align: 'right' },
        { title: 'grants', value: (row) => row.grants.length, align: 'right' },
      ],
      { json: options.json, empty: 'There is no live session.' },
    );
  });
}
