import { microsOf } from '../activity/times.ts';
import type { CommandRow } from './format.ts';
import type { Member, Populations, SessionMember } from './populations.ts';

/** The clocks of two processes of one host may be so far apart. */
const SKEW_US = 10_000;
/** A revocation reaches live sessions within a second; a command on its way then is not a breach. */
const GRACE_US = 1_000_000;

/**
 * What is wrong with the authority of one command, in plain words; nothing where it was let through on behalf of a
 * named principal, in a session of that principal, under a grant for it and the resource that held at that moment.
 */
export function authorityProblems(row: CommandRow, populations: Populations): string[] {
  const problems: string[] = [];
  if (row.principal === null) problems.push('The command has no principal.');
  const session = populations.session(row.session);
  if (session === undefined || session.status === 'refused' || session.leaf > row.leaf) {
    problems.push('The command is in no session that was opened before it.');
  } else {
    if (session.principal?.id !== row.principal?.id) problems.push('The session is another principal’s.');
    if (session.closedLeaf !== null && session.closedLeaf < row.leaf)
      problems.push('The session was closed before.');
  }
  if (row.decision === 'deny') return problems;
  if (row.grant === null) return [...problems, 'The command was let through without a grant.'];
  const grant = populations.grant(row.grant);
  if (grant === undefined) return [...problems, `The log knows no grant ${row.grant}.`];
  const { principal, resource, start, end } = grant.state as Record<string, { id?: string } & string>;
  const at = microsOf(row.time);
  if (principal?.id !== row.principal?.id) problems.push('The grant is another principal’s.');
  if (resource?.id !== row.resource?.id) problems.push('The grant is for another resource.');
  if (grant.leaf > row.leaf && microsOf(grant.createdTime) > at + SKEW_US) {
    problems.push('The grant was approved only after the command.');
  }
  if (at < microsOf(String(start)) - SKEW_US) problems.push('The grant had not begun yet.');
  if (at >= microsOf(String(end)) + SKEW_US) problems.push('The grant was over by its own end time.');
  if (endedBefore(grant, at)) problems.push(`The grant had been ended at ${endOf(grant)}.`);
  for (const [word, id] of [
    ['principal', row.principal?.id],
    ['resource', row.resource?.id],
  ] as const) {
    const member = id === undefined ? undefined : populations.members(word).get(id);
    if (member === undefined) problems.push(`The log knows no ${word} ${id}.`);
    else if (member.state.status !== 'active' && at > microsOf(member.lastTime) + GRACE_US) {
      problems.push(`The ${word} was ${String(member.state.status)} since ${member.lastTime}.`);
    }
  }
  return problems;
}

/** Whether a grant had been ended (not by its own end time) so long before a moment that no command may run. */
export function endedBefore(grant: Member, at: number): boolean {
  return grant.state.status !== 'active' && at > microsOf(endOf(grant)) + GRACE_US;
}

function endOf(grant: Member): string {
  const { endedAt } = grant.state;
  return typeof endedAt === 'string' ? endedAt : grant.lastTime;
}

/** Whose authority a command has; all of it stands in what its intent has in common with others. */
export interface Claim {
  readonly principal: string;
  readonly session: string;
  readonly grant: string;
  readonly resource: string;
}

/** When {@link authorityProblems} finds nothing wrong with a command that was let through on a claim. */
export interface Authority {
  /** As it was: after a change of it, or of anything else but sessions, this does not hold any more. */
  readonly session: SessionMember;
  readonly grant: Member;
  /** The first leaf that it may be. */
  readonly fromLeaf: number;
  /** The first microsecond. */
  readonly from: number;
  /** The first microsecond at which it may not be any more. */
  readonly to: number;
}

/** Null where that depends on more than leaf and time. */
export function authorityOf(claim: Claim, populations: Populations): Authority | null {
  const session = populations.session(claim.session);
  const grant = populations.grant(claim.grant);
  if (session === undefined || session.status !== 'open' || session.closedLeaf !== null) return null;
  if (session.principal?.id !== claim.principal || grant?.state.status !== 'active') return null;
  const { principal, resource, start, end } = grant.state as Record<string, { id?: string } & string>;
  if (principal?.id !== claim.principal || resource?.id !== claim.resource) return null;
  if (populations.members('principal').get(claim.principal)?.state.status !== 'active') return null;
  if (populations.members('resource').get(claim.resource)?.state.status !== 'active') return null;
  return {
    session,
    grant,
    fromLeaf: Math.max(session.leaf, grant.leaf),
    from: microsOf(String(start)) - SKEW_US,
    to: microsOf(String(end)) + SKEW_US,
  };
}
