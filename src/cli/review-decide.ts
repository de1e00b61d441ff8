import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { describeConditions } from '../core/condition-words.ts';
import { REVIEW_DECISIONS } from '../store/entities.ts';
import { decideToUsed, decideUnused, shown, viewOf, waiting } from './review-chosen.ts';
import { type Decision, readDecisions, worksheet } from './review-file.ts';
import type { ReviewItem, ReviewView, ShownReviewItem } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { type Field, formatFields } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

/** As many as the API takes in one call. */
const BULK = 500;

export function registerDecisions(parent: Command): void {
  show(parent);
  sheet(parent);
  decide(parent);
}

function show(parent: Command): void {
  const command = parent
    .command('show <item>')
    .description(
      'what is granted, what was used and refused, and what is doubtful; for a decided item what was seen',
    );
  connected(command, async ({ api, options, args }) => {
    const found = await shown(api, args[0] as string);
    if (options.json) return printJson(found);
    await print(describe(found));
    const { item, refusal, view } = found;
    if (refusal !== null) note(`You do not decide on it: ${safeLine(refusal)}.`);
    else if (view !== null) {
      note(`Decide: postern review decide ${item.id} keep --reason "..." --view ${view.sha256}`);
    }
  });
}

function sheet(parent: Command): void {
  const command = parent
    .command('worksheet <review>')
    .description('what waits for you in a review, as CSV to fill in: decision, reason, scope, owner');
  examples(
    command,
    'postern review worksheet autumn-ledger > autumn.csv',
    'postern review decide --file autumn.csv',
  );
  connected(command, async ({ api, options, args }) => {
    const found = await waiting(api, args[0] as string);
    await (options.json ? printJson({ items: found, next: null }) : print(worksheet(found)));
  });
}

interface DecideOptions {
  readonly reason?: string;
  readonly view?: string;
  readonly scope?: string;
  readonly owner?: string;
  readonly backupOwner?: string;
  readonly file?: string;
  readonly allUnused?: Decision['kind'];
  readonly toUsed?: boolean;
  readonly review?: string;
  readonly yes?: boolean;
}

function decide(parent: Command): void {
  const command = parent
    .command('decide [item] [decision]')
    .description(`decide on an item, or on several: ${REVIEW_DECISIONS.join(', ')}`)
    .option('--reason <text>', 'why; it is kept in the log')
    .option('--view <sha256>', 'what you were shown (postern review show)')
    .option('--scope <scope>', 'narrow: what the grant keeps')
    .option('--owner <person>', 'reassign: who answers for the principal')
    .option('--backup-owner <person>', 'reassign: who does when the owner cannot')
    .option('--file <file>', 'decisions of a worksheet; lines without one are passed over')
    .addOption(
      new Option('--all-unused <decision>', 'on everything that waits for you and was not used').choices([
        'keep',
        'revoke',
      ]),
    )
    .option('--to-used', 'narrow the grant of the item, or all that wait for you, to what was used')
    .option('--review <review>', 'with --all-unused and --to-used: of this review')
    .option('--yes', 'with --all-unused and --to-used: do not ask');
  examples(
    command,
    'postern review decide 01928f3e-... narrow --scope "select on ledger.*" --reason "reads only" --view 3b1f...',
    'postern review decide --all-unused revoke --review autumn-ledger --reason "nobody needs them"',
    'postern review decide 01928f3e-... --to-used --reason "reads entries only"',
    'postern review decide --file autumn.csv',
  );
  connected<DecideOptions>(command, async ({ api, options, args }) => {
    const [item, kind] = args;
    const { file, allUnused, toUsed } = options;
    if (item !== undefined && file === undefined && allUnused === undefined && toUsed !== true) {
      const done = await api.post<ReviewItem>(path`/v1/review-items/${item}/decide`, oneOf(kind, options));
      return options.json ? printJson(done) : note(outcome(done));
    }
    if (
      kind !== undefined ||
      (item !== undefined && toUsed !== true) ||
      (file !== undefined && toUsed === true)
    ) {
      throw usageError(
        'name an item and a decision, a --file, --all-unused or --to-used, and one of them only',
      );
    }
    const decisions = await many(api, item, options);
    await bulk(api, decisions, options.json === true);
  });
}

function oneOf(kind: string | undefined, options: DecideOptions): object {
  const { reason, view, scope, owner, backupOwner } = options;
  if (!REVIEW_DECISIONS.some((each) => each === kind)) {
    throw usageError(`"${kind ?? ''}" is not a decision`, `Choose from ${REVIEW_DECISIONS.join(', ')}.`);
  }
  if (reason === undefined) throw usageError('a decision takes a --reason');
  if (view === undefined) throw usageError('say what you were shown with --view', 'postern review show ITEM');
  return {
    ...{ kind, reason, view },
    ...(scope !== undefined && { scope }),
    ...(owner !== undefined && { owner }),
    ...(backupOwner !== undefined && { backupOwner }),
  };
}

