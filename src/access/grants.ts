import { checkConditions, type GrantConditions } from '../core/conditions.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { atMillis, checkOptionalText, checkReason, checkTime, checkTtl } from '../identity/input.ts';
import { SYSTEM } from '../identity/persons.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Grant } from '../store/entities.ts';
import {
  findGrant,
  findPrincipal,
  findResource,
  found,
  type GrantFilter,
  listGrants,
  type Page,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { directGrants } from './policies.ts';
import type { ValidateScope } from './scopes.ts';

/** No grant lasts longer: what is needed for longer is decided again. */
export const GRANT_MAX_SECONDS = 90 * 86_400;
/** Begins the reason of a grant's end where it was given back. */
const RELEASED = 'released';
const SCOPE_MAX = 16_384;
/** How far in the past a start may lie, for clocks that differ. */
const START_SLACK_MS = 60_000;

export interface NewGrant {
  readonly principal: string;
  readonly resource: string;
  readonly scope: string;
  readonly conditions?: GrantConditions | undefined;
  /** RFC 3339; now by default. */
  readonly start?: string | undefined;
  /** RFC 3339; either this or `ttlSeconds`. */
  readonly end?: string | undefined;
  readonly ttlSeconds?: number | undefined;
  readonly ticket?: string | undefined;
  readonly justification?: string | undefined;
}

/** Who may do what, until when, on whose word. */
export class Grants {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #validateScope: ValidateScope;

  constructor(db: StateDb, changes: ChangeLog, validateScope: ValidateScope) {
    this.#db = db;
    this.#changes = changes;
    this.#validateScope = validateScope;
  }

  /**
   * Makes a grant; the actor is its approver.
   *
   * @throws PosternError POSTERN_INVALID (scope, conditions, times), POSTERN_PRINCIPAL_INACTIVE, POSTERN_CONFLICT (resource retired)
   */
  create(actor: Actor, input: NewGrant): Promise<Grant> {
    return this.#changes.run(actor, async (db) => {
      if (!(await directGrants(db))) {
        throw new PosternError(
          'POSTERN_FORBIDDEN',
          'There is an access policy: grants come from requests that it allows.',
          `postern request create --principal ${input.principal} --resource ${input.resource} ...`,
        );
      }
      const principal = found(await findPrincipal(db, input.principal), 'principal', input.principal);
      const resource = found(await findResource(db, input.resource), 'resource', input.resource);
      if (principal.status !== 'active') {
        throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is ${principal.status}.`);
      }
      if (resource.status !== 'active') {
        throw new PosternError('POSTERN_CONFLICT', `${resource.name} is ${resource.status}.`);
      }
      if (input.scope.length > SCOPE_MAX) {
        throw new PosternError('POSTERN_INVALID', `The scope is longer than ${SCOPE_MAX} characters.`);
      }
      const { start, end } = checkSpan(input, Date.now());
      const after: Grant = {
        id: uuidv7(),
        principal: { id: principal.id, name: principal.name },
        resource: { id: resource.id, name: resource.name },
        scope: this.#validateScope(resource.protocol, input.scope),
        conditions: checkConditions(input.conditions ?? {}),
        start,
        end,
        status: 'active',
        endReason: null,
        endedAt: null,
        authority: {
          kind: 'approval',
          approvers: [{ id: actor.id, name: actor.name }],
          ticket: checkOptionalText(input.ticket, 'ticket', 200),
          justification: checkOptionalText(input.justification, 'justification', 2000),
        },
        createdAt: rfc3339(nowMicros()),
      };
      return {
        changes: [
          { type: 'grant.activated', entity: 'grant', before: null, after, principal: after.principal },
        ],
        result: after,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Grant> {
    return found(await findGrant(this.#db, id), 'grant', id);
  }

  list(filter: GrantFilter, page?: Page): Promise<Grant[]> {
    return listGrants(this.#db, filter, page);
  }

  /** @throws PosternError POSTERN_CONFLICT when it has ended already */
  revoke(actor: Actor, id: string, reason: string): Promise<Grant> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findGrant(db, id), 'grant', id);
      if (before.status !== 'active') {
        throw new PosternError('POSTERN_CONFLICT', `The grant ${id} is ${before.status} already.`);
      }
      const change = endedGrant(before, 'revoked', rfc3339(nowMicros()), why);
      return { changes: [change], result: change.after as Grant };
    });
  }

  /**
   * Ends a grant that is needed no more. Whose it is to say so the caller has checked.
   *
   * @throws PosternError POSTERN_CONFLICT when it has ended already
   */
  release(actor: Actor, id: string, words?: string | undefined): Promise<Grant> {
    const said = checkOptionalText(words, 'reason', 1000);
    return this.revoke(actor, id, said === null ? RELEASED : `${RELEASED}: ${said}`);
  }

  /** Marks every grant whose end has come. The gateway needs no telling: it knows the end; this makes the record. */
  async expire(): Promise<number> {
    const due = await listGrants(this.#db, { status: 'active', endedBy: rfc3339(nowMicros()) });
    if (due.length === 0) return 0;
    return this.#changes.run(SYSTEM, async (db) => {
      const at = rfc3339(nowMicros());
      const still = await listGrants(db, { status: 'active', endedBy: at });
      return {
        changes: still.map((grant) => endedGrant(grant, 'expired', at, 'its end time has come')),
        result: still.length,
      };
    });
  }
}

/** Whether it was given back by who used it, and not taken away. */
export const wasReleased = ({ endReason }: Pick<Grant, 'endReason'>): boolean =>
  endReason === RELEASED || (endReason?.startsWith(`${RELEASED}: `) ?? false);

/** The change that ends a grant. */
export function endedGrant(before: Grant, status: 'expired' | 'revoked', at: string, reason: string): Change {
  return {
    type: `grant.${status}`,
    entity: 'grant',
    before,
    after: { ...before, status, endReason: reason, endedAt: at },
    principal: before.principal,
    reason,
  };
}

/** Start and end in absolute times. */
function checkSpan(input: NewGrant, now: number): { start: string; end: string } {
  const start = input.start === undefined ? now : Date.parse(checkTime(input.start, 'start'));
  if ((input.end === undefined) === (input.ttlSeconds === undefined)) {
    throw new PosternError('POSTERN_INVALID', 'A grant needs either an end or a lifetime in seconds.');
  }
  const end =
    input.end === undefined
      ? start + checkTtl(input.ttlSeconds ?? 0, GRANT_MAX_SECONDS, 'grant') * 1000
      : Date.parse(checkTime(input.end, 'end'));
  if (start < now - START_SLACK_MS) throw new PosternError('POSTERN_INVALID', 'The start lies in the past.');
  if (end <= start) throw new PosternError('POSTERN_INVALID', 'The end does not come after the start.');
  if (end <= now) throw new PosternError('POSTERN_INVALID', 'The end lies in the past.');
  if (end - start > GRANT_MAX_SECONDS * 1000 || start - now > GRANT_MAX_SECONDS * 1000) {
    throw new PosternError('POSTERN_INVALID', 'A grant begins within and lasts at most 90 days.');
  }
  return { start: atMillis(start), end: atMillis(end) };
}
