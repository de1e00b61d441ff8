/** Decisions on what fits, of everything in a review that waits for the caller: shown first, and confirmed. */
import type { Decision } from './review-file.ts';
import type { ReviewItem, ReviewView, ShownReviewItem } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { path } from './support/client.ts';
import { CliError } from './support/failure.ts';
import { printList } from './support/output.ts';
import { ask } from './support/prompt.ts';
import type { Column } from './support/table.ts';

export const shown = (api: ApiClient, item: string): Promise<ShownReviewItem> =>
  api.get(path`/v1/review-items/${item}`);

/** Everything of a review that waits for the caller, as it is shown to them. */
export async function waiting(api: ApiClient, review: string): Promise<ShownReviewItem[]> {
  const items = await api.all<ReviewItem>('/v1/review-items/inbox');
  const found: ShownReviewItem[] = [];
  for (const { id, review: of } of items) {
    if (of.name === review || of.id === review) found.push(await shown(api, id));
  }
  return found;
}

export const viewOf = (view: ShownReviewItem['view']): ReviewView | null =>
  view === null ? null : (JSON.parse(view.text) as ReviewView);

interface Chosen {
  readonly reason: string;
  /** Whether to go on without asking. */
  readonly yes: boolean;
  /** Whether standard output is for what was decided alone. */
  readonly quiet: boolean;
}

const COLUMNS: readonly Column<ShownReviewItem>[] = [
  { title: 'item', value: ({ item }) => item.id },
  { title: 'principal', value: ({ item }) => item.principal.name },
  { title: 'grant on', value: ({ item }) => item.resource?.name ?? '' },
];

/** One decision on all that was not used. */
export async function decideUnused(
  found: readonly ShownReviewItem[],
  kind: Decision['kind'],
  { reason, yes, quiet }: Chosen,
): Promise<readonly Decision[]> {
  const riskOf = ({ view }: ShownReviewItem) =>
    viewOf(view)?.risks.find((risk) => risk.kind === 'unused')?.text;
  const unused = found.filter((each) => riskOf(each) !== undefined);
  if (!quiet)
    await printList(unused, [...COLUMNS, { title: 'why', value: (each) => riskOf(each) ?? '' }], {
      empty: 'Nothing that waits for you is unused.',
    });
  if (unused.length > 0) await confirm(kind, yes);
  return unused.map(({ item, view }) => ({ item: item.id, kind, reason, view: view?.sha256 ?? '' }));
}

/** Grants of which less was used than they give are narrowed to that. */
export async function decideToUsed(
  found: readonly ShownReviewItem[],
  { reason, yes, quiet }: Chosen,
): Promise<readonly Decision[]> {
  const wide = found.flatMap((each) => {
    const view = each.item.grant === null ? null : viewOf(each.view);
    const [granted, used] = [view?.granted[0]?.scope, view?.used[0]?.suggested];
    return granted === undefined || used === undefined || used === null ? [] : [{ ...each, granted, used }];
  });
  if (!quiet)
    await printList(
      wide,
      [
        ...(COLUMNS as readonly Column<(typeof wide)[number]>[]),
        { title: 'granted', value: ({ granted }) => granted, shrinkTo: 20 },
        { title: 'used', value: ({ used }) => used, shrinkTo: 20 },
      ],
      { empty: 'Of no grant that waits for you there is a part that was used alone.' },
    );
  if (wide.length > 0) await confirm('narrow', yes);
  return wide.map(({ item, view, used }) => ({
    ...{ item: item.id, kind: 'narrow', reason },
    ...{ scope: used, view: view?.sha256 ?? '' },
  }));
}

/** @throws CliError when the person does not say so */
async function confirm(word: string, yes: boolean): Promise<void> {
  if (yes) return;
  const answer = await ask(`Type "${word}" to go on`, 'Look at them first, and say --yes.');
  if (answer !== word) throw new CliError('CLI_ABORTED', 'nothing was decided');
}
