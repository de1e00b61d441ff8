/** What changes tell people of, and whom: those who have to act first. All that it reads is of the change's own transaction. */
import { ALERT_RULES } from '../core/alert-rules.ts';
import { formatDuration } from '../core/duration.ts';
import type { ChangeRecord, Ref } from '../core/record.ts';
import { activeAdmins } from '../identity/persons.ts';
import type { Telling } from '../notify/outbox.ts';
import type {
  AccessRequest,
  Alert,
  Binding,
  Grant,
  Notice,
  Person,
  Reconciliation,
  Review,
  ReviewItem,
  Unmanaged,
} from '../store/entities.ts';
import { findPerson, findPrincipal, findResource, listPersons } from '../store/queries.ts';
import { findRequest } from '../store/requests.ts';
import { countReviewItems, listReviewItems } from '../store/reviews.ts';
import type { StateDb } from '../store/store.ts';
import { approversOf } from './request-context.ts';

const ITEMS_LOOKED_AT = 500;
const SUBJECTS_NAMED = 5;

type People = Telling['people'];

export async function tellingsOf(db: StateDb, records: readonly ChangeRecord[]): Promise<Telling[]> {
  const told: Telling[] = [];
  for (const record of records) {
    const telling = await tellingOf(db, record);
    if (telling !== null) told.push(telling);
  }
  const unmanaged = await ofUnmanaged(db, records);
  return unmanaged === null ? told : [...told, unmanaged];
}

/** What one comparison with a resource found, in one message, however much it is. */
async function ofUnmanaged(db: StateDb, records: readonly ChangeRecord[]): Promise<Telling | null> {
  // New, or open again: what is merely known better is told to nobody.
  const found = records.filter(({ type, change: { before, after } }) => {
    const status = (before as Unmanaged | null)?.status;
    return type === 'unmanaged.found' && status !== (after as Unmanaged).status;
  });
  const [first] = found;
  if (first === undefined) return null;
  const things = found.map(({ change }) => change.after as Unmanaged);
  const resource = (first.change.after as Unmanaged).resource;
  const subjects = things
    .slice(0, SUBJECTS_NAMED)
    .map(({ subject }) => subject)
    .join('; ');
  const fields = { resource: resource.name, count: String(found.length), subjects };
  // Those of one comparison have its time: whichever of them is looked at, it is told once.
  const event = `unmanaged ${resource.id} ${things[0]?.lastToldAt}`;
  return { ...told(first, 'unmanaged.found', fields, await keepersOf(db, resource)), event };
}

/** Who answers for a resource, and administrators. */
async function keepersOf(db: StateDb, { id }: Ref): Promise<Person[]> {
  const owner = (await findResource(db, id))?.owner;
  return active([owner ? await findPerson(db, owner.id) : undefined, ...(await activeAdmins(db))]);
}

async function ofReconciliation(
  db: StateDb,
  record: ChangeRecord,
  { status, resource, why }: Reconciliation,
): Promise<Telling | null> {
  if (status !== 'failed') return null;
  const fields = { resource: resource.name, reason: why ?? '' };
  return told(record, 'reconciliation.failed', fields, await keepersOf(db, resource));
}

async function tellingOf(db: StateDb, record: ChangeRecord): Promise<Telling | null> {
  const { entity, before, after } = record.change;
  if (entity === 'request')
    return ofRequest(db, record, before as AccessRequest | null, after as AccessRequest);
  if (entity === 'alert') return ofAlert(db, record, before as Alert | null, after as Alert);
  if (entity === 'review') return ofReview(db, record, before as Review | null, after as Review);
  switch (record.type) {
    case 'grant.activated':
      return ofEmergency(db, record, after as Grant);
    case 'review.lapsed':
      return ofLapse(db, record, after as ReviewItem);
    case 'resource.reconciled':
      return ofReconciliation(db, record, after as Reconciliation);
    case 'notice.given':
      return ofNotice(db, record, after as Notice);
    case 'binding.created':
      return ofSecret(db, record, after as Binding);
    default:
      return null;
  }
}

function told(
  record: ChangeRecord,
  kind: Telling['kind'],
  fields: Telling['fields'],
  people: People,
): Telling {
  return { kind, event: record.id, fields, principal: record.principal?.id ?? null, people };
}

