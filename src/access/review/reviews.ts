import { createHash } from 'node:crypto';
import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Actor, Ref } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import { checkName, checkReason } from '../../identity/input.ts';
import type { Change, ChangeLog, Plan } from '../../store/changes.ts';
import type { Person, Review, ReviewDecision, ReviewItem, ReviewTerms } from '../../store/entities.ts';
import { findPerson, found, type Page } from '../../store/queries.ts';
import {
  countReviewItems,
  findReview,
  findReviewItem,
  findReviewView,
  listReviewItems,
  listReviews,
  putReviewView,
  type ReviewItemFilter,
  type ReviewsFilter,
} from '../../store/reviews.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';
import type { ValidateScope } from '../scopes.ts';
import { conflictOf, refusalOf, requireAsked } from './asked.ts';
import { emergencyOutcome } from './emergency.ts';
import { closedReview, itemChange, outcomeOf, reviewChange, subjectOf, withdrawnItem } from './outcomes.ts';
import { ReviewSchedules } from './schedules.ts';
import { sweepReviews } from './sweep.ts';
import { checkDue, checkedTerms, checkReviewer, type NewTerms, subjectsOf } from './terms.ts';

/** Items that are looked at together. */
const AT_ONCE = 500;
/** For how long a decision may rest on what the person was shown. */
const VIEW_MICROS = 86_400_000_000;

export interface NewReview extends NewTerms {
  readonly name: string;
  readonly dueSeconds: number;
}

export interface NewDecision {
  readonly kind: ReviewDecision['kind'];
  readonly reason: string;
  /** SHA-256 of what the person was shown, hex. */
  readonly view: string;
  readonly scope?: string | undefined;
  readonly owner?: string | undefined;
  readonly backupOwner?: string | undefined;
}

/** What somebody was shown of an item, byte for byte. */
export interface ShownView {
  readonly sha256: string;
  readonly shownAt: string;
  readonly text: string;
}

