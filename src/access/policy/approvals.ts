/** Who has to agree, and whether they have: each person counts once, whatever they are. Pure. */
import type { Person, Principal } from '../../store/entities.ts';
import { type Approval, type Approver, approverWords } from './document.ts';

/** What the request is about, as far as it says who may approve it. */
export interface ApprovalContext {
  readonly owners: Pick<Principal, 'owner' | 'backupOwner'>;
  /** Id of the person who answers for the resource. */
  readonly resourceOwner: string | null;
  /** Ids of the people whose request it is: who made or joined it, or on whose behalf a principal did. */
  readonly requesters: readonly string[];
  /** Ids of the people in a group, by its name. */
  readonly members: (group: string) => ReadonlySet<string>;
}

/**
 * Whether a person may approve as this. Never their own request; and who answers for the principal approves as its owner
 * where the policy says so, and as nothing else.
 */
export function mayApproveAs(
  person: Pick<Person, 'id' | 'email' | 'roles' | 'status'>,
  approver: Approver,
  { owners, resourceOwner, requesters, members }: ApprovalContext,
): boolean {
  if (person.status !== 'active' || requesters.includes(person.id)) return false;
  const isOwner = owners.owner.id === person.id;
  const isBackup = owners.backupOwner?.id === person.id;
  if (approver.kind === 'owner') return isOwner;
  if (approver.kind === 'backup-owner') return isBackup;
  if (isOwner || isBackup) return false;
  if (approver.kind === 'resource-owner') return resourceOwner === person.id;
  if (approver.kind === 'role') return person.roles.includes(approver.role);
  if (approver.kind === 'group') return members(approver.name).has(person.id);
  return person.email === approver.name;
}

/** Whether a person may approve as any of those asked for. */
export function mayApprove(
  person: Pick<Person, 'id' | 'email' | 'roles' | 'status'>,
  approvals: readonly Approval[],
  context: ApprovalContext,
): boolean {
  return approvals.some(({ from }) => from.some((each) => mayApproveAs(person, each, context)));
}

/**
 * Which demands are not met yet by these people, each counting for one demand only. Empty when all are.
 *
 * @returns of each demand that is short, how many are missing, at the best way of counting
 */
export function missingApprovals(
  approvals: readonly Approval[],
  people: readonly Pick<Person, 'id' | 'email' | 'roles' | 'status'>[],
  context: ApprovalContext,
): readonly Approval[] {
  const distinct = [...new Map(people.map((person) => [person.id, person])).values()];
  const seats = approvals.flatMap((approval) => Array.from({ length: approval.count }, () => approval));
  /** By seat: the person who takes it. */
  const taken = new Map<number, number>();
  const fits = (seat: number, person: number): boolean => {
    const someone = distinct[person];
    return (
      someone !== undefined &&
      (seats[seat]?.from.some((each) => mayApproveAs(someone, each, context)) ?? false)
    );
  };
  // Kuhn's way of matching: who finds their seat taken asks whoever has it to move.
  const seat = (person: number, asked: Set<number>): boolean => {
    for (let at = 0; at < seats.length; at += 1) {
      if (asked.has(at) || !fits(at, person)) continue;
      asked.add(at);
      const other = taken.get(at);
      if (other === undefined || seat(other, asked)) {
        taken.set(at, person);
        return true;
      }
    }
    return false;
  };
  for (let person = 0; person < distinct.length; person += 1) seat(person, new Set());
  const short = new Map<Approval, number>();
  for (const [at, approval] of seats.entries()) {
    if (!taken.has(at)) short.set(approval, (short.get(approval) ?? 0) + 1);
  }
  return [...short].map(([approval, count]) => ({ ...approval, count }));
}

/** `2 of role:approver, group:dba`. */
export function approvalWords({ count, from }: Approval): string {
  return `${count} of ${from.map(approverWords).join(', ')}`;
}
