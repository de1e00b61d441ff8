/** Reads who reviewed what of the log. */
import type { LogReview } from './entities.ts';
import { type Page, paged } from './paging.ts';
import { logReviewOf } from './rows.ts';
import type { StateDb } from './store.ts';

export interface LogReviewFilter {
  /** Ids. */
  readonly principal?: string | undefined;
  readonly reviewer?: string | undefined;
  /** Person id: of principals that they own or back up. */
  readonly owner?: string | undefined;
}

export async function listLogReviews(
  db: StateDb,
  { principal, reviewer, owner }: LogReviewFilter,
  page?: Page,
): Promise<LogReview[]> {
  let query = db
    .selectFrom('log_reviews')
    .innerJoin('principals', 'principals.id', 'log_reviews.principal_id')
    .innerJoin('persons', 'persons.id', 'log_reviews.reviewer_id')
    .selectAll('log_reviews')
    .select(['principals.name as principal_name', 'persons.name as reviewer_name'])
    .orderBy('log_reviews.id');
  if (principal !== undefined) query = query.where('log_reviews.principal_id', '=', principal);
  if (reviewer !== undefined) query = query.where('log_reviews.reviewer_id', '=', reviewer);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  return (await paged(query, 'log_reviews.id', page).execute()).map(logReviewOf);
}
