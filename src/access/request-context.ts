/** Who may have a say in a request, as state has it now. */
import type { AccessRequest, Person, Principal, Resource } from '../store/entities.ts';
import { findPerson } from '../store/queries.ts';
import { listActiveGroups } from '../store/requests.ts';
import type { StateDb } from '../store/store.ts';
import type { ApprovalContext } from './policy/approvals.ts';

export async function contextOf(
  db: StateDb,
  { requester, delegation = [] }: AccessRequest,
  principal: Principal,
  resource: Resource,
): Promise<ApprovalContext> {
  const groups = await listActiveGroups(db);
  // On whose behalf a principal asks, asks themselves.
  const askers = [requester, ...delegation].filter(({ kind }) => kind === 'person');
  return {
    owners: principal,
    resourceOwner: resource.owner?.id ?? null,
    requesters: askers.map(({ id }) => id),
    members: (name) => {
      const named = groups.filter((group) => group.name === name);
      // Two directories may use one name for different people: then it says nothing.
      return new Set(named.length === 1 ? named[0]?.members : []);
    },
  };
}

/** Those who have agreed, as they are now. */
export async function peopleOf(db: StateDb, { approvals }: AccessRequest): Promise<Person[]> {
  const people = await Promise.all(approvals.map(({ person }) => findPerson(db, person.id)));
  return people.filter((person) => person !== undefined);
}