async function ofRequest(
  db: StateDb,
  record: ChangeRecord,
  before: AccessRequest | null,
  after: AccessRequest,
): Promise<Telling | null> {
  const fields = requestFields(after);
  const open = { needs: after.needs.join('; '), expires: clockText(after.expiresAt) };
  const last = after.approvals.at(-1);
  const agreed = {
    by: after.approvals.map(({ person }) => person.name).join(', '),
    comment: last?.comment ?? '',
  };
  const theirs = (): Promise<People> => concerned(db, after);
  switch (record.type) {
    case 'grant.requested':
      if (after.status !== 'pending' || before !== null) return null;
      return told(record, 'request.opened', { ...fields, ...open }, await decidersOf(db, after));
    case 'grant.approved': {
      if (after.status === 'pending') {
        const one = { ...open, by: last?.person.name ?? '', comment: last?.comment ?? '' };
        return told(record, 'request.agreed', { ...fields, ...one }, await approversOf(db, after));
      }
      const start = Date.parse(after.start ?? record.time);
      const until = clockText(new Date(start + after.seconds * 1000).toISOString());
      return told(record, 'request.granted', { ...fields, ...agreed, until }, await theirs());
    }
    case 'grant.denied': {
      // What the policy refuses by itself its asker reads at once. Whoever asks again and again is told of to nobody.
      if (before === null) return null;
      const no = { by: record.actor.name, reason: after.statusReason ?? '' };
      return told(record, 'request.denied', { ...fields, ...no }, await theirs());
    }
    case 'grant.withdrawn':
      return told(record, 'request.withdrawn', { ...fields, reason: after.statusReason ?? '' }, []);
    case 'grant.lapsed':
      return told(record, 'request.lapsed', fields, await theirs());
    default:
      return null;
  }
}

/** Who could agree; where nobody can (a group that is empty, a role that nobody has) administrators, who can say no and mend the policy. */
async function decidersOf(db: StateDb, request: AccessRequest): Promise<People> {
  const approvers = await approversOf(db, request);
  return approvers.length > 0 ? approvers : activeAdmins(db);
}

function requestFields(request: AccessRequest): Record<string, string> {
  return {
    request: request.id,
    principal: request.principal.name,
    resource: request.resource.name,
    scope: request.scope,
    duration: formatDuration(request.seconds * 1000),
    requester: request.requester.name,
    ticket: request.ticket ?? '',
    justification: request.justification ?? '',
    path: `/requests/${request.id}`,
  };
}

/** Who asked, where that is a person, and who answers for the principal. */
async function concerned(db: StateDb, { requester, principal }: AccessRequest): Promise<People> {
  const asker = requester.kind === 'person' ? await findPerson(db, requester.id) : undefined;
  return active([asker, ...(await ownersOf(db, principal))]);
}

async function ofEmergency(db: StateDb, record: ChangeRecord, grant: Grant): Promise<Telling | null> {
  const { kind, request: id, reviewBy } = grant.authority;
  if (kind !== 'emergency' || id === undefined) return null;
  const request = await findRequest(db, id);
  if (request === undefined) return null;
  const people = active([...(await ownersOf(db, grant.principal)), ...(await keepersOf(db, grant.resource))]);
  const ends = { until: clockText(grant.end), reviewBy: reviewBy === undefined ? '' : clockText(reviewBy) };
  return told(record, 'emergency.used', { ...requestFields(request), ...ends }, people);
}

async function ofReview(
  db: StateDb,
  record: ChangeRecord,
  before: Review | null,
  review: Review,
): Promise<Telling | null> {
  const open = String((await countReviewItems(db, review.id)).open);
  const fields = { review: review.name, due: clockText(review.dueAt), open };
  const overdue = Date.parse(review.overdueAt ?? review.dueAt);
  const lapses = clockText(new Date(overdue + review.graceSeconds * 1000).toISOString());
  switch (record.type) {
    case 'review.opened':
      return told(record, 'review.opened', fields, await reviewersOf(db, review));
    case 'review.reminded': {
      const left = formatDuration(Date.parse(review.dueAt) - Date.parse(record.time));
      return told(record, 'review.due_soon', { ...fields, left }, await reviewersOf(db, review));
    }
    case 'review.delegated': {
      if (before?.overdueAt !== null || review.overdueAt === null) return null;
      const escalation = await Promise.all((review.escalation ?? []).map(({ id }) => findPerson(db, id)));
      const people = active([...(await reviewersOf(db, review)), ...escalation, ...(await activeAdmins(db))]);
      return told(record, 'review.overdue', { ...fields, lapses }, people);
    }
    case 'review.escalated': {
      const items = await openItems(db, review);
      const principals = new Map(items.map(({ principal }) => [principal.id, principal]));
      const owners: (Person | undefined)[] = [];
      for (const principal of principals.values()) owners.push(...(await ownersOf(db, principal)));
      return told(record, 'review.escalated', { ...fields, lapses }, active(owners));
    }
    case 'review.closed':
      return told(record, 'review.closed', { review: review.name, reason: review.closeReason ?? '' }, []);
    default:
      return null;
  }
}

