import { type Command, Option } from 'commander';
import { addTerms, bodyOf, type TermOptions, wordsOf } from './review-terms.ts';
import type { ListedSchedule } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, printJson, printList } from './support/output.ts';
import type { Column } from './support/table.ts';
import { formatTime, parseMoment } from './support/time.ts';

/** `postern review schedule`. */
export function registerSchedule(parent: Command): void {
  const schedule = parent.command('schedule').description('reviews that are opened every so many days');
  add(schedule);
  list(schedule);
  end(schedule);
}

interface AddOptions extends TermOptions {
  readonly every: number;
  readonly start?: string;
  readonly reason: string;
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('open a review now and again; one at a time, and one for all that were missed')
    .addOption(
      new Option('--every <days>', 'from one to the next: 90d').argParser(daysOf).makeOptionMandatory(),
    )
    .option('--start <time>', 'when the first is opened (now)', (text) => parseMoment(text, 1));
  addTerms(command).requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern review schedule add quarterly --every 90d --environment production --reason "policy IAM-7"',
  );
  connected<AddOptions>(command, async ({ api, options, args }) => {
    const { every, start, reason } = options;
    const made = await api.post<ListedSchedule>('/v1/review-schedules', {
      ...{ name: args[0] as string, everyDays: every, reason },
      ...(start !== undefined && { firstAt: start }),
      ...bodyOf(options),
    });
    if (options.json) return printJson(made);
    note(`The first review of ${made.name} is opened at ${formatTime(made.firstAt)}.`);
  });
}

const COLUMNS: readonly Column<ListedSchedule>[] = [
  { title: 'schedule', value: (row) => row.name },
  { title: 'about', value: (row) => wordsOf(row.filter), shrinkTo: 12 },
  { title: 'every', value: (row) => `${row.everyDays} d`, align: 'right' },
  { title: 'status', value: (row) => row.status },
  { title: 'next', value: (row) => (row.nextAt === null ? '' : formatTime(row.nextAt)) },
];

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list schedules')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'ended', 'all']).default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const found = await api.all<ListedSchedule>('/v1/review-schedules', { status: options.status });
    await printList(found, COLUMNS, { json: options.json, empty: 'There is no such schedule.' });
  });
}

function end(parent: Command): void {
  const command = parent
    .command('end <name>')
    .description('open no more; the review that is open goes on')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<ListedSchedule>(path`/v1/review-schedules/${args[0] as string}/end`, {
      reason: options.reason,
    });
    if (options.json) return printJson(done);
    note(`${done.name} opens no more reviews.`);
  });
}

function daysOf(text: string): number {
  const days = /^(\d{1,3})d$/.exec(text)?.[1];
  if (days === undefined) throw usageError(`"${text}" is not a number of days`, 'Write 90d.');
  return Number(days);
}
