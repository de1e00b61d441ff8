/** Who may have a say in a request, as state has it now. */
import type { Ref } from '../core/record.ts';
import type { AccessRequest, Person, Principal, Resource } from '../store/entities.ts';
import { findPerson, findPrincipal, findResource, listPersons } from '../store/queries.ts';
import { listActiveGroups } from '../store/requests.ts';
import type { StateDb } from '../store/store.ts';
import { type Decision, decide } from './policies.ts';
import { type ApprovalContext, mayApprove, missingApprovals } from './policy/approvals.ts';

/** Whose request it is, people and principals: who made or joined it, and on whose behalf a principal did. None of them decides on it. */
export function askersOf({
  requester,
  delegation = [],
  alsoAskedBy = [],
}: Pick<AccessRequest, 'requester' | 'delegation' | 'alsoAskedBy'>): readonly Ref[] {
  return [requester, ...delegation, ...alsoAskedBy].map(({ id, name }) => ({ id, name }));
}

export async function contextOf(
  db: StateDb,
  request: AccessRequest,
  principal: Principal,
  resource: Resource,
): Promise<ApprovalContext> {
  const groups = await listActiveGroups(db);
  return {
    owners: principal,
    resourceOwner: resource.owner?.id ?? null,
    requesters: askersOf(request).map(({ id }) => id),
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

/** Who could agree to a request that waits, as it stands: nobody where the policy does not allow it any more. */
export async function approversOf(db: StateDb, request: AccessRequest): Promise<Person[]> {
  const principal = await findPrincipal(db, request.principal.id);
  const resource = await findResource(db, request.resource.id);
  if (principal === undefined || resource === undefined) return [];
  const decision = await decideOn(db, request, principal, resource);
  if (decision.effect === 'deny') return [];
  const context = await contextOf(db, request, principal, resource);
  const missing = missingApprovals(decision.rule.approvals, await peopleOf(db, request), context);
  const agreed = new Set(request.approvals.map(({ person }) => person.id));
  return (await listPersons(db)).filter(
    (person) => !agreed.has(person.id) && mayApprove(person, missing, context),
  );
}

/** What the policy says of a request, as of when it was asked: who waits for people does not lose to the clock. */
export function decideOn(
  db: StateDb,
  request: AccessRequest,
  principal: Principal,
  resource: Resource,
): Promise<Decision> {
  const { claims, scope, seconds, source, ticket, justification, emergency, createdAt } = request;
  const nowMs = Date.parse(createdAt);
  return decide(db, {
    ...{ principal, resource, claims, scope, seconds, nowMs, source, ticket, justification, emergency },
  });
}