/** Who decides in a review: those it names or items were handed to; else everybody with the role. */
async function reviewersOf(db: StateDb, review: Review): Promise<Person[]> {
  const handed = (await openItems(db, review)).flatMap(({ reviewer }) => reviewer ?? []);
  const named = await Promise.all([...handed, ...review.reviewers].map(({ id }) => findPerson(db, id)));
  const people = active(named);
  if (people.length > 0) return people;
  return active((await listPersons(db)).filter(({ roles }) => roles.includes('reviewer')));
}

const openItems = (db: StateDb, { id }: Review): Promise<ReviewItem[]> =>
  listReviewItems(db, { review: id, status: 'open' }, { limit: ITEMS_LOOKED_AT });

async function ofLapse(db: StateDb, record: ChangeRecord, item: ReviewItem): Promise<Telling> {
  const applied = item.effect?.applied === true ? 'suspended' : 'it would have been suspended';
  const fields = { principal: item.principal.name, review: item.review.name, outcome: applied };
  return told(record, 'review.lapsed', fields, active(await ownersOf(db, item.principal)));
}

/** When it is raised, to who answers for the principal and who reviews; when it is closed, to who answers for it. Repeats join it. */
async function ofAlert(
  db: StateDb,
  record: ChangeRecord,
  before: Alert | null,
  alert: Alert,
): Promise<Telling | null> {
  const { rule, principal, values, resource, disposition } = alert;
  const fields = { principal: principal.name, alert: alert.id, rule };
  const owners = await ownersOf(db, principal);
  if (before === null) {
    const reviewers = (await listPersons(db)).filter(({ roles }) => roles.includes('reviewer'));
    const what = { says: ALERT_RULES[rule].says, values: values.join(', '), resource: resource?.name ?? '' };
    return told(record, 'alert.raised', { ...fields, ...what }, active([...owners, ...reviewers]));
  }
  if (alert.status !== 'closed' || before.status === 'closed' || disposition === null) return null;
  const closed = { outcome: disposition.kind, by: disposition.by.name, reason: disposition.reason };
  return told(record, 'alert.closed', { ...fields, ...closed }, active(owners));
}

async function ofNotice(db: StateDb, record: ChangeRecord, notice: Notice): Promise<Telling> {
  const fields = { principal: notice.principal.name, text: notice.text };
  const to = notice.to === null ? await activeAdmins(db) : [await findPerson(db, notice.to.id)];
  return told(record, 'owner.left', fields, active(to));
}

async function ofSecret(db: StateDb, record: ChangeRecord, binding: Binding): Promise<Telling | null> {
  if (binding.kind !== 'secret' || binding.status !== 'requested') return null;
  const { principal, id, requestedBy, reason, approver } = binding;
  const fields = { principal: principal.name, binding: id, requester: requestedBy.name, reason };
  return told(record, 'secret.requested', fields, active([await findPerson(db, approver.id)]));
}

/** Who answers for a principal now. */
export async function ownersOf(db: StateDb, { id }: Pick<Ref, 'id'>): Promise<(Person | undefined)[]> {
  const principal = await findPrincipal(db, id);
  const refs = [principal?.owner, principal?.backupOwner].flatMap((ref) => ref ?? []);
  return Promise.all(refs.map((ref) => findPerson(db, ref.id)));
}

/** Those who are there, each once. */
export function active(people: readonly (Person | undefined)[]): Person[] {
  const there = people.flatMap((person) => (person?.status === 'active' ? [person] : []));
  return [...new Map(there.map((person) => [person.id, person])).values()];
}

/** A time as people read it. */
export const clockText = (time: string): string => `${time.slice(0, 19).replace('T', ' ')}Z`;
