/** What names meant when the server resolved them, which it does once: a statement is not run as something else than was decided. */
import type { Decider } from './decide.ts';
import type { StatementEffects } from './effects.ts';
import type { Portal, Prepared } from './flow.ts';

/** Whether the names in a prepared statement mean what they meant when the server resolved them with this search path. */
export function remember({ known, meant }: Prepared, decider: Decider): boolean {
  const now = decider.meaning(known);
  const { path } = decider;
  if (now === null || path === null) return now === null;
  const before = meant.get(path);
  if (before === undefined) meant.set(path, now);
  return before === undefined || before === now;
}

/** Whether EXECUTE or FETCH runs what its portal was bound to, so that the columns are those that the server described. */
export function isSame({ runs }: Portal, { inner }: StatementEffects, { path }: Decider): boolean {
  if (runs === null || path === null || runs.path !== path) return false;
  return runs.inner.length === inner.length && inner.every((each, i) => each === runs.inner[i]);
}
