/** Lists go on where the last page ended: rows are in the order of their ids, which never change. */
import { type SelectQueryBuilder, sql } from 'kysely';

export interface Page {
  /** Id of the last row of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** One page of what `query` finds, or all of it. @param id the column of ids, which `query` is in the order of */
export function paged<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  id: string,
  page: Page | undefined,
): SelectQueryBuilder<DB, TB, O> {
  if (page === undefined) return query;
  const rest = page.after === undefined ? query : query.where(sql<boolean>`${sql.ref(id)} > ${page.after}`);
  return rest.limit(page.limit);
}
