/** The use of an emergency grant is reviewed afterwards: a review of its own, which the grant brings with it. */
import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import { rfc3339 } from '../../core/time.ts';
import type { Change } from '../../store/changes.ts';
import type { Grant, Review, ReviewDecision } from '../../store/entities.ts';
import type { StateDb } from '../../store/store.ts';
import { endedGrant } from '../grants.ts';
import { suspended } from '../lifecycle.ts';
import { refOf } from '../request-outcomes.ts';
import { itemChange, type Outcome, reviewChange, type Subject } from './outcomes.ts';

/** From when a missed `reviewBy` is noticed until the principal is suspended. */
const GRACE_SECONDS = 86_400;
const UNUSED_DAYS = 30;

/** The review that comes with an emergency grant, in the same change; none for other grants. @param now microseconds */
export function emergencyReview(grant: Grant, now: number): readonly Change[] {
  const { reviewBy } = grant.authority;
  if (grant.authority.kind !== 'emergency' || reviewBy === undefined) return [];
  const createdAt = rfc3339(now);
  const review: Review = {
    id: uuidv7(),
    name: `emergency-${grant.id.slice(-12)}`,
    emergency: { grant: grant.id, principal: grant.principal },
    filter: { resource: grant.resource, owner: null, environment: null, tags: {} },
    reviewers: [],
    graceSeconds: GRACE_SECONDS,
    unusedDays: UNUSED_DAYS,
    rehearsal: false,
    schedule: null,
    dueAt: reviewBy,
    overdueAt: null,
    status: 'open',
    closeReason: null,
    closedAt: null,
    createdAt,
  };
  const item = itemChange('review.opened', null, {
    id: uuidv7(),
    review: refOf(review),
    principal: grant.principal,
    grant: grant.id,
    resource: grant.resource,
    reviewer: null,
    status: 'open',
    decision: null,
    effect: null,
    endedAt: null,
    createdAt,
  });
  return [reviewChange('review.opened', null, review), item];
}

/**
 * What a decision on the use of an emergency grant does: `keep` says that the use was in order; `revoke` that it was not, which
 * ends the grant and suspends the principal, as would a deadline that nobody kept.
 *
 * @throws PosternError POSTERN_CONFLICT for `keep` while the use goes on; POSTERN_INVALID for other decisions
 */
export function emergencyOutcome(
  review: Review,
  { principal, grant }: Subject,
  decided: ReviewDecision,
): Outcome {
  const open = grant !== null && grant.status === 'active' && grant.end > decided.at;
  if (decided.kind === 'keep') {
    if (!open) return { decision: decided, effect: { what: 'kept', applied: true }, changes: [] };
    throw new PosternError(
      'POSTERN_CONFLICT',
      `The emergency lasts until ${grant.end}: whether its use was in order is said when it is over.`,
      `It is over at once with: postern grant release ${grant.id}`,
    );
  }
  if (decided.kind !== 'revoke') {
    throw new PosternError(
      'POSTERN_INVALID',
      'The use of an emergency was in order (keep), or it was not (revoke).',
    );
  }
  const reason = `review ${review.name}: ${decided.reason}`;
  const changes: Change[] = open ? [endedGrant(grant, 'revoked', decided.at, reason)] : [];
  if (principal.status === 'active') changes.push(suspended(principal, reason));
  return { decision: decided, effect: { what: 'suspended', applied: true }, changes };
}

/** Whether a person could use an emergency grant: a credential that opened it was issued by them, or for use on their behalf. */
export async function couldUse(db: StateDb, grant: Grant, person: string): Promise<boolean> {
  const row = await db
    .selectFrom('credentials')
    .select('id')
    .where('principal_id', '=', grant.principal.id)
    .where((e) => e.or([e('grant_id', 'is', null), e('grant_id', '=', grant.id)]))
    .where((e) => e.or([e('resource_id', 'is', null), e('resource_id', '=', grant.resource.id)]))
    .where('created_at', '<', grant.endedAt ?? grant.end)
    .where('expires_at', '>', grant.start)
    .where((e) => e.or([e('issued_by', '=', person), e('delegation', 'like', `%"${person}"%`)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
