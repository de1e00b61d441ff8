/** What becomes of a request, as changes. */
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import type { Change } from '../store/changes.ts';
import type { AccessRequest, Grant, Person, Principal, Resource } from '../store/entities.ts';
import { bothConditions } from './policy/conditions.ts';
import type { AllowRule } from './policy/document.ts';
import type { NearMiss } from './policy/evaluate.ts';
import { askersOf } from './request-context.ts';

export const refOf = ({ id, name }: Ref): Ref => ({ id, name });

export function requestChange(
  type: 'grant.requested' | 'grant.approved' | 'grant.denied' | 'grant.withdrawn' | 'grant.lapsed',
  before: AccessRequest | null,
  after: AccessRequest,
  reason?: string,
): Change {
  return { type, entity: 'request', before, after, principal: after.principal, reason };
}

/** A request that is not granted. */
export function ended(
  before: AccessRequest,
  status: 'denied' | 'withdrawn' | 'lapsed',
  type: 'grant.denied' | 'grant.withdrawn' | 'grant.lapsed',
  reason: string,
): { changes: Change[]; result: AccessRequest } {
  const after: AccessRequest = { ...before, status, statusReason: reason, needs: [] };
  return { changes: [requestChange(type, before, after, reason)], result: after };
}

/** More would make the record of joining larger than a leaf. */
const JOINED_MAX = 100;

/**
 * A request that somebody joins. Who asks for the same does not decide on it; asking again changes nothing.
 *
 * @param by who asks, and on whose behalf
 * @throws PosternError POSTERN_CONFLICT where too many have joined
 */
export function joined(
  before: AccessRequest,
  by: readonly { readonly kind: string; readonly id: string; readonly name: string }[],
): AccessRequest {
  const known = new Set(askersOf(before).map(({ id }) => id));
  const others = by.filter(({ kind, id }) => kind === 'person' && !known.has(id)).map(refOf);
  if (others.length === 0) return before;
  const alsoAskedBy = [...(before.alsoAskedBy ?? []), ...others];
  if (alsoAskedBy.length > JOINED_MAX) {
    throw new PosternError('POSTERN_CONFLICT', `More than ${JOINED_MAX} people have asked for this already.`);
  }
  return { ...before, alsoAskedBy };
}

export interface GrantedOn {
  readonly principal: Principal;
  readonly resource: Resource;
  readonly rule: AllowRule;
  readonly approvers: readonly Person[];
  /** Microseconds since the Unix epoch. */
  readonly now: number;
}

/** The grant, and the request as it ends. @param before as state has it */
export function granted(
  type: 'grant.requested' | 'grant.approved',
  before: AccessRequest | null,
  request: AccessRequest,
  { principal, resource, rule, approvers, now }: GrantedOn,
): { changes: Change[]; result: AccessRequest; grant: Grant } {
  const later = request.start !== null && Date.parse(request.start) * 1000 > now;
  const start = later ? Date.parse(request.start) * 1000 : now;
  const end = start + request.seconds * 1_000_000;
  const kind = rule.emergency !== null ? 'emergency' : approvers.length > 0 ? 'approval' : 'policy';
  const grant: Grant = {
    id: uuidv7(),
    principal: refOf(principal),
    resource: refOf(resource),
    scope: request.scope,
    conditions: bothConditions(request.conditions, rule.conditions),
    start: later ? request.start : rfc3339(start),
    end: rfc3339(end),
    status: 'active',
    endReason: null,
    endedAt: null,
    authority: {
      kind,
      request: request.id,
      ...(request.rule !== null && { rule: request.rule }),
      ...(rule.emergency !== null && {
        reviewBy: rfc3339(end + rule.emergency.reviewSeconds * 1_000_000),
      }),
      approvers: approvers.map(refOf),
      ticket: request.ticket,
      justification: request.justification,
    },
    createdAt: rfc3339(now),
  };
  const after: AccessRequest = { ...request, status: 'granted', needs: [], grant: grant.id };
  const activated: Change = {
    type: 'grant.activated',
    entity: 'grant',
    before: null,
    after: grant,
    principal: grant.principal,
  };
  return { changes: [requestChange(type, before, after), activated], result: after, grant };
}

/** Why the policy says no, and what came near. */
export function denialWords(reason: string, nearly: readonly NearMiss[]): string {
  const near = nearly.map(({ rule, lacking }) => `${rule} would need ${lacking.join(', and ')}`);
  return near.length === 0 ? reason : `${reason}; ${near.join('; ')}`;
}
