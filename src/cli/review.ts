import { type Command, Option } from 'commander';
import { formatDuration } from '../core/duration.ts';
import { registerDecisions } from './review-decide.ts';
import { registerSchedule } from './review-schedule.ts';
import { addTerms, bodyOf, type TermOptions, wordsOf } from './review-terms.ts';
import type { ListedReview, ReviewItem, ReviewPreview } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { type Column, formatFields } from './support/table.ts';
import { formatDistance, formatTime } from './support/time.ts';

export function register(program: Command): void {
  const review = program.command('review').description('people decide anew on grants and principals');
  open(review);
  list(review);
  items(review);
  inbox(review);
  registerDecisions(review);
  delegate(review);
  preview(review);
  close(review);
  registerSchedule(review);
}

function open(parent: Command): void {
  const command = parent
    .command('open <name>')
    .description('have people decide anew on each active grant and principal that fits');
  examples(
    addTerms(command),
    'postern review open autumn-ledger --resource ledger-db --due 14d --grace 7d --reviewer rita@example.org',
    'postern review open rehearsal-1 --environment production --rehearsal',
  );
  connected<TermOptions>(command, async ({ api, options, args }) => {
    const made = await api.post<ListedReview>('/v1/reviews', { name: args[0] as string, ...bodyOf(options) });
    await (options.json ? printJson(made) : print(describe(made)));
  });
}

const COLUMNS: readonly Column<ListedReview>[] = [
  { title: 'review', value: (row) => row.name },
  { title: 'about', value: aboutOf, shrinkTo: 12 },
  { title: 'status', value: (row) => `${row.status}${row.rehearsal ? ', rehearsal' : ''}` },
  { title: 'due', value: (row) => formatTime(row.dueAt) },
  { title: 'open', value: (row) => row.items.open, align: 'right' },
  { title: 'decided', value: (row) => row.items.decided, align: 'right' },
  { title: 'lapsed', value: (row) => row.items.lapsed, align: 'right' },
];

function aboutOf({ emergency, filter }: ListedReview): string {
  if (emergency === undefined) return wordsOf(filter);
  return `the emergency of ${emergency.principal.name} on ${filter.resource?.name ?? ''}`;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list reviews')
    .addOption(
      new Option('--status <status>', 'only these').choices(['open', 'closed', 'all']).default('open'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const found = await api.all<ListedReview>('/v1/reviews', { status: options.status });
    await printList(found, COLUMNS, { json: options.json, empty: 'There is no such review.' });
  });
}

const ITEM_COLUMNS: readonly Column<ReviewItem>[] = [
  { title: 'item', value: (row) => row.id },
  { title: 'review', value: (row) => row.review.name, shrinkTo: 8 },
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
  { title: 'grant on', value: (row) => row.resource?.name ?? '', shrinkTo: 8 },
  { title: 'status', value: (row) => row.decision?.kind ?? row.status },
  { title: 'by', value: (row) => row.decision?.by.name ?? row.reviewer?.name ?? '', shrinkTo: 8 },
  {
    title: 'effect',
    value: ({ effect }) => (effect === null ? '' : `${effect.applied ? '' : 'would be '}${effect.what}`),
  },
];

function items(parent: Command): void {
  const command = parent
    .command('items <review>')
    .description('what a review is about, and what was decided')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['open', 'decided', 'lapsed', 'withdrawn', 'all'])
        .default('all'),
    );
  connected<{ status: string }>(command, async ({ api, options, args }) => {
    const asked = { review: args[0] as string, status: options.status };
    const found = await api.all<ReviewItem>('/v1/review-items', asked);
    await printList(found, ITEM_COLUMNS, { json: options.json, empty: 'There is no such item.' });
  });
}

function inbox(parent: Command): void {
  connected(parent.command('inbox').description('what waits for you to decide'), async ({ api, options }) => {
    const found = await api.all<ReviewItem>('/v1/review-items/inbox');
    await printList(found, ITEM_COLUMNS, { json: options.json, empty: 'Nothing waits for you.' });
  });
}

function delegate(parent: Command): void {
  const command = parent
    .command('delegate <item>')
    .description('have somebody else decide on an item')
    .requiredOption('--to <person>', 'who decides; not one who has a part in it')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ to: string; reason: string }>(command, async ({ api, options, args }) => {
    const { to, reason } = options;
    const done = await api.post<ReviewItem>(path`/v1/review-items/${args[0] as string}/delegate`, {
      ...{ to, reason },
    });
    if (options.json) return printJson(done);
    note(`${done.reviewer?.name ?? to} decides on it.`);
  });
}

const PREVIEW_COLUMNS: readonly Column<ReviewPreview['principals'][number]>[] = [
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 12 },
  { title: 'undecided', value: (row) => row.items, align: 'right' },
  { title: 'grants', value: (row) => row.grants, align: 'right' },
  { title: 'live sessions', value: (row) => row.sessions, align: 'right' },
  { title: 'commands in 7 days', value: (row) => row.commands, align: 'right' },
];

function preview(parent: Command): void {
  const command = parent
    .command('preview <review>')
    .description('what would stop working if nobody decided on what is left');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<ReviewPreview>(path`/v1/reviews/${args[0] as string}/preview`, undefined);
    if (options.json) return printJson(found);
    const { lapsesAt, rehearsal, principals } = found;
    await printList(principals, PREVIEW_COLUMNS, { empty: 'Nothing would stop working.' });
    if (lapsesAt !== null && principals.length > 0) {
      const what = rehearsal ? 'It is a rehearsal: nothing is suspended' : 'They are suspended';
      note(`${what} at ${formatTime(lapsesAt)} (${formatDistance(lapsesAt)}) at the earliest.`);
    }
  });
}

function close(parent: Command): void {
  const command = parent
    .command('close <review>')
    .description('end a review before its time; what nobody decided on stays as it is')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<ListedReview>(path`/v1/reviews/${args[0] as string}/close`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

function describe(review: ListedReview): string {
  const { name, reviewers, dueAt, overdueAt, graceSeconds, status, closeReason, items: count } = review;
  return formatFields([
    ['review', name],
    ['about', aboutOf(review)],
    ['status', closeReason === null ? status : `${status} (${closeReason})`],
    ['rehearsal', review.rehearsal ? 'yes: nothing takes effect' : 'no'],
    ['reviewers', reviewers.map((each) => each.name).join(', ') || 'everybody with the role reviewer'],
    ['due', `${formatTime(dueAt)} (${formatDistance(dueAt)})${overdueAt === null ? '' : ', overdue'}`],
    ['grace', graceSeconds === 0 ? 'none' : formatDuration(graceSeconds * 1000)],
    [
      'items',
      `${count.open} open, ${count.decided} decided, ${count.lapsed} lapsed, ${count.withdrawn} withdrawn`,
    ],
  ]);
}
