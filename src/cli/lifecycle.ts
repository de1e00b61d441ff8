import type { Command } from 'commander';
import type { LifecyclePolicy } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { print, printJson } from './support/output.ts';
import { formatFields } from './support/table.ts';

export function register(program: Command): void {
  const lifecycle = program
    .command('lifecycle')
    .description('when principals are suspended that nobody answers for, or nobody uses');
  show(lifecycle);
  set(lifecycle);
}

function show(parent: Command): void {
  connected(parent.command('show').description('show the policy'), async ({ api, options }) => {
    const policy = await api.get<LifecyclePolicy>('/v1/lifecycle');
    await (options.json ? printJson(policy) : print(describe(policy)));
  });
}

interface SetOptions {
  readonly rehome?: number | null;
  readonly unused?: number | null;
  readonly reason: string;
}

function set(parent: Command): void {
  const command = parent
    .command('set')
    .description('change the policy; countdowns that run keep their end')
    .option('--rehome <days>', 'days to find another owner after one was disabled: 14d; 0d: none', daysOf)
    .option('--unused <days>', 'days without use after which a principal is suspended: 90d, or never', daysOf)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern lifecycle set --rehome 7d --unused 90d --reason "policy IAM-12"');
  connected<SetOptions>(command, async ({ api, options }) => {
    const { rehome, unused, reason } = options;
    if (rehome === null) throw usageError('without an end nobody would have to take a principal over');
    const policy = await api.post<LifecyclePolicy>('/v1/lifecycle', {
      ...(rehome !== undefined && { rehomeDays: rehome }),
      ...(unused !== undefined && { unusedDays: unused }),
      reason,
    });
    await (options.json ? printJson(policy) : print(describe(policy)));
  });
}

function describe({ rehomeDays, unusedDays }: LifecyclePolicy): string {
  return formatFields([
    [
      'owner disabled',
      rehomeDays === 0 ? 'suspended at once' : `suspended after ${rehomeDays} days without another`,
    ],
    ['not used', unusedDays === null ? 'never suspended' : `suspended after ${unusedDays} days`],
  ]);
}

function daysOf(text: string): number | null {
  if (text === 'never') return null;
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  if (days === undefined) throw usageError(`"${text}" is not a number of days`, 'Write 90d.');
  return Number(days);
}