/** Recertification: people decide anew on grants and principals, and what nobody decides on is suspended. */
export class Reviews {
  readonly schedules: ReviewSchedules;
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #validateScope: ValidateScope;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, validateScope: ValidateScope, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#validateScope = validateScope;
    this.#clock = clock;
    this.schedules = new ReviewSchedules(db, changes, clock);
  }

  /** @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND; POSTERN_CONFLICT where the name was used, or nothing fits */
  open(actor: Actor, input: NewReview): Promise<Review> {
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'review');
      if ((await findReview(db, name)) !== undefined) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `There was a review ${name} already; a name is never used again.`,
        );
      }
      const due = checkDue(input.dueSeconds);
      const plan = await opened(db, name, await checkedTerms(db, input), due, null, this.#clock());
      if (plan.result.status === 'closed') {
        throw new PosternError(
          'POSTERN_CONFLICT',
          'No principal and no grant fits: there is nothing to review.',
        );
      }
      return plan;
    });
  }

  /**
   * Ends a review before its time. What nobody decided on stays as it is.
   *
   * @throws PosternError POSTERN_CONFLICT, also for that of an emergency
   */
  close(actor: Actor, ref: string, reason: string): Promise<Review> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = isOpen(found(await findReview(db, ref), 'review', ref));
      if (before.emergency !== undefined) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          'The use of an emergency is reviewed to its end: somebody decides, or its principal is suspended.',
        );
      }
      const at = rfc3339(this.#clock());
      const items = await listReviewItems(db, { review: before.id, status: 'open' });
      const change = closedReview(before, at, why);
      const changes = [...items.map((each) => withdrawnItem(each, at, why)), change];
      return { changes, result: change.after as Review };
    });
  }

  /**
   * Decides on an item, at once. The person must have been shown a view of it within the last 24 hours, and says which.
   *
   * @throws PosternError POSTERN_FORBIDDEN for whom nobody asks, or who answers for the subject; POSTERN_CONFLICT where it is
   *   decided already, its subject is over, or the view is not the last that they were shown; POSTERN_INVALID
   */
  decide(actor: Actor, id: string, input: NewDecision): Promise<ReviewItem> {
    const reason = checkReason(input.reason);
    return this.#changes.run(actor, async (db) => {
      const now = this.#clock();
      const at = rfc3339(now);
      const before = isUndecided(found(await findReviewItem(db, id), 'review item', id));
      const review = isOpen(found(await findReview(db, before.review.id), 'review', before.review.id));
      const person = found(await findPerson(db, actor.id), 'person', actor.id);
      await requireAsked(db, review, before, person);
      const shownAt = await shownTo(db, before, person, input.view, now);
      const subject = await subjectOf(db, review, before, at);
      if (subject === null) throw over(before);
      const decided: ReviewDecision = {
        kind: input.kind,
        by: refOf(person),
        at,
        reason,
        scope: input.scope ?? null,
        owner: await personRef(db, input.owner),
        backupOwner: await personRef(db, input.backupOwner),
        view: input.view,
        shownAt,
      };
      checkParts(decided);
      if (decided.owner?.id === person.id || decided.backupOwner?.id === person.id) {
        throw new PosternError('POSTERN_FORBIDDEN', 'Nobody makes a principal their own.');
      }
      const { decision, effect, changes } =
        review.emergency === undefined
          ? await outcomeOf(db, review, subject, decided, this.#validateScope)
          : emergencyOutcome(review, subject, decided);
      const after: ReviewItem = { ...before, status: 'decided', decision, effect, endedAt: at };
      const { open } = await countReviewItems(db, review.id);
      const last = open === 1 ? [closedReview(review, at, 'all items are decided')] : [];
      const item = itemChange('review.decided', before, after, reason);
      return { changes: [item, ...changes, ...last], result: after };
    });
  }

  /**
   * Has somebody else decide on an item.
   *
   * @throws PosternError POSTERN_FORBIDDEN for who neither decides on it nor administers, or has a part in it; POSTERN_CONFLICT where
   *   the other has, or it is decided already
   */
  delegate(actor: Actor, id: string, to: string, reason: string): Promise<ReviewItem> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = isUndecided(found(await findReviewItem(db, id), 'review item', id));
      const review = isOpen(found(await findReview(db, before.review.id), 'review', before.review.id));
      const person = found(await findPerson(db, actor.id), 'person', actor.id);
      // Who has a part in it chooses no judge either.
      const administers = person.roles.includes('admin') && (await conflictOf(db, before, person)) === null;
      if (!administers) await requireAsked(db, review, before, person);
      const other = found(await findPerson(db, to), 'person', to);
      if (other.id === person.id) throw new PosternError('POSTERN_INVALID', 'Delegate it to somebody else.');
      checkReviewer(other);
      const conflict = await conflictOf(db, before, other);
      if (conflict !== null) {
        throw new PosternError('POSTERN_CONFLICT', `${conflict}, and cannot decide on this.`);
      }
      const after: ReviewItem = { ...before, reviewer: refOf(other) };
      return { changes: [itemChange('review.delegated', before, after, why)], result: after };
    });
  }

  /** Keeps what a person is about to be shown, where they may decide on it. @returns its digest; null where they may not */
  async show(item: ReviewItem, person: Person, text: string): Promise<ShownView | null> {
    if ((await this.refusal(item, person)) !== null) return null;
    const sha256 = createHash('sha256').update(text).digest('hex');
    const shownAt = rfc3339(this.#clock());
    await putReviewView(this.#db, {
      ...{ item_id: item.id, person_id: person.id, sha256, shown_at: shownAt, view: text },
    });
    return { sha256, shownAt, text };
  }

  /** What the person saw who decided on an item; null where nobody did. */
  async seen(item: ReviewItem): Promise<ShownView | null> {
    if (item.decision === null) return null;
    const row = await findReviewView(this.#db, item.id, item.decision.by.id);
    if (row === undefined) return null;
    return { sha256: row.sha256, shownAt: row.shown_at, text: row.view };
  }

  /** Why the person does not decide on an item now; null where they do. */
  async refusal(item: ReviewItem, person: Person): Promise<string | null> {
    if (item.status !== 'open') return `it is ${item.status} already`;
    const review = await findReview(this.#db, item.review.id);
    if (review?.status !== 'open') return 'the review is closed';
    return refusalOf(this.#db, review, item, person);
  }

  /** Items that wait for a person, of all open reviews. */
  async inbox(person: Person, page: Page): Promise<ReviewItem[]> {
    const open = new Map((await listReviews(this.#db, { status: 'open' })).map((each) => [each.id, each]));
    const waiting: ReviewItem[] = [];
    for (let { after } = page; waiting.length < page.limit; ) {
      const items = await listReviewItems(this.#db, { status: 'open' }, { limit: AT_ONCE, after });
      for (const item of items) {
        const review = open.get(item.review.id);
        const asked = review && (await refusalOf(this.#db, review, item, person)) === null;
        if (asked) waiting.push(item);
      }
      if (items.length < AT_ONCE) break;
      after = items.at(-1)?.id;
    }
    return waiting.slice(0, page.limit);
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<Review> {
    return found(await findReview(this.#db, ref), 'review', ref);
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async item(id: string): Promise<ReviewItem> {
    return found(await findReviewItem(this.#db, id), 'review item', id);
  }

  list(filter: ReviewsFilter, page?: Page): Promise<Review[]> {
    return listReviews(this.#db, filter, page);
  }

  items(filter: ReviewItemFilter, page?: Page): Promise<ReviewItem[]> {
    return listReviewItems(this.#db, filter, page);
  }

  counts(review: string): Promise<Record<ReviewItem['status'], number>> {
    return countReviewItems(this.#db, review);
  }

  /** The clock by which reviews run, in microseconds since the Unix epoch. */
  now(): number {
    return this.#clock();
  }

  /** Opens what is due, and deals with missed deadlines. What it finds done already it does not do again. */
  sweep(): Promise<void> {
    return sweepReviews(this.#db, this.#changes, this.#clock, opened);
  }
}

/** A new review with its items; closed at once where there are none. @param now microseconds since the Unix epoch */
async function opened(
  db: StateDb,
  name: string,
  terms: ReviewTerms,
  dueSeconds: number,
  schedule: Ref | null,
  now: number,
): Promise<Plan<Review>> {
  const createdAt = rfc3339(now);
  const { principals, grants } = await subjectsOf(db, terms.filter, createdAt);
  const nothing = principals.length === 0;
  const review: Review = {
    id: uuidv7(),
    name,
    ...terms,
    schedule,
    dueAt: rfc3339(now + dueSeconds * 1_000_000),
    overdueAt: null,
    status: nothing ? 'closed' : 'open',
    closeReason: nothing ? 'nothing fits' : null,
    closedAt: nothing ? createdAt : null,
    createdAt,
  };
  const item = (principal: Ref, grant: string | null, resource: Ref | null): Change =>
    itemChange('review.opened', null, {
      id: uuidv7(),
      review: refOf(review),
      principal: refOf(principal),
      grant,
      resource,
      reviewer: null,
      status: 'open',
      decision: null,
      effect: null,
      endedAt: null,
      createdAt,
    });
  const changes: Change[] = [reviewChange('review.opened', null, review)];
  for (const principal of principals) {
    changes.push(item(principal, null, null));
    for (const grant of grants) {
      if (grant.principal.id === principal.id) changes.push(item(principal, grant.id, grant.resource));
    }
  }
  return { changes, result: review };
}

/** When the person was shown the view that they name. @throws PosternError POSTERN_CONFLICT */
async function shownTo(
  db: StateDb,
  item: ReviewItem,
  person: Person,
  view: string,
  now: number,
): Promise<string> {
  const shown = await findReviewView(db, item.id, person.id);
  const hint = `postern review show ${item.id}`;
  if (shown === undefined) {
    throw new PosternError('POSTERN_CONFLICT', `${person.name} has not been shown what this is about.`, hint);
  }
  if (shown.sha256 !== view) {
    throw new PosternError('POSTERN_CONFLICT', 'That is not what you were shown last of this item.', hint);
  }
  // Also where the clock was set back since.
  if (Math.abs(now - Date.parse(shown.shown_at) * 1000) > VIEW_MICROS) {
    throw new PosternError('POSTERN_CONFLICT', 'What you were shown is older than 24 hours.', hint);
  }
  return shown.shown_at;
}

/** @throws PosternError POSTERN_INVALID where a decision says more than its kind takes */
function checkParts({ kind, scope, owner, backupOwner }: ReviewDecision): void {
  if (scope !== null && kind !== 'narrow') {
    throw new PosternError('POSTERN_INVALID', 'Only narrowing takes a scope.');
  }
  if ((owner !== null || backupOwner !== null) && kind !== 'reassign') {
    throw new PosternError('POSTERN_INVALID', 'Only reassigning takes an owner.');
  }
}

async function personRef(db: StateDb, ref: string | undefined): Promise<Ref | null> {
  return ref === undefined ? null : refOf(found(await findPerson(db, ref), 'person', ref));
}

function isOpen(review: Review): Review {
  if (review.status === 'open') return review;
  throw new PosternError('POSTERN_CONFLICT', `The review ${review.name} is closed already.`);
}

function isUndecided(item: ReviewItem): ReviewItem {
  if (item.status === 'open') return item;
  const by = item.decision === null ? '' : ` by ${item.decision.by.name} (${item.decision.kind})`;
  throw new PosternError('POSTERN_CONFLICT', `The item ${item.id} is ${item.status} already${by}.`);
}

const over = ({ grant, principal }: ReviewItem): PosternError =>
  new PosternError(
    'POSTERN_CONFLICT',
    grant === null ? `${principal.name} is disabled or retired.` : `The grant ${grant} has ended.`,
    'There is nothing left to decide; the item ends by itself.',
  );
