import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Actor } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import { checkName, checkReason, checkTime } from '../../identity/input.ts';
import type { ChangeLog } from '../../store/changes.ts';
import type { ReviewSchedule } from '../../store/entities.ts';
import { found, type Page } from '../../store/queries.ts';
import { findReviewSchedule, listReviewSchedules, listReviews } from '../../store/reviews.ts';
import type { StateDb } from '../../store/store.ts';
import { checkDue, checkedTerms, type NewTerms, whole } from './terms.ts';

const DAY_MICROS = 86_400_000_000;
/** A review of a schedule is called after it and the day. */
const NAME_MAX = 48;

export interface NewSchedule extends NewTerms {
  readonly name: string;
  readonly everyDays: number;
  readonly dueSeconds: number;
  /** RFC 3339; now by default. */
  readonly firstAt?: string | undefined;
}

/** When reviews are opened by themselves. */
export class ReviewSchedules {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#clock = clock;
  }

  /** @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND; POSTERN_CONFLICT where the name was used */
  create(actor: Actor, input: NewSchedule, reason: string): Promise<ReviewSchedule> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'review schedule');
      if (name.length > NAME_MAX) {
        throw new PosternError(
          'POSTERN_INVALID',
          `The name of a schedule has at most ${NAME_MAX} characters.`,
        );
      }
      if ((await findReviewSchedule(db, name)) !== undefined) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `There was a schedule ${name} already; a name is never used again.`,
        );
      }
      const createdAt = rfc3339(this.#clock());
      const after: ReviewSchedule = {
        id: uuidv7(),
        name,
        ...(await checkedTerms(db, input)),
        everyDays: whole(input.everyDays, 1, 366, 'time from one to the next', 'days'),
        dueSeconds: checkDue(input.dueSeconds),
        firstAt: input.firstAt === undefined ? createdAt : checkTime(input.firstAt, 'first opening'),
        status: 'active',
        statusReason: null,
        createdAt,
      };
      return {
        changes: [{ type: 'config.changed', entity: 'review_schedule', before: null, after, reason: why }],
        result: after,
      };
    });
  }

  /** The reviews that it opened go on. @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT */
  end(actor: Actor, ref: string, reason: string): Promise<ReviewSchedule> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findReviewSchedule(db, ref), 'review schedule', ref);
      if (before.status === 'ended') {
        throw new PosternError('POSTERN_CONFLICT', `The schedule ${before.name} has ended already.`);
      }
      const after: ReviewSchedule = { ...before, status: 'ended', statusReason: why };
      return {
        changes: [{ type: 'config.changed', entity: 'review_schedule', before, after, reason: why }],
        result: after,
      };
    });
  }

  /** With when the next is opened; null where one is open, or none is to come. */
  async list(
    filter: { readonly status?: ReviewSchedule['status'] | undefined },
    page?: Page,
  ): Promise<(ReviewSchedule & { readonly nextAt: string | null })[]> {
    const schedules = await listReviewSchedules(this.#db, filter, page);
    return Promise.all(
      schedules.map(async (each) => ({ ...each, nextAt: await nextOpening(this.#db, each) })),
    );
  }
}

/** When a schedule opens its next review (RFC 3339); null while one is open, or when the schedule has ended. */
export async function nextOpening(db: StateDb, schedule: ReviewSchedule): Promise<string | null> {
  if (schedule.status === 'ended') return null;
  const reviews = await listReviews(db, { schedule: schedule.id });
  if (reviews.some(({ status }) => status === 'open')) return null;
  const last = reviews.at(-1);
  if (last === undefined) return schedule.firstAt;
  return rfc3339(Date.parse(last.createdAt) * 1000 + schedule.everyDays * DAY_MICROS);
}
