import { checkConditions, type GrantConditions } from '../core/conditions.ts';
import { formatDuration } from '../core/duration.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Delegator } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { checkOptionalText, checkReason, checkTime, checkTtl } from '../identity/input.ts';
import { SYSTEM } from '../identity/persons.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { AccessRequest, Person, Principal, Resource } from '../store/entities.ts';
import { findGrant, findPerson, findPrincipal, findResource, found, type Page } from '../store/queries.ts';
import { findRequest, listRequests, type RequestFilter } from '../store/requests.ts';
import type { StateDb } from '../store/store.ts';
import { GRANT_MAX_SECONDS } from './grants.ts';
import { approvalWords, mayApprove, missingApprovals } from './policy/approvals.ts';
import { bothConditions } from './policy/conditions.ts';
import type { AllowRule } from './policy/document.ts';
import { askersOf, contextOf, decideOn, peopleOf } from './request-context.ts';
import { denialWords, ended, granted, joined, refOf, requestChange } from './request-outcomes.ts';
import { emergencyReview } from './review/emergency.ts';
import type { ValidateScope } from './scopes.ts';

/** How long a request waits for those who have to agree. */
export const PENDING_SECONDS = 86_400;
const PENDING_MAX = 100;
/** For clocks that differ. */
const SLACK_SECONDS = 60;

export interface NewRequest {
  readonly principal: string;
  readonly resource: string;
  readonly scope: string;
  readonly conditions?: GrantConditions | undefined;
  readonly ttlSeconds: number;
  /** RFC 3339; when it is granted by default. */
  readonly start?: string | undefined;
  readonly ticket?: string | undefined;
  readonly justification?: string | undefined;
  readonly emergency?: boolean | undefined;
}

/** Under which circumstances a principal asks for itself. */
export interface Circumstances {
  /** Client address, without its port. */
  readonly source: string | null;
  readonly claims: Readonly<Record<string, string>>;
  /** On whose behalf; absent where on its own. */
  readonly delegation?: readonly Delegator[];
}

/** What became of asking. */
export interface Asked {
  readonly request: AccessRequest;
  /** Whether somebody had asked for the same already, and it waits. */
  readonly joined: boolean;
}

const BY_A_PERSON: Circumstances = { source: null, claims: {} };

