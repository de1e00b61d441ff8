/** What reviews come to by themselves: schedules that open them, subjects that are over, deadlines that nobody kept. */
import type { Ref } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import { SYSTEM } from '../../identity/persons.ts';
import type { Change, ChangeLog, Plan } from '../../store/changes.ts';
import type { Review, ReviewItem, ReviewSchedule, ReviewTerms } from '../../store/entities.ts';
import {
  countReviewItems,
  findReview,
  findReviewSchedule,
  listReviewItems,
  listReviewSchedules,
  listReviews,
} from '../../store/reviews.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';
import { closedReview, lapsedItem, reviewChange, subjectOf, withdrawnItem } from './outcomes.ts';
import { nextOpening } from './schedules.ts';

/** Items in one change: others wait for it. */
const AT_ONCE = 100;

type Open = (
  db: StateDb,
  name: string,
  terms: ReviewTerms,
  dueSeconds: number,
  schedule: Ref | null,
  now: number,
) => Promise<Plan<Review>>;

/**
 * Each step is found from state and done in a change of its own, so it does not matter when this last ran, or how far it came.
 *
 * @param clock microseconds since the Unix epoch
 */
export async function sweepReviews(
  db: StateDb,
  changes: ChangeLog,
  clock: () => number,
  open: Open,
): Promise<void> {
  for (const { id } of await dueSchedules(db, clock())) {
    await changes.run(SYSTEM, async (tx) => {
      const schedule = await findReviewSchedule(tx, id);
      if (schedule === undefined || !(await isDue(tx, schedule, clock())))
        return { changes: [], result: null };
      const { filter, reviewers, graceSeconds, unusedDays, rehearsal, dueSeconds } = schedule;
      const { reminders = [], escalation = [] } = schedule;
      const terms = { filter, reviewers, graceSeconds, unusedDays, rehearsal, reminders, escalation };
      return open(
        tx,
        await freeName(tx, schedule.name, clock()),
        terms,
        dueSeconds,
        refOf(schedule),
        clock(),
      );
    });
  }
  for (const { id } of await listReviews(db, { status: 'open' })) await sweepReview(db, changes, clock, id);
}

async function dueSchedules(db: StateDb, now: number): Promise<ReviewSchedule[]> {
  const due: ReviewSchedule[] = [];
  for (const each of await listReviewSchedules(db, { status: 'active' })) {
    if (await isDue(db, each, now)) due.push(each);
  }
  return due;
}

async function isDue(db: StateDb, schedule: ReviewSchedule, now: number): Promise<boolean> {
  const next = await nextOpening(db, schedule);
  return next !== null && next <= rfc3339(now);
}

/** The day, and a number where the clock brought it twice. */
async function freeName(db: StateDb, schedule: string, now: number): Promise<string> {
  const day = `${schedule}-${rfc3339(now).slice(0, 10)}`;
  let name = day;
  for (let n = 2; (await findReview(db, name)) !== undefined; n++) name = `${day}.${n}`;
  return name;
}

/** Step by step, each looked for first without keeping other changes waiting: mostly there is nothing to do. */
async function sweepReview(db: StateDb, changes: ChangeLog, clock: () => number, id: string): Promise<void> {
  while ((await stepOf(db, id, clock())).length > 0) {
    await changes.run(SYSTEM, async (tx) => ({ changes: await stepOf(tx, id, clock()), result: null }));
  }
}

/**
 * What a review comes to next. The grace counts from when the missed deadline was noticed: nobody could decide while Postern was not
 * there, and a clock that jumps ahead suspends nobody at once.
 */
async function stepOf(db: StateDb, id: string, now: number): Promise<Change[]> {
  const review = await findReview(db, id);
  if (review?.status !== 'open') return [];
  const at = rfc3339(now);
  const { overdueAt, dueAt, graceSeconds } = review;
  if (overdueAt === null && dueAt <= at) {
    const after: Review = { ...review, overdueAt: at };
    const reason = 'it is overdue: administrators may decide too';
    return [reviewChange('review.delegated', review, after, reason)];
  }
  const reminded = reminderOf(review, now);
  if (reminded !== null) return [reminded];
  const page = { limit: AT_ONCE };
  const over =
    review.emergency === undefined
      ? await listReviewItems(db, { review: id, status: 'open', overAt: at }, page)
      : [];
  if (over.length > 0) return over.map((item) => withdrawnItem(item, at, 'its subject is over'));
  const lapsed = overdueAt !== null && Date.parse(overdueAt) * 1000 + graceSeconds * 1_000_000 <= now;
  if (lapsed) {
    const due = await lapses(db, review, await listReviewItems(db, { review: id, status: 'open' }, page), at);
    if (due.length > 0) return due;
  }
  if ((await countReviewItems(db, id)).open > 0) return escalationOf(review, at, now);
  return [closedReview(review, at, lapsed ? 'its time is over' : 'nothing is left to decide')];
}

/**
 * Of reminders that have come since, however many, there is one record: whoever reads it late is reminded once. After the deadline there
 * are none.
 */
function reminderOf(review: Review, now: number): Change | null {
  const { dueAt, createdAt, overdueAt, reminders = [], reminded = [] } = review;
  if (overdueAt !== null) return null;
  const left = Date.parse(dueAt) * 1000 - now;
  // One that would have come before the review began has nothing to remind of.
  const whole = (Date.parse(dueAt) - Date.parse(createdAt)) / 1000;
  const come = reminders.filter(
    (seconds) => seconds < whole && left <= seconds * 1_000_000 && !reminded.includes(seconds),
  );
  if (come.length === 0) return null;
  const after: Review = { ...review, reminded: [...reminded, ...come] };
  return { type: 'review.reminded', entity: 'review', before: review, after };
}

/** Once half of the grace is gone, who answers for what is undecided hears that it will be suspended. */
function escalationOf(review: Review, at: string, now: number): Change[] {
  const { overdueAt, graceSeconds, escalatedAt = null } = review;
  if (overdueAt === null || escalatedAt !== null || graceSeconds === 0) return [];
  if (Date.parse(overdueAt) * 1000 + graceSeconds * 500_000 > now) return [];
  const after: Review = { ...review, escalatedAt: at };
  const reason = 'half of its grace is gone';
  return [{ type: 'review.escalated', entity: 'review', before: review, after, reason }];
}

async function lapses(
  db: StateDb,
  review: Review,
  items: readonly ReviewItem[],
  at: string,
): Promise<Change[]> {
  const suspended = new Set<string>();
  const changes: Change[] = [];
  for (const item of items) {
    const subject = await subjectOf(db, review, item, at);
    if (subject === null) continue;
    for (const change of lapsedItem(review, item, subject, at)) {
      // Several items of one principal suspend it once.
      if (change.entity === 'principal' && suspended.has(change.after.id)) continue;
      if (change.entity === 'principal') suspended.add(change.after.id);
      changes.push(change);
    }
  }
  return changes;
}
