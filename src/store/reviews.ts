/** Reads reviews, their items and schedules, and keeps what reviewers were shown. */
import type { Review, ReviewItem, ReviewSchedule } from './entities.ts';
import { type Page, paged } from './paging.ts';
import { isId } from './queries.ts';
import type { ReviewViewTable } from './schema.ts';
import type { StateDb } from './store.ts';

const bodies = <T>(rows: readonly { readonly body: string }[]): T[] =>
  rows.map(({ body }) => JSON.parse(body) as T);

export async function findReview(db: StateDb, ref: string): Promise<Review | undefined> {
  const query = db.selectFrom('reviews').select('body');
  const row = await query.where(isId(ref) ? 'id' : 'name', '=', ref).executeTakeFirst();
  return row && (JSON.parse(row.body) as Review);
}

export interface ReviewsFilter {
  readonly status?: Review['status'] | undefined;
  /** Id of a schedule. */
  readonly schedule?: string | undefined;
}

export async function listReviews(
  db: StateDb,
  { status, schedule }: ReviewsFilter,
  page?: Page,
): Promise<Review[]> {
  let query = db.selectFrom('reviews').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  if (schedule !== undefined) query = query.where('schedule_id', '=', schedule);
  return bodies(await paged(query, 'id', page).execute());
}

export async function findReviewItem(db: StateDb, id: string): Promise<ReviewItem | undefined> {
  const row = await db.selectFrom('review_items').select('body').where('id', '=', id).executeTakeFirst();
  return row && (JSON.parse(row.body) as ReviewItem);
}

export interface ReviewItemFilter {
  /** Id of a review. */
  readonly review?: string | undefined;
  readonly status?: ReviewItem['status'] | undefined;
  /** Person id: about principals that they own or back up. */
  readonly owner?: string | undefined;
  /** RFC 3339: whose grant has ended by then, or whose principal is over. */
  readonly overAt?: string | undefined;
}

export async function listReviewItems(
  db: StateDb,
  { review, status, owner, overAt }: ReviewItemFilter,
  page?: Page,
): Promise<ReviewItem[]> {
  let query = db
    .selectFrom('review_items')
    .innerJoin('principals', 'principals.id', 'review_items.principal_id')
    .select('review_items.body')
    .orderBy('review_items.id');
  if (review !== undefined) query = query.where('review_items.review_id', '=', review);
  if (status !== undefined) query = query.where('review_items.status', '=', status);
  if (owner !== undefined) {
    query = query.where((e) =>
      e.or([e('principals.owner_id', '=', owner), e('principals.backup_owner_id', '=', owner)]),
    );
  }
  if (overAt !== undefined) {
    query = query
      .leftJoin('grants', 'grants.id', 'review_items.grant_id')
      .where((e) =>
        e.or([
          e('principals.status', 'in', ['disabled', 'retired']),
          e('grants.status', '<>', 'active'),
          e('grants.end_at', '<=', overAt),
        ]),
      );
  }
  return bodies(await paged(query, 'review_items.id', page).execute());
}

/** How many items of a review are in each status. */
export async function countReviewItems(
  db: StateDb,
  review: string,
): Promise<Record<ReviewItem['status'], number>> {
  const rows = await db
    .selectFrom('review_items')
    .select(['status', (e) => e.fn.countAll<number>().as('count')])
    .where('review_id', '=', review)
    .groupBy('status')
    .execute();
  const counts = { open: 0, decided: 0, lapsed: 0, withdrawn: 0 };
  for (const { status, count } of rows) counts[status] = Number(count);
  return counts;
}

export async function findReviewSchedule(db: StateDb, ref: string): Promise<ReviewSchedule | undefined> {
  const query = db.selectFrom('review_schedules').select('body');
  const row = await query.where(isId(ref) ? 'id' : 'name', '=', ref).executeTakeFirst();
  return row && (JSON.parse(row.body) as ReviewSchedule);
}

export async function listReviewSchedules(
  db: StateDb,
  { status }: { readonly status?: ReviewSchedule['status'] | undefined },
  page?: Page,
): Promise<ReviewSchedule[]> {
  let query = db.selectFrom('review_schedules').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  return bodies(await paged(query, 'id', page).execute());
}

/** What a person was shown of an item last; undefined where they were shown nothing. */
export async function findReviewView(
  db: StateDb,
  item: string,
  person: string,
): Promise<ReviewViewTable | undefined> {
  const query = db.selectFrom('review_views').selectAll().where('item_id', '=', item);
  return query.where('person_id', '=', person).executeTakeFirst();
}

/** Keeps what a person is shown, in place of what they were shown of the item before. */
export async function putReviewView(db: StateDb, row: ReviewViewTable): Promise<void> {
  const put = db.insertInto('review_views').values(row);
  await put.onConflict((c) => c.columns(['item_id', 'person_id']).doUpdateSet(row)).execute();
}
