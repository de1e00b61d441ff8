/** What a review is about and how it is carried out, as people say it. */
import { PosternError } from '../../core/errors.ts';
import type { Ref } from '../../core/record.ts';
import { checkText } from '../../identity/input.ts';
import { checkEnvironment } from '../../identity/principal-input.ts';
import type { Grant, Person, Principal, ReviewFilter, ReviewTerms } from '../../store/entities.ts';
import {
  findPerson,
  findResource,
  found,
  listGrants,
  listPrincipals,
  type PrincipalFilter,
} from '../../store/queries.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';

const DAY_SECONDS = 86_400;
const DUE_MAX = 366 * DAY_SECONDS;
const GRACE_MAX = 90 * DAY_SECONDS;
const UNUSED_DAYS_DEFAULT = 30;
const REVIEWERS_MAX = 50;
const TAGS_MAX = 8;
const REMINDERS_MAX = 5;
const REMINDERS_DEFAULT = [3 * DAY_SECONDS, DAY_SECONDS];
const ESCALATION_MAX = 10;

export interface NewTerms {
  readonly resource?: string | undefined;
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly reviewers?: readonly string[] | undefined;
  readonly graceSeconds: number;
  readonly unusedDays?: number | undefined;
  readonly rehearsal?: boolean | undefined;
  /** Seconds before the deadline; default three days and one. */
  readonly reminders?: readonly number[] | undefined;
  readonly escalation?: readonly string[] | undefined;
}

/** @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND; POSTERN_CONFLICT for a person who is disabled */
export async function checkedTerms(db: StateDb, input: NewTerms): Promise<ReviewTerms> {
  const { resource, owner, environment, tags = {}, reviewers = [], escalation = [] } = input;
  if (escalation.length > ESCALATION_MAX) {
    throw new PosternError('POSTERN_INVALID', `A review escalates to at most ${ESCALATION_MAX} people.`);
  }
  if (Object.keys(tags).length > TAGS_MAX || reviewers.length > REVIEWERS_MAX) {
    throw new PosternError(
      'POSTERN_INVALID',
      `A review names at most ${TAGS_MAX} tags and ${REVIEWERS_MAX} reviewers.`,
    );
  }
  const filter: ReviewFilter = {
    resource:
      resource === undefined ? null : refOf(found(await findResource(db, resource), 'resource', resource)),
    owner: owner === undefined ? null : refOf(found(await findPerson(db, owner), 'person', owner)),
    environment: environment === undefined ? null : checkEnvironment(environment),
    tags: Object.fromEntries(
      Object.entries(tags).map(([key, value]) => [
        checkText(key, 'name of a tag', 63),
        checkText(value, `tag ${key}`, 200),
      ]),
    ),
  };
  return {
    filter,
    reviewers: await checkedReviewers(db, reviewers),
    graceSeconds: whole(input.graceSeconds, 0, GRACE_MAX, 'grace', 'seconds'),
    unusedDays: whole(input.unusedDays ?? UNUSED_DAYS_DEFAULT, 1, 3650, 'time without use', 'days'),
    rehearsal: input.rehearsal ?? false,
    reminders: checkedReminders(input.reminders ?? REMINDERS_DEFAULT),
    escalation: await checkedReviewers(db, escalation),
  };
}

async function checkedReviewers(db: StateDb, refs: readonly string[]): Promise<Ref[]> {
  const people = new Map<string, Person>();
  for (const each of refs) {
    const person = found(await findPerson(db, each), 'person', each);
    checkReviewer(person);
    people.set(person.id, person);
  }
  return [...people.values()].map(refOf);
}

function checkedReminders(seconds: readonly number[]): number[] {
  if (seconds.length > REMINDERS_MAX) {
    throw new PosternError('POSTERN_INVALID', `A review has at most ${REMINDERS_MAX} reminders.`);
  }
  const each = seconds.map((one) => whole(one, 60, DUE_MAX, 'time before the deadline', 'seconds'));
  return [...new Set(each)].sort((a, b) => b - a);
}

/** @throws PosternError POSTERN_CONFLICT where the person is disabled; POSTERN_INVALID for one who only audits */
export function checkReviewer(person: Person): void {
  if (person.status !== 'active') {
    throw new PosternError('POSTERN_CONFLICT', `${person.name} is ${person.status}.`);
  }
  if (person.roles.every((role) => role === 'auditor')) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${person.name} audits what others decide, and decides nothing.`,
    );
  }
}

export const checkDue = (seconds: number): number =>
  whole(seconds, 1, DUE_MAX, 'time until it is due', 'seconds');

/** @throws PosternError POSTERN_INVALID */
export function whole(value: number, least: number, most: number, what: string, unit: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PosternError('POSTERN_INVALID', `The ${what} is ${least} to ${most} ${unit}.`);
}

/** What a review is about. */
interface Subjects {
  readonly principals: readonly Principal[];
  readonly grants: readonly Grant[];
}

/** Active grants, and the principals that work or could be resumed, in the order of their making. @param now RFC 3339 */
export async function subjectsOf(db: StateDb, filter: ReviewFilter, now: string): Promise<Subjects> {
  const { resource, owner, environment, tags } = filter;
  const asked: PrincipalFilter = { owner: owner?.id, environment: environment ?? undefined, tags };
  const fitting = (await listPrincipals(db, asked)).filter(
    ({ status }) => status === 'active' || status === 'suspended',
  );
  const ids = new Set(fitting.map(({ id }) => id));
  const open = await listGrants(db, { status: 'active', resource: resource?.id });
  const grants = open.filter(({ principal, end }) => ids.has(principal.id) && end > now);
  const holders = new Set(grants.map(({ principal }) => principal.id));
  return { principals: resource === null ? fitting : fitting.filter(({ id }) => holders.has(id)), grants };
}
