/** What would stop working if nobody decided on what is left of a review. */
import { PosternError } from '../core/errors.ts';
import type { Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import type { Review } from '../store/entities.ts';
import type { ApiDeps } from './deps.ts';

const DAYS = 7;
const DAY_MICROS = 86_400_000_000;

interface PreviewRow {
  readonly principal: Ref;
  readonly items: number;
  readonly grants: number;
  readonly sessions: number;
  readonly commands: number;
}

export interface Preview {
  /** When the undecided lapse: at the earliest, while the deadline is still to come; null for a review that is closed. */
  readonly lapsesAt: string | null;
  readonly rehearsal: boolean;
  readonly principals: readonly PreviewRow[];
}

export async function previewOf(deps: ApiDeps, review: Review): Promise<Preview> {
  const { reviews, principals, grants } = deps.control;
  const items = new Map<string, number>();
  for (const { principal } of await reviews.items({ review: review.id, status: 'open' })) {
    items.set(principal.id, (items.get(principal.id) ?? 0) + 1);
  }
  const live = await deps.gateway.sessions();
  const since = rfc3339(reviews.now() - DAYS * DAY_MICROS);
  const rows: PreviewRow[] = [];
  for (const [id, count] of items) {
    const { name, status } = await principals.get(id);
    if (status !== 'active') continue;
    rows.push({
      principal: { id, name },
      items: count,
      grants: (await grants.list({ principal: id, status: 'active' })).length,
      sessions: live.filter((session) => session.principal.id === id).length,
      commands: await commandsOf(deps, id, since),
    });
  }
  const { status, overdueAt, dueAt, graceSeconds, rehearsal } = review;
  const lapsesAt = rfc3339(Date.parse(overdueAt ?? dueAt) * 1000 + graceSeconds * 1_000_000);
  return { lapsesAt: status === 'open' ? lapsesAt : null, rehearsal, principals: rows };
}

async function commandsOf(deps: ApiDeps, principal: string, since: string): Promise<number> {
  try {
    return (await deps.activity.summary({ principal, since })).commands;
  } catch (error) {
    // Nothing of it is in the log yet.
    if (error instanceof PosternError && error.code === 'POSTERN_NOT_FOUND') return 0;
    throw error;
  }
}
