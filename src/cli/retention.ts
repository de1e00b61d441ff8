import type { Command } from 'commander';
import type { RetentionPolicy, RetentionRun } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { TextTable } from './support/table.ts';

export function register(program: Command): void {
  const retention = program
    .command('retention')
    .description('how long statement texts and bind values are kept; without a policy, for ever');
  set(retention);
  show(retention);
  run(retention);
}

interface SetOptions {
  readonly classification?: string;
  readonly statements?: number | null;
  readonly parameters?: number | null;
  readonly unset?: boolean;
}

function set(parent: Command): void {
  const command = parent
    .command('set')
    .description('say how long texts are kept, counted in days from the end of the day they were recorded on')
    .option('--statements <days>', 'statement texts: 400d, or forever', parseDays)
    .option('--parameters <days>', 'bind values: 90d, or forever', parseDays)
    .option('--classification <name>', 'only for resources of this classification')
    .option('--unset', 'let this classification follow the default again');
  examples(
    command,
    'postern retention set --statements 400d --parameters 90d',
    'postern retention set --classification confidential --parameters 30d',
  );
  connected<SetOptions>(command, async ({ api, options }) => {
    const { classification, statements, parameters, unset } = options;
    const policy = await api.post<RetentionPolicy>('/v1/retention', {
      ...(classification !== undefined && { classification }),
      ...(statements !== undefined && { statements }),
      ...(parameters !== undefined && { parameters }),
      ...(unset !== undefined && { unset }),
    });
    await (options.json ? printJson(policy) : print(describe(policy)));
  });
}

function show(parent: Command): void {
  connected(parent.command('show').description('show the policy'), async ({ api, options }) => {
    const policy = await api.get<RetentionPolicy>('/v1/retention');
    await (options.json ? printJson(policy) : print(describe(policy)));
  });
}

function run(parent: Command): void {
  const command = parent
    .command('run')
    .description('destroy now what is due; Postern does so by itself every hour')
    .option('--dry-run', 'only say what would be destroyed');
  connected<{ dryRun?: boolean }>(command, async ({ api, options }) => {
    const dryRun = options.dryRun ?? false;
    const done = await api.post<RetentionRun>('/v1/retention/run', { dryRun }, 600_000);
    if (options.json) return printJson(done);
    const rows = [
      ...done.erased.map((row) => ({ ...row, what: dryRun ? 'due' : 'erased' })),
      ...done.held.map((row) => ({ ...row, what: 'held' })),
    ];
    if (rows.length === 0) return note('Nothing is due.');
    const table = new TextTable<(typeof rows)[number]>([
      { title: 'day', value: (row) => row.day },
      { title: 'principal', value: (row) => row.principal?.name },
      { title: 'kinds', value: (row) => row.kinds.join(', ') },
      { title: 'texts', value: (row) => row.payloads, align: 'right' },
      { title: 'state', value: (row) => row.what },
    ]);
    await print(table.format(rows));
  });
}

function describe({ statements, parameters, classifications }: RetentionPolicy): string {
  const rows = [
    { name: '(default)', statements, parameters },
    ...Object.entries(classifications).map(([name, keep]) => ({ name, ...keep })),
  ];
  return new TextTable<(typeof rows)[number]>([
    { title: 'classification', value: (row) => row.name },
    { title: 'statements', value: (row) => shown(row.statements) },
    { title: 'parameters', value: (row) => shown(row.parameters) },
  ]).format(rows);
}

function shown(days: number | null): string {
  return days === null ? 'forever' : `${days}d`;
}

function parseDays(text: string): number | null {
  if (text === 'forever') return null;
  const days = /^(\d{1,5})d$/.exec(text)?.[1];
  if (days === undefined) throw usageError(`"${text}" is not a number of days`, 'Write 400d, or forever.');
  return Number(days);
}
