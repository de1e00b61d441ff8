import { type Command, Option } from 'commander';
import type { ActivityItem, LogReview, LogReviewsMade } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatTime, parseMoment } from './support/time.ts';

interface ReviewedOptions {
  readonly principal?: readonly string[];
  readonly privileged?: boolean;
  readonly from: string;
  readonly to?: string;
  readonly finding: string;
  readonly ticket?: string;
}

/** `activity reviewed` and `activity reviews`: that people looked at what was done. */
export function registerLogReviews(parent: Command): void {
  reviewed(parent);
  list(parent);
}

function reviewed(parent: Command): void {
  const command = parent
    .command('reviewed')
    .description('state that you reviewed what principals did; nobody does so for principals they answer for')
    .option('--principal <principal...>', 'of these principals')
    .addOption(
      new Option(
        '--privileged',
        'of all that have or had privileged access, except those you answer for',
      ).conflicts('principal'),
    )
    .requiredOption('--from <leaf|time>', 'from this leaf, or the first one since a day or time')
    .option('--to <leaf|time>', 'to this leaf, or the last one before a day or time; else to the end')
    .requiredOption('--finding <text>', 'what you found; it is kept in the log')
    .option('--ticket <ticket>', 'what is done about it');
  examples(
    command,
    'postern activity reviewed --privileged --from 7d --finding "nothing unusual"',
    'postern activity reviewed --principal batch --from 120 --to 480 --finding "two reads of salaries" --ticket INC-7',
  );
  connected<ReviewedOptions>(command, async ({ api, options }) => {
    const { principal, privileged, finding, ticket } = options;
    if ((principal === undefined) !== (privileged === true)) {
      throw usageError(
        'say whose activity you reviewed',
        'Name them with --principal, or give --privileged.',
      );
    }
    const from = await leafOf(api, options.from, 'from');
    const to = options.to === undefined ? undefined : await leafOf(api, options.to, 'to');
    const made = await api.post<LogReviewsMade>('/v1/log-reviews', {
      ...(principal !== undefined && { principals: principal }),
      ...(to !== undefined && { to }),
      ...(ticket !== undefined && { ticket }),
      from,
      finding,
    });
    if (options.json) return printJson(made);
    await print(`${told(made)}\n`);
    for (const { reason } of made.leftOut) note(`Left out: ${reason}`);
  });
}

function told({ reviews }: LogReviewsMade): string {
  const [first] = reviews;
  if (first === undefined) return 'There is no principal of the kind that you could review.';
  const names = reviews.map(({ principal }) => principal.name).join(', ');
  return `reviewed: leaves ${first.fromLeaf} to ${first.toLeaf} of ${names}`;
}

/** A number is a leaf; anything else a time, of which the log says which leaf it is at. */
async function leafOf(api: ApiClient, text: string, end: 'from' | 'to'): Promise<number> {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const at = parseMoment(text, -1);
  const asked = end === 'from' ? { since: at, order: 'asc' } : { until: at, order: 'desc' };
  const { items } = await api.get<{ readonly items: readonly ActivityItem[] }>('/v1/activity', {
    ...asked,
    ...{ type: 'all', limit: 1 },
  });
  const leaf = items[0]?.leaf;
  if (leaf === undefined) {
    throw usageError(`the log has nothing ${end === 'from' ? 'since' : 'before'} ${text}`, 'Name a leaf.');
  }
  return leaf;
}

function list(parent: Command): void {
  const command = parent
    .command('reviews')
    .description('list who reviewed what of the log')
    .option('--principal <principal>', 'of this principal')
    .option('--reviewer <person>', 'by this person');
  connected<{ readonly principal?: string; readonly reviewer?: string }>(
    command,
    async ({ api, options }) => {
      const { principal, reviewer } = options;
      const items = await api.all<LogReview>('/v1/log-reviews', { principal, reviewer });
      await printList(
        items,
        [
          { title: 'principal', value: (row) => row.principal.name, shrinkTo: 12 },
          { title: 'leaves', value: (row) => `${row.fromLeaf} to ${row.toLeaf}` },
          { title: 'by', value: (row) => row.reviewer.name, shrinkTo: 10 },
          { title: 'when', value: (row) => formatTime(row.createdAt) },
          { title: 'finding', value: (row) => row.finding, shrinkTo: 20 },
          { title: 'ticket', value: (row) => row.ticket ?? '' },
        ],
        { json: options.json, empty: 'Nobody has reviewed anything.' },
      );
    },
  );
}
