import type { ChangeRecord } from '../core/record.ts';
import type { EndedView } from '../core/views.ts';

/** What a session may stand on beside its own credential, its principal, grants and resource. */
const STOOD_ON: ReadonlySet<string> = new Set(['person', 'principal', 'binding', 'credential', 'delegation']);

/** What records end on which credentials of others stand. A session lives on when its credential is over, but not without this. */
export function endedOf(records: readonly ChangeRecord[]): EndedView[] {
  return records
    .filter(({ change: { entity, after } }) => {
      const { status } = after as { readonly status?: string };
      return STOOD_ON.has(entity) && status !== undefined && status !== 'active';
    })
    .map(({ time, change }) => ({ id: change.id, at: Date.parse(time) }));
}
