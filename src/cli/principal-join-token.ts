import type { Command } from 'commander';
import type { Binding } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';
import { formatTime, parseDuration } from './support/time.ts';

interface Options {
  readonly for?: number;
  readonly reason?: string;
}

/** `postern principal join-token`. */
export function registerJoinToken(parent: Command): void {
  const command = parent
    .command('join-token <principal>')
    .description('make a one-time token with which a machine enrols a key pair of its own (postern join)')
    .option('--for <duration>', 'how long it is valid, a day at most (15m)', parseDuration)
    .option('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern principal join-token nightly --for 10m > token');
  connected<Options>(command, async ({ api, options, args }) => {
    const { for: ttlSeconds, reason } = options;
    const made = await api.post<{ binding: Binding & { joinBy: string }; token: string }>(
      path`/v1/principals/${args[0] as string}/join-tokens`,
      { ...(ttlSeconds !== undefined && { ttlSeconds }), ...(reason !== undefined && { reason }) },
    );
    if (options.json) return printJson(made);
    await print(made.token);
    note(`It is good once, until ${formatTime(made.binding.joinBy)}: postern join --token-file FILE`);
  });
}
