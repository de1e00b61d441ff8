import type { Command } from 'commander';
import type { Person } from './support/api-types.ts';
import { connected } from './support/command.ts';
import { print, printJson } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { formatDistance, formatTime } from './support/time.ts';

export function register(program: Command): void {
  const whoami = program.command('whoami').description('show who the API takes you for, and until when');
  connected(whoami, async ({ api, options }) => {
    const answer = await api.get<{ person: Person; tokenExpiresAt: string }>('/v1/whoami');
    if (options.json) return printJson(answer);
    const { person, tokenExpiresAt } = answer;
    await print(
      formatFields([
        ['person', `${person.name} <${person.email}>`],
        ['roles', person.roles.join(', ')],
        ['token ends', `${formatTime(tokenExpiresAt)} (${formatDistance(tokenExpiresAt)})`],
        ['api', api.connection.api],
      ]),
    );
  });
}
