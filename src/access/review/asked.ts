/** Who decides on what in a review, and who may not. */
import { PosternError } from '../../core/errors.ts';
import type { Person, Review, ReviewItem } from '../../store/entities.ts';
import { findGrant, findPerson, findPrincipal, listPersons } from '../../store/queries.ts';
import { findRequest } from '../../store/requests.ts';
import type { StateDb } from '../../store/store.ts';
import { askersOf } from '../request-context.ts';
import { couldUse } from './emergency.ts';

/** Why a person may not decide on an item whoever asks them, or null: they answer for the principal, or the grant is theirs. */
export async function conflictOf(db: StateDb, item: ReviewItem, person: Person): Promise<string | null> {
  if (person.status !== 'active') return `${person.name} is ${person.status}`;
  const principal = await findPrincipal(db, item.principal.id);
  if (principal?.owner.id === person.id || principal?.backupOwner?.id === person.id) {
    return `${person.name} answers for ${item.principal.name}`;
  }
  if (item.grant === null) return null;
  const grant = await findGrant(db, item.grant);
  const authority = grant?.authority;
  if (authority?.approvers.some(({ id }) => id === person.id)) return `${person.name} approved the grant`;
  if (grant !== undefined && authority?.kind === 'emergency' && (await couldUse(db, grant, person.id))) {
    return `${person.name} could use the grant`;
  }
  if (authority?.request === undefined) return null;
  const request = await findRequest(db, authority.request);
  const askers = request === undefined ? [] : askersOf(request);
  if (askers.some(({ id }) => id === person.id)) return `${person.name} asked for the grant`;
  return null;
}

/**
 * Who decides on an item, beside administrators and the people of its escalation once it is overdue: to whom it was delegated; else the people whom the review
 * names; else everybody with the role reviewer. Where none of a group is active and independent, the next one is asked.
 */
export async function askedFor(db: StateDb, review: Review, item: ReviewItem): Promise<readonly Person[]> {
  const groups = [item.reviewer === null ? [] : [item.reviewer], review.reviewers];
  for (const group of groups) {
    const fit = await independentOf(db, item, group);
    if (fit.length > 0) return fit;
  }
  return independent(
    db,
    item,
    (await listPersons(db)).filter(({ roles }) => roles.includes('reviewer')),
  );
}

async function independentOf(
  db: StateDb,
  item: ReviewItem,
  group: readonly { readonly id: string }[],
): Promise<Person[]> {
  const people = await Promise.all(group.map(({ id }) => findPerson(db, id)));
  return independent(
    db,
    item,
    people.filter((person) => person !== undefined),
  );
}

const notAmong = ({ name }: Person): string => `${name} is not among those who are asked`;

async function independent(db: StateDb, item: ReviewItem, people: readonly Person[]): Promise<Person[]> {
  const fit: Person[] = [];
  for (const person of people) if ((await conflictOf(db, item, person)) === null) fit.push(person);
  return fit;
}

/** Why the person does not decide on the item now; null where they do. */
export async function refusalOf(
  db: StateDb,
  review: Review,
  item: ReviewItem,
  person: Person,
): Promise<string | null> {
  const conflict = await conflictOf(db, item, person);
  if (conflict !== null) return conflict;
  if (review.overdueAt !== null) {
    const escalated = review.escalation?.some(({ id }) => id === person.id) === true;
    if (escalated || person.roles.includes('admin')) return null;
  }
  // As `askedFor`, without looking at everybody.
  for (const group of [item.reviewer === null ? [] : [item.reviewer], review.reviewers]) {
    if (group.some(({ id }) => id === person.id)) return null;
    if ((await independentOf(db, item, group)).length > 0) return notAmong(person);
  }
  return person.roles.includes('reviewer') ? null : notAmong(person);
}

/** @throws PosternError POSTERN_FORBIDDEN */
export async function requireAsked(
  db: StateDb,
  review: Review,
  item: ReviewItem,
  person: Person,
): Promise<void> {
  const refusal = await refusalOf(db, review, item, person);
  if (refusal === null) return;
  const asked = (await askedFor(db, review, item)).slice(0, 5).map(({ name }) => name);
  throw new PosternError(
    'POSTERN_FORBIDDEN',
    `${refusal}, and does not decide on this.`,
    asked.length === 0
      ? 'Nobody who is asked can decide: an administrator delegates it.'
      : `Asked are: ${asked.join(', ')}.`,
  );
}
