/** Requests that connecting makes, where the policy says so. */
import type { Actor } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import type { AccessAnswer, AccessAsk } from '../protocols/contract.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { AccessRequest, Principal, Resource } from '../store/entities.ts';
import { findBinding, findCredential, findPrincipal, findResource, listGrants } from '../store/queries.ts';
import { listRequests } from '../store/requests.ts';
import type { StateDb } from '../store/store.ts';
import { wasReleased } from './grants.ts';
import { onConnectWish } from './policies.ts';
import { denialWords } from './request-outcomes.ts';
import type { Circumstances, Requests } from './requests.ts';

/** One answer serves so long, for one principal on one resource, whatever the workers ask; in microseconds. */
const AGAIN_MICROS = 3_000_000;
const NONE: AccessAnswer = { outcome: 'none' };

export class OnConnect {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #requests: Requests;
  readonly #clock: () => number;
  readonly #asked = new Map<string, { readonly at: number; readonly answer: Promise<AccessAnswer> }>();

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, requests: Requests, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#requests = requests;
    this.#clock = clock;
  }

  /**
   * Asks for what the policy has a principal ask for by connecting. What people have said no to, or revoked, is not asked for again
   * by connecting until the request or the grant would have ended by itself.
   *
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE
   */
  ask(access: AccessAsk): Promise<AccessAnswer> {
    const now = this.#clock();
    for (const [key, { at }] of this.#asked) if (Math.abs(now - at) >= AGAIN_MICROS) this.#asked.delete(key);
    const key = `${access.principal} ${access.resource}`;
    const known = this.#asked.get(key);
    if (known !== undefined) return known.answer;
    const answer = this.#answer(access, now);
    this.#asked.set(key, { at: now, answer });
    return answer;
  }

  async #answer(access: AccessAsk, now: number): Promise<AccessAnswer> {
    const db = this.#db;
    const principal = await findPrincipal(db, access.principal);
    const resource = await findResource(db, access.resource);
    const how = await this.#circumstances(access);
    if (principal?.status !== 'active' || resource?.status !== 'active' || how === null) return NONE;
    const pair = { principal: principal.id, resource: resource.id };
    const open = await listGrants(db, { ...pair, endsAfter: rfc3339(now) });
    if (open.some(({ status, start }) => status === 'active' && Date.parse(start) * 1000 <= now)) {
      // The workers are told within the change that gave it.
      await this.#changes.exclusive(async () => undefined);
      return { outcome: 'granted' };
    }
    if (open.some((grant) => grant.status === 'revoked' && !wasReleased(grant))) return NONE;
    const wish = await onConnectWish(db, {
      ...{ principal, resource, claims: how.claims, source: how.source, nowMs: now / 1000 },
      ...{ ticket: null, justification: null, emergency: false },
    });
    if (wish === null) return NONE;
    const { scope, seconds, decision } = wish;
    if (decision.effect === 'deny') {
      return { outcome: 'denied', reason: denialWords(decision.reason, decision.nearly) };
    }
    const asked = await listRequests(db, { ...pair, expiresAfter: rfc3339(now) });
    const last = asked.findLast((request) => request.scope === scope);
    // A policy that says no by itself names no rule that allows.
    const byPeople = last?.rule?.rule === decision.rule.name;
    if (byPeople && (last?.status === 'denied' || last?.status === 'withdrawn')) {
      return { outcome: 'denied', reason: `the request ${last.id} was ${last.status}: ${last.statusReason}` };
    }
    return answerOf(await this.#make(principal, resource, { scope, ttlSeconds: seconds }, how));
  }

  #make(
    { id, name }: Principal,
    resource: Resource,
    wish: { readonly scope: string; readonly ttlSeconds: number },
    how: Circumstances,
  ): Promise<AccessRequest> {
    const actor: Actor = { kind: 'principal', id, name };
    return this.#requests.create(actor, { principal: id, resource: resource.id, ...wish }, how);
  }

  /** By what it proved itself; null where that is over. */
  async #circumstances({
    principal,
    credential: id,
    source,
    claims,
  }: AccessAsk): Promise<Circumstances | null> {
    const credential = await findCredential(this.#db, id);
    if (credential !== undefined) {
      const { status, exchange, delegation, principal: of } = credential;
      const said = claims ?? exchange?.claims ?? {};
      return status === 'active' && of.id === principal ? { source, claims: said, delegation } : null;
    }
    const binding = await findBinding(this.#db, id);
    const holds = binding?.status === 'active' && binding.principal.id === principal;
    return holds ? { source, claims: claims ?? {} } : null;
  }
}

function answerOf({ status, id, needs, statusReason }: AccessRequest): AccessAnswer {
  if (status === 'granted') return { outcome: 'granted' };
  if (status === 'pending') return { outcome: 'pending', request: id, needs };
  return { outcome: 'denied', reason: statusReason ?? `the request ${id} is ${status}` };
}