async function many(
  api: ApiClient,
  item: string | undefined,
  options: DecideOptions & { readonly json?: boolean },
): Promise<readonly Decision[]> {
  const { file, allUnused, toUsed, review, reason } = options;
  if (file !== undefined) return readDecisions(readFileSync(file, 'utf8'));
  if (allUnused === undefined && toUsed !== true) {
    throw usageError('name an item and a decision, a --file, --all-unused or --to-used');
  }
  if (allUnused !== undefined && toUsed === true) throw usageError('--all-unused or --to-used, not both');
  if (reason === undefined) throw usageError('decisions take a --reason');
  if ((review === undefined) === (item === undefined)) {
    throw usageError(
      `${allUnused === undefined ? '--to-used takes an item or' : '--all-unused takes'} a --review`,
    );
  }
  const found = item === undefined ? await waiting(api, review ?? '') : [await shown(api, item)];
  const chosen = { reason, yes: options.yes === true, quiet: options.json === true };
  return allUnused === undefined ? decideToUsed(found, chosen) : decideUnused(found, allUnused, chosen);
}

interface Answer {
  readonly item: string;
  readonly decided: ReviewItem | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

async function bulk(api: ApiClient, decisions: readonly Decision[], json: boolean): Promise<void> {
  const done: Answer[] = [];
  for (let at = 0; at < decisions.length; at += BULK) {
    const part = decisions.slice(at, at + BULK);
    const { items } = await api.post<{ items: Answer[] }>('/v1/review-items/decide', { decisions: part });
    done.push(...items);
  }
  if (json) await printJson({ items: done, next: null });
  else for (const { decided } of done) if (decided !== null) note(outcome(decided));
  const failed = done.filter(({ error }) => error !== null);
  if (failed.length === 0) return;
  const failure = new CliError('CLI_UNDECIDED', `${failed.length} of ${done.length} were not decided`);
  failure.details = failed.map(({ item, error }) => `${item}: ${error?.message ?? ''}`);
  throw failure;
}

function outcome({ id, principal, resource, effect }: ReviewItem): string {
  const what = resource === null ? principal.name : `the grant of ${principal.name} on ${resource.name}`;
  return `${id}: ${what} ${effect?.applied ? 'is' : 'would be'} ${effect?.what ?? ''}`;
}

function describe({ item, view }: ShownReviewItem): string {
  const seen = viewOf(view);
  const { decision, effect } = item;
  const fields: Field[] = [
    ['item', item.id],
    ['review', item.review.name],
    ['about', item.resource === null ? 'the principal' : `a grant on ${item.resource.name}`],
    ['principal', item.principal.name],
    ['status', item.status],
    ['delegated to', item.reviewer?.name ?? null],
  ];
  if (decision !== null) {
    fields.push([
      'decided',
      `${decision.kind} by ${decision.by.name}, ${formatTime(decision.at)}: ${decision.reason}`,
    ]);
  }
  if (effect !== null) fields.push(['effect', `${effect.applied ? '' : 'would be '}${effect.what}`]);
  if (seen !== null) fields.push(...viewFields(seen), ['SHA-256', view?.sha256 ?? null]);
  return formatFields(fields.filter(([, value]) => value !== null));
}

function viewFields({ principal, granted, used, denied, sources, risks }: ReviewView): Field[] {
  const last = (at: string | null): string => (at === null ? 'never' : formatTime(at));
  return [
    ['owner', principal.owner.name],
    ['backup owner', principal.backupOwner?.name ?? 'nobody'],
    ['purpose', principal.purpose],
    ['last used', last(principal.lastUsedAt)],
    ...granted.flatMap(({ resource, scope, end, conditions, authority }): Field[] => [
      ['granted', `${scope} (${resource.name}, until ${formatTime(end)})`],
      ['on the word of', authority.approvers.map(({ name }) => name).join(', ') || authority.kind],
      ...describeConditions(conditions).map((words): Field => ['only', words]),
    ]),
    ...used.flatMap(
      ({ resource, commands, lastAt, rights, more, unused, suggested, unresolved }): Field[] => [
        ['used', `${resource.name}: ${commands} commands, last ${last(lastAt)}`],
        ...rights.map(
          (right): Field => [
            '',
            `${right.verb} on ${right.object}: ${right.commands}${right.lastAt === null ? '' : `, last ${last(right.lastAt)}`}`,
          ],
        ),
        ...(more > 0 ? [['', `and ${more} more`] as const] : []),
        ...(unresolved > 0
          ? [['', `of ${unresolved} it cannot be told which verb went to what`] as const]
          : []),
        ...unused.map(({ verb, object }): Field => ['not used', `${verb} on ${object}`]),
        ...(suggested === null ? [] : [['enough would be', suggested] as const]),
      ],
    ),
    ...denied.map(
      ({ code, reason, count, lastAt }): Field => [
        'refused',
        `${count} x ${code}: ${reason} (last ${last(lastAt)})`,
      ],
    ),
    ...sources.map(
      ({ network, first, last: until }): Field => [
        'used from',
        `${network}, ${formatTime(first)} to ${formatTime(until)}`,
      ],
    ),
    ...risks.map(({ text }): Field => ['risk', text]),
  ];
}
