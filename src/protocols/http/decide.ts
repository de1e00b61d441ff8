import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../core/errors.ts';
import type { GrantView } from '../../core/views.ts';
import type { MaskPlan } from '../../masking/rules.ts';
import type { Directory } from '../contract.ts';
import { addressOf, isActive, placeAndTime } from '../grant-conditions.ts';
import { MaskPlans } from '../mask-plans.ts';
import { allowFragment, type SessionIdentity } from '../session-records.ts';
import { maskRefusal } from './mask.ts';
import type { RateWindows } from './rate.ts';
import { type Asked, type CompiledScope, compileScope, parseScope, scopeFor } from './scope.ts';

/** What the record of a request says it does. */
export interface Doing {
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string;
}

export interface Allowed {
  readonly effect: 'allow';
  readonly grant: GrantView;
  /** What the intent record says of it (see `allowFragment`). */
  readonly fragment: string;
  /** Bytes of the request's body at most. */
  readonly maxBody: number;
  /** The masks under which it runs; null where no rule applies. */
  readonly plan: MaskPlan | null;
  /** How long it may take, in milliseconds; null without a limit. */
  readonly timeoutMs: number | null;
}

export interface Denied {
  readonly effect: 'deny';
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

const compiled = new Map<string, CompiledScope>();
const MAX_COMPILED = 10_000;

function compile(text: string): CompiledScope {
  let scope = compiled.get(text);
  if (scope === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    scope = compileScope(parseScope(text));
    compiled.set(text, scope);
  }
  return scope;
}

const fragments = new WeakMap<GrantView, Map<string, string>>();
const MAX_FRAGMENTS = 1000;

/** Decides for one session whether a request is covered by one of its grants. */
export class Decider {
  readonly #who: SessionIdentity;
  readonly #directory: Directory;
  readonly #rates: RateWindows;
  readonly #masks: MaskPlans;
  /** Address of the client. */
  readonly #source: string;
  #grants: readonly GrantView[] = [];

  /** @param maskKey the installation's mask key */
  constructor(who: SessionIdentity, directory: Directory, rates: RateWindows, maskKey: Uint8Array) {
    this.#who = who;
    this.#directory = directory;
    this.#rates = rates;
    this.#masks = new MaskPlans(maskKey);
    this.#source = addressOf(who.source);
    this.grantsChanged();
  }

  /** All grants of the session that are known, ended ones too. */
  get grants(): readonly GrantView[] {
    return this.#grants;
  }

  /** To be called after every change of the snapshot. */
  grantsChanged(): void {
    const { principal, resource, credential } = this.#who;
    const all = this.#directory.grantsOf(principal.id, resource.id);
    this.#grants = credential.grantId === null ? all : all.filter((grant) => grant.id === credential.grantId);
  }

  decide(asked: Asked, doing: Doing, nowMs: number): Allowed | Denied {
    let denial: Denied | null = null;
    for (const grant of this.#grants) {
      if (!isActive(grant, nowMs)) continue;
      const found = compile(grant.scope)(asked);
      if (!('rule' in found)) {
        if (found.unmet !== null)
          denial ??= condition(`the grant does not cover this ${asked.verb}: ${found.unmet}`);
        continue;
      }
      const unmet = unmetCondition(grant, doing, this.#source, nowMs);
      if (unmet !== null) {
        denial ??= unmet;
        continue;
      }
      const { principal, resource } = this.#who;
      if (
        !this.#rates.admits(`${principal.id} ${resource.id} ${grant.id} ${found.rule}`, found.rate, nowMs)
      ) {
        denial ??= {
          effect: 'deny',
          code: 'POSTERN_TOO_MANY_REQUESTS',
          message: `the grant allows ${found.rate} requests in a minute`,
          hint: 'Wait a minute.',
        };
        continue;
      }
      const plan = this.#masks.plan(this.#directory.masksOf(principal.id, resource.id), grant.id);
      const unmaskable = maskRefusal(plan, asked.verb);
      if (unmaskable !== null) {
        denial ??= { effect: 'deny', code: 'POSTERN_MASKED', message: unmaskable, hint: undefined };
        continue;
      }
      return {
        effect: 'allow',
        grant,
        fragment: fragmentOf(doing, grant),
        maxBody: found.maxBody,
        plan,
        timeoutMs: grant.conditions.statementTimeoutMs ?? null,
      };
    }
    return denial ?? this.#uncovered(asked, nowMs);
  }

  #uncovered(asked: Asked, nowMs: number): Denied {
    const { principal, resource } = this.#who;
    if (!this.#grants.some((grant) => isActive(grant, nowMs))) {
      const message = `no grant of ${principal.name} on ${resource.name} is active`;
      return { effect: 'deny', code: 'POSTERN_GRANT_MISSING', message, hint: undefined };
    }
    return {
      effect: 'deny',
      code: 'POSTERN_SCOPE_DENIED',
      message: `no active grant covers ${asked.verb} on ${asked.path.slice(0, 200)}`,
      hint:
        `Ask for a grant: postern grant add --principal ${principal.name} --resource ${resource.name} ` +
        `--scope '${scopeFor(asked).replaceAll("'", "'\\''")}' --for 1h --ticket TICKET`,
    };
  }
}

function condition(message: string, hint?: string): Denied {
  return { effect: 'deny', code: 'POSTERN_CONDITION_DENIED', message, hint };
}

function unmetCondition(grant: GrantView, doing: Doing, source: string, nowMs: number): Denied | null {
  const { conditions } = grant;
  const outside = placeAndTime(conditions).outside(source, nowMs);
  if (outside !== null) return condition(outside.reason, outside.hint);
  if (conditions.fingerprints !== undefined && !conditions.fingerprints.includes(doing.fingerprint))
    return condition(`the grant is not for a request with the fingerprint ${doing.fingerprint}`);
  const { maxRows, maxRowBytes, requireWhere, noDdl } = conditions;
  if ((maxRows ?? maxRowBytes ?? requireWhere ?? noDdl) !== undefined)
    return condition('the grant has a condition on statements of a database, which says nothing here');
  return null;
}

function fragmentOf(doing: Doing, grant: GrantView): string {
  let known = fragments.get(grant);
  if (known === undefined || known.size >= MAX_FRAGMENTS) {
    known = new Map();
    fragments.set(grant, known);
  }
  let fragment = known.get(doing.fingerprint);
  if (fragment === undefined) {
    fragment = allowFragment(doing, grant);
    known.set(doing.fingerprint, fragment);
  }
  return fragment;
}

const doings = new Map<string, Doing>();

/** @param route of `routeOf` */
export function doingOf(verb: string, route: string): Doing {
  const text = `${verb} ${route}`;
  let doing = doings.get(text);
  if (doing === undefined) {
    if (doings.size >= MAX_COMPILED) doings.clear();
    const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 16);
    doing = { verbs: [verb], objects: [route], fingerprint };
    doings.set(text, doing);
  }
  return doing;
}
