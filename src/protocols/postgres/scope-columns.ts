/** Whether rights on columns are enough for what a statement does with a relation. */
import type { ColumnUse, Verb } from './classified.ts';
import { type Relation, SYSTEM_COLUMNS } from './columns.ts';

/** Is there a right on the column? */
export type ColumnMatch = (column: string) => boolean;

/** How many columns a refusal names; where more are missing it names the relation. */
const MAX_NAMED = 20;

/**
 * The columns of the relation that a statement uses, those that cannot be told apart included.
 *
 * @param use null: it is not known which, so it is all of them
 */
export function usedColumns(verb: Verb, use: ColumnUse | null, relation: Relation): ReadonlySet<string> {
  const used = new Set<string>();
  const whole = (): void => {
    for (const { name } of relation.columns) used.add(name);
  };
  if (use === null || use.all) whole();
  for (const name of use?.named ?? []) {
    // `t.f` is `f(t)` where there is no column of that name: a function that sees the whole row.
    if (verb === 'select' && !isColumn(relation, name)) whole();
    else used.add(name);
  }
  for (const name of use?.maybe ?? []) if (isColumn(relation, name)) used.add(name);
  return used;
}

/**
 * @param relation undefined where the database is not known to have it: then no right on columns is enough
 * @returns null when the rights are enough, else the columns that are missing; none where it is all or cannot be told
 */
export function lackingColumns(
  verb: Verb,
  use: ColumnUse | null,
  rights: ColumnMatch,
  relation: Relation | undefined,
): readonly string[] | null {
  if (relation === undefined) return [];
  const lacking = [...usedColumns(verb, use, relation)].filter((name) => !rights(name));
  if (lacking.length > 0) return lacking.length > MAX_NAMED ? [] : lacking;
  // As in PostgreSQL, a statement that uses no column needs a right on any of them; system columns do not count.
  return relation.columns.some(({ name }) => rights(name)) ? null : [];
}

function isColumn(relation: Relation, name: string): boolean {
  return relation.column(name) !== undefined || SYSTEM_COLUMNS.has(name);
}