/** How access is asked for and given: what the policy allows at once, the rest when those it names have agreed. */
export class Requests {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #validateScope: ValidateScope;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, validateScope: ValidateScope, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#validateScope = validateScope;
    this.#clock = clock;
  }

  /** As `ask`, for whom it does not matter whether somebody else asked before. */
  async create(actor: Actor, input: NewRequest, circumstances = BY_A_PERSON): Promise<AccessRequest> {
    return (await this.ask(actor, input, circumstances)).request;
  }

  /**
   * Asks for a grant. Who asks for what is asked for already gets the request that waits. The answer is the request: granted,
   * pending or denied.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND, POSTERN_PRINCIPAL_INACTIVE, POSTERN_CONFLICT
   */
  async ask(actor: Actor, input: NewRequest, circumstances = BY_A_PERSON): Promise<Asked> {
    let joined = false;
    const request = await this.#ask(actor, input, circumstances, () => {
      joined = true;
    });
    return { request, joined };
  }

  #ask(
    actor: Actor,
    input: NewRequest,
    circumstances: Circumstances,
    join: () => void,
  ): Promise<AccessRequest> {
    const seconds = checkTtl(input.ttlSeconds, GRANT_MAX_SECONDS, 'grant');
    const asked = {
      seconds,
      conditions: checkConditions(input.conditions ?? {}),
      start: input.start === undefined ? null : checkTime(input.start, 'start'),
      ticket: checkOptionalText(input.ticket, 'ticket', 200),
      justification: checkOptionalText(input.justification, 'justification', 2000),
      emergency: input.emergency ?? false,
    };
    const { delegation = [] } = circumstances;
    return this.#changes.run(actor, async (db) => {
      const { principal, resource } = await parties(db, input.principal, input.resource);
      const now = this.#clock();
      if (asked.start !== null) checkStart(asked.start, now);
      const scope = this.#validateScope(resource.protocol, input.scope);
      const waiting = await listRequests(db, {
        status: 'pending',
        principal: principal.id,
        resource: resource.id,
      });
      // An emergency does not wait behind what is not one: its rule, and the review of its use, are its own.
      const same = waiting.find(
        (each) =>
          each.scope === scope &&
          each.emergency === asked.emergency &&
          Date.parse(each.expiresAt) * 1000 > now,
      );
      if (same !== undefined) {
        join();
        return rejoined(db, same, joined(same, [actor, ...delegation]), { principal, resource });
      }
      if (waiting.length >= PENDING_MAX) {
        throw new PosternError('POSTERN_CONFLICT', `${principal.name} has ${PENDING_MAX} requests waiting.`);
      }
      const pending: AccessRequest = {
        id: uuidv7(),
        principal: refOf(principal),
        resource: refOf(resource),
        scope,
        ...asked,
        requester: actor,
        source: circumstances.source,
        claims: circumstances.claims,
        ...(delegation.length > 0 && { delegation }),
        rule: null,
        needs: [],
        approvals: [],
        status: 'pending',
        statusReason: null,
        grant: null,
        expiresAt: rfc3339(now + PENDING_SECONDS * 1_000_000),
        createdAt: rfc3339(now),
      };
      const decision = await decideOn(db, pending, principal, resource);
      if (decision.effect === 'deny') {
        const after: AccessRequest = {
          ...pending,
          rule: decision.ref,
          status: 'denied',
          statusReason: denialWords(decision.reason, decision.nearly),
        };
        return { changes: [requestChange('grant.denied', null, after)], result: after };
      }
      const { rule, ref } = decision;
      // Said now, and not only when somebody has agreed.
      bothConditions(pending.conditions, rule.conditions);
      const needs = rule.approvals.map(approvalWords);
      const first: AccessRequest = { ...pending, rule: ref, needs };
      if (needs.length > 0) {
        return { changes: [requestChange('grant.requested', null, first)], result: first };
      }
      checkNear(pending.start, rule.what.longest, now);
      return withReview(
        granted('grant.requested', null, first, { principal, resource, rule, approvers: [], now }),
        now,
      );
    });
  }

  /**
   * Asks for what a grant gives, from its end on.
   *
   * @throws PosternError as `create`; POSTERN_CONFLICT where the grant has ended already
   */
  async renew(
    actor: Actor,
    grantId: string,
    input: Omit<NewRequest, 'principal' | 'resource' | 'scope' | 'start' | 'conditions'>,
  ): Promise<AccessRequest> {
    const grant = found(await findGrant(this.#db, grantId), 'grant', grantId);
    if (grant.status !== 'active') {
      throw new PosternError(
        'POSTERN_CONFLICT',
        `The grant ${grantId} is ${grant.status}.`,
        'Make a request.',
      );
    }
    const { principal, resource, scope, conditions, end } = grant;
    const same = { principal: principal.id, resource: resource.id, scope, conditions, start: end };
    return this.create(actor, { ...input, ...same });
  }

  /**
   * Agrees to a request. It is granted when all whom the policy names have, each for one of its demands.
   *
   * @throws PosternError POSTERN_FORBIDDEN for whom the policy does not ask, the requester above all; POSTERN_CONFLICT where it
   *   waits no more, or they have agreed already
   * @param via by what they said so, where that was no call of theirs
   */
  approve(actor: Actor, id: string, comment?: string | undefined, via?: string): Promise<AccessRequest> {
    const words = checkOptionalText(comment, 'comment', 1000);
    return this.#changes.run(actor, async (db) => {
      const now = this.#clock();
      const before = waits(found(await findRequest(db, id), 'request', id), now);
      const { principal, resource } = await parties(db, before.principal.id, before.resource.id);
      const decision = await decideOn(db, before, principal, resource);
      if (decision.effect === 'deny') {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `The policy has changed and does not allow it any more: ${decision.reason}.`,
          'Deny the request, or change the policy.',
        );
      }
      const { rule, ref } = decision;
      const context = await contextOf(db, before, principal, resource);
      const person = found(await findPerson(db, actor.id), 'person', actor.id);
      if (!mayApprove(person, rule.approvals, context)) throw notAsked(person, before, rule);
      if (before.approvals.some((each) => each.person.id === person.id)) {
        throw new PosternError('POSTERN_CONFLICT', `${person.name} has agreed already.`);
      }
      // Whoever was disabled since they agreed, or lost the role, does not count any more.
      const agreed = (await peopleOf(db, before)).filter((each) => mayApprove(each, rule.approvals, context));
      const missing = missingApprovals(rule.approvals, [...agreed, person], context);
      if (count(missing) >= count(missingApprovals(rule.approvals, agreed, context))) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `What is still missing is ${missing.map(approvalWords).join('; ')}, for which ${person.name} does not count.`,
        );
      }
      const given = {
        person: refOf(person),
        at: rfc3339(now),
        comment: words,
        ...(via !== undefined && { via }),
      };
      const after: AccessRequest = {
        ...before,
        rule: ref,
        needs: missing.map(approvalWords),
        approvals: [...before.approvals, given],
      };
      if (missing.length > 0)
        return { changes: [requestChange('grant.approved', before, after)], result: after };
      const approvers = [...agreed, person];
      return withReview(
        granted('grant.approved', before, after, { principal, resource, rule, approvers, now }),
        now,
      );
    });
  }

  /** Says no to a request: anybody who could have agreed to it, or an administrator. @throws PosternError as `approve` */
  deny(actor: Actor, id: string, reason: string): Promise<AccessRequest> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = waits(found(await findRequest(db, id), 'request', id), this.#clock());
      const principal = found(await findPrincipal(db, before.principal.id), 'principal', before.principal.id);
      const resource = found(await findResource(db, before.resource.id), 'resource', before.resource.id);
      const person = found(await findPerson(db, actor.id), 'person', actor.id);
      const decision = await decideOn(db, before, principal, resource);
      const asked =
        decision.effect === 'allow' &&
        mayApprove(person, decision.rule.approvals, await contextOf(db, before, principal, resource));
      if (!asked && !person.roles.includes('admin')) throw notAsked(person, before, null);
      return ended(before, 'denied', 'grant.denied', why);
    });
  }

  /** Takes a request back. Whose it is to say so the caller has checked. @throws PosternError POSTERN_CONFLICT */
  withdraw(actor: Actor, id: string, reason: string): Promise<AccessRequest> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = waits(found(await findRequest(db, id), 'request', id), this.#clock());
      return ended(before, 'withdrawn', 'grant.withdrawn', why);
    });
  }

  /** Ends the requests whose time to wait is over. Returns how many. */
  async lapse(): Promise<number> {
    const filter = { status: 'pending', expiredAt: rfc3339(this.#clock()) } as const;
    if ((await listRequests(this.#db, filter)).length === 0) return 0;
    return this.#changes.run(SYSTEM, async (db) => {
      const due = await listRequests(db, filter);
      const changes = due.flatMap((each) => {
        return ended(each, 'lapsed', 'grant.lapsed', 'nobody decided in time').changes;
      });
      return { changes, result: due.length };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<AccessRequest> {
    return found(await findRequest(this.#db, id), 'request', id);
  }

  list(filter: RequestFilter, page?: Page): Promise<AccessRequest[]> {
    return listRequests(this.#db, filter, page);
  }

  /** Whether the person could agree to the request now. */
  async asks(person: Person, request: AccessRequest): Promise<boolean> {
    if (request.status !== 'pending') return false;
    const principal = await findPrincipal(this.#db, request.principal.id);
    const resource = await findResource(this.#db, request.resource.id);
    if (principal === undefined || resource === undefined) return false;
    const decision = await decideOn(this.#db, request, principal, resource);
    if (decision.effect === 'deny') return false;
    const context = await contextOf(this.#db, request, principal, resource);
    const missing = missingApprovals(decision.rule.approvals, await peopleOf(this.#db, request), context);
    return (
      mayApprove(person, missing, context) && !request.approvals.some((each) => each.person.id === person.id)
    );
  }
}

const count = (missing: readonly { readonly count: number }[]): number =>
  missing.reduce((sum, each) => sum + each.count, 0);

/** A request that was joined, with who still has to agree: of those who did before, none who asks for it now counts. */
async function rejoined(
  db: StateDb,
  before: AccessRequest,
  after: AccessRequest,
  { principal, resource }: { readonly principal: Principal; readonly resource: Resource },
): Promise<{ changes: Change[]; result: AccessRequest }> {
  if (after === before) return { changes: [], result: before };
  const decision = await decideOn(db, before, principal, resource);
  const context = await contextOf(db, after, principal, resource);
  const needs =
    decision.effect === 'deny'
      ? before.needs
      : missingApprovals(decision.rule.approvals, await peopleOf(db, after), context).map(approvalWords);
  const result: AccessRequest = { ...after, needs };
  return { changes: [requestChange('grant.requested', before, result)], result };
}

/** What is granted in an emergency is reviewed afterwards. */
function withReview({ changes, result, grant }: ReturnType<typeof granted>, now: number) {
  return { changes: [...changes, ...emergencyReview(grant, now)], result };
}

/** The principal and the resource, both fit for a grant. */
async function parties(
  db: StateDb,
  principalRef: string,
  resourceRef: string,
): Promise<{ principal: Principal; resource: Resource }> {
  const principal = found(await findPrincipal(db, principalRef), 'principal', principalRef);
  const resource = found(await findResource(db, resourceRef), 'resource', resourceRef);
  if (principal.status !== 'active') {
    throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is ${principal.status}.`);
  }
  if (resource.status !== 'active') {
    throw new PosternError('POSTERN_CONFLICT', `${resource.name} is ${resource.status}.`);
  }
  return { principal, resource };
}

function checkStart(start: string, now: number): void {
  const micros = Date.parse(start) * 1000;
  if (micros < now - 60_000_000 || micros > now + GRANT_MAX_SECONDS * 1_000_000) {
    throw new PosternError('POSTERN_INVALID', 'The start lies in the past, or more than 90 days ahead.');
  }
}

/**
 * What is given at once begins soon: whoever could lay in grants for months would keep them when the policy changes.
 *
 * @param longest seconds: a grant that ends so far ahead can still be renewed
 */
function checkNear(start: string | null, longest: number, now: number): void {
  if (start === null || Date.parse(start) * 1000 <= now + (longest + SLACK_SECONDS) * 1_000_000) return;
  throw new PosternError(
    'POSTERN_INVALID',
    `What the policy gives at once begins within ${formatDuration(longest * 1000)}.`,
    'Ask again when the time has come.',
  );
}

function waits(request: AccessRequest, now: number): AccessRequest {
  const { id, status, expiresAt } = request;
  if (status === 'pending' && Date.parse(expiresAt) * 1000 > now) return request;
  throw new PosternError(
    'POSTERN_CONFLICT',
    `The request ${id} ${status === 'pending' ? 'has waited too long' : `is ${status} already`}.`,
  );
}

function notAsked(person: Person, request: AccessRequest, rule: AllowRule | null): PosternError {
  if (askersOf(request).some(({ id }) => id === person.id)) {
    return new PosternError(
      'POSTERN_FORBIDDEN',
      `${person.name} made the request and does not decide on it.`,
    );
  }
  return new PosternError(
    'POSTERN_FORBIDDEN',
    `${person.name} is not among those whom the policy asks.`,
    rule === null ? undefined : `It asks for ${rule.approvals.map(approvalWords).join('; ')}.`,
  );
}
