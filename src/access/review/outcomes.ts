/** What becomes of the items of a review, as changes. */
import { PosternError } from '../../core/errors.ts';
import { answerable } from '../../identity/principal-input.ts';
import type { Change } from '../../store/changes.ts';
import type {
  Grant,
  Principal,
  Review,
  ReviewDecision,
  ReviewEffect,
  ReviewItem,
} from '../../store/entities.ts';
import { findGrant, findPrincipal, findResource } from '../../store/queries.ts';
import type { StateDb } from '../../store/store.ts';
import { endedGrant } from '../grants.ts';
import { suspended } from '../lifecycle.ts';
import { refOf } from '../request-outcomes.ts';
import { scopeRelations, type ValidateScope } from '../scopes.ts';

type ItemRecord = 'review.opened' | 'review.decided' | 'review.delegated' | 'review.lapsed' | 'review.closed';

export function itemChange(
  type: ItemRecord,
  before: ReviewItem | null,
  after: ReviewItem,
  reason?: string,
): Change {
  return { type, entity: 'review_item', before, after, principal: after.principal, reason };
}

export function closedReview(before: Review, at: string, reason: string): Change {
  const after: Review = { ...before, status: 'closed', closeReason: reason, closedAt: at };
  return reviewChange('review.closed', before, after, reason);
}

/** A change of a review; one of the principal whose emergency it is about, where it is about one. */
export function reviewChange(
  type: 'review.opened' | 'review.delegated' | 'review.closed',
  before: Review | null,
  after: Review,
  reason?: string,
): Change {
  const principal = after.emergency?.principal;
  return { type, entity: 'review', before, after, ...(principal && { principal }), reason };
}

/** An item on which nobody has to decide any more. */
export function withdrawnItem(before: ReviewItem, at: string, reason: string): Change {
  const after: ReviewItem = {
    ...before,
    status: 'withdrawn',
    effect: { what: 'nothing', applied: true },
    endedAt: at,
  };
  return itemChange('review.closed', before, after, reason);
}

/** What an item is about, as it is now. */
export interface Subject {
  readonly principal: Principal;
  /** Null where the item is about the principal. */
  readonly grant: Grant | null;
}

/** The subject of an item; null where it is over, which the use of an emergency never is. @param now RFC 3339 */
export async function subjectOf(
  db: StateDb,
  review: Review,
  item: ReviewItem,
  now: string,
): Promise<Subject | null> {
  const principal = await findPrincipal(db, item.principal.id);
  if (review.emergency !== undefined && principal !== undefined) {
    return { principal, grant: (await findGrant(db, review.emergency.grant)) ?? null };
  }
  if (principal === undefined || principal.status === 'disabled' || principal.status === 'retired')
    return null;
  if (item.grant === null) return { principal, grant: null };
  const grant = await findGrant(db, item.grant);
  if (grant === undefined || grant.status !== 'active' || grant.end <= now) return null;
  return { principal, grant };
}

export interface Outcome {
  readonly decision: ReviewDecision;
  readonly effect: ReviewEffect;
  /** To the subject; none in a rehearsal. */
  readonly changes: readonly Change[];
}

/**
 * What a decision does to its subject.
 *
 * @throws PosternError POSTERN_INVALID where that cannot be decided of such a subject, or the scope is not a narrower one
 */
export async function outcomeOf(
  db: StateDb,
  review: Review,
  { principal, grant }: Subject,
  decided: ReviewDecision,
  validateScope: ValidateScope,
): Promise<Outcome> {
  const reason = `review ${review.name}: ${decided.reason}`;
  const result = (what: ReviewEffect['what'], changes: readonly Change[], decision = decided): Outcome => ({
    decision,
    effect: { what, applied: !review.rehearsal },
    changes: review.rehearsal ? [] : changes,
  });
  switch (decided.kind) {
    case 'keep':
      return result('kept', []);
    case 'revoke': {
      if (grant !== null) return result('revoked', [endedGrant(grant, 'revoked', decided.at, reason)]);
      const after: Principal = { ...principal, status: 'disabled', statusReason: reason, rehomeBy: null };
      return result('disabled', [principalChange('principal.disabled', principal, after, reason)]);
    }
    case 'narrow': {
      if (grant === null)
        throw invalid('Only a grant is narrowed; a principal is kept, revoked or reassigned.');
      const scope = await narrowed(db, grant, decided.scope, validateScope);
      const change: Change = {
        type: 'grant.narrowed',
        entity: 'grant',
        before: grant,
        after: { ...grant, scope },
        principal: grant.principal,
        reason,
      };
      return result('narrowed', [change], { ...decided, scope });
    }
    case 'reassign': {
      if (grant !== null) throw invalid('A principal is reassigned, not a grant.');
      if (decided.owner === null) throw invalid('Say who answers for it from now on.');
      const backup = decided.backupOwner?.id ?? principal.backupOwner?.id;
      const owners = await answerable(db, decided.owner.id, backup);
      const after: Principal = { ...principal, ...owners, rehomeBy: null };
      const change = principalChange('principal.updated', principal, after, reason);
      return result('reassigned', [change], { ...decided, backupOwner: refOf(owners.backupOwner) });
    }
  }
}

async function narrowed(
  db: StateDb,
  grant: Grant,
  text: string | null,
  validateScope: ValidateScope,
): Promise<string> {
  if (text === null) throw invalid('Say to which scope the grant is narrowed.');
  const protocol = (await findResource(db, grant.resource.id))?.protocol ?? '';
  const scope = validateScope(protocol, text);
  if (scope === grant.scope)
    throw invalid('That is the scope of the grant already: keep it, or give a narrower one.');
  if (scopeRelations.within(protocol, scope, grant.scope)) return scope;
  throw invalid(
    'The scope does not certainly lie within that of the grant.',
    `The grant gives: ${grant.scope}. More than that takes a request.`,
  );
}

/** What becomes of an item on which nobody decided, and of its principal. */
export function lapsedItem(
  review: Review,
  before: ReviewItem,
  subject: Subject,
  at: string,
): readonly Change[] {
  const reason = `review ${review.name}: nobody decided in time`;
  const { principal } = subject;
  const effect: ReviewEffect = { what: 'suspended', applied: !review.rehearsal };
  const after: ReviewItem = { ...before, status: 'lapsed', effect, endedAt: at };
  const item = itemChange('review.lapsed', before, after, reason);
  const suspends = effect.applied && principal.status === 'active';
  return suspends ? [item, suspended(principal, reason)] : [item];
}

function principalChange(
  type: 'principal.disabled' | 'principal.updated',
  before: Principal,
  after: Principal,
  reason: string,
): Change {
  return { type, entity: 'principal', before, after, principal: refOf(after), reason };
}

const invalid = (message: string, hint?: string): PosternError =>
  new PosternError('POSTERN_INVALID', message, hint);
