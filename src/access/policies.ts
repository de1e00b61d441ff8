import { durationSeconds } from '../core/duration.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, RuleRef } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName, checkReason } from '../identity/input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { AccessPolicy } from '../store/entities.ts';
import { found } from '../store/queries.ts';
import { findPolicy, listPolicies } from '../store/requests.ts';
import type { StateDb } from '../store/store.ts';
import { type PolicyDocument, readPolicy } from './policy/document.ts';
import { type AccessQuestion, evaluate, isAbout, type NearMiss, type Verdict } from './policy/evaluate.ts';
import { protocolOfScope, scopeRelations, validateAnyScope } from './scopes.ts';

/** A change record holds the text before and after, and a leaf has at most 65,535 bytes. */
const TEXT_MAX = 24_000;
const TEXTS_MAX = 200;

/** What the policy says, and which rule of which text says so. */
export type Decision = Verdict & { readonly ref: RuleRef | null };

/** The access policy: who may ask for what, what is given at once, and who has to agree to the rest. */
export class Policies {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * Makes a text of the policy what is given, or begins it. Its cases are run first: a policy that fails its own tests is refused.
   *
   * @throws PosternError POSTERN_INVALID with line and reason; POSTERN_CONFLICT where it is retired, or so already
   */
  async put(actor: Actor, name: string, text: string, reason: string): Promise<AccessPolicy> {
    const why = checkReason(reason);
    const checked = checkPolicy(checkName(name, 'policy'), text);
    if (checked.name !== name) {
      throw new PosternError('POSTERN_INVALID', `The text calls itself ${checked.name}, not ${name}.`);
    }
    const failed = runCases(checked).filter(({ passed }) => !passed);
    if (failed.length > 0) {
      throw new PosternError(
        'POSTERN_INVALID',
        failed.map((each) => `case "${each.name}": expected ${each.expected}, but ${each.got}`).join('\n'),
        'Look at it with: postern policy test FILE',
      );
    }
    return this.#changes.run(actor, async (db) => {
      const before = (await findPolicy(db, name)) ?? null;
      if (before?.status === 'retired') {
        throw new PosternError('POSTERN_CONFLICT', `The policy ${name} is retired.`, 'Choose another name.');
      }
      if (before?.text === text) {
        throw new PosternError('POSTERN_CONFLICT', `${name} says this already: nothing would change.`);
      }
      if (before === null && (await listPolicies(db, {})).length >= TEXTS_MAX) {
        throw new PosternError('POSTERN_INVALID', `The policy has ${TEXTS_MAX} texts already.`);
      }
      const after: AccessPolicy = before
        ? { ...before, revision: before.revision + 1, text }
        : {
            id: uuidv7(),
            name,
            revision: 1,
            text,
            status: 'active',
            statusReason: null,
            createdAt: rfc3339(nowMicros()),
          };
      const type = before === null ? 'policy.created' : 'policy.updated';
      const change: Change = { type, entity: 'policy', before, after, reason: why };
      return { changes: [change], result: after };
    });
  }

  /** Ends a text for good. @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT */
  retire(actor: Actor, ref: string, reason: string): Promise<AccessPolicy> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findPolicy(db, ref), 'policy', ref);
      if (before.status === 'retired') {
        throw new PosternError('POSTERN_CONFLICT', `The policy ${before.name} is retired already.`);
      }
      const after: AccessPolicy = { ...before, status: 'retired', statusReason: why };
      const change: Change = { type: 'policy.retired', entity: 'policy', before, after, reason: why };
      return { changes: [change], result: after };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<AccessPolicy> {
    return found(await findPolicy(this.#db, ref), 'policy', ref);
  }

  list(filter: { readonly status?: AccessPolicy['status'] | undefined }): Promise<AccessPolicy[]> {
    return listPolicies(this.#db, filter);
  }
}

/**
 * Reads a text and checks all of it.
 *
 * @throws PosternError POSTERN_INVALID with line and reason of each problem
 */
export function checkPolicy(name: string, text: string, file = `${name}.yaml`): PolicyDocument {
  if (JSON.stringify(text).length > TEXT_MAX) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The text is longer than ${TEXT_MAX} characters.`,
      'Split it: the texts of a policy are tried in the order of their names.',
    );
  }
  return readPolicy(text, file, validateAnyScope);
}

/** What the policy in force says to a question. Within a change, with its database. */
export async function decide(db: StateDb, question: AccessQuestion): Promise<Decision> {
  const texts = await listPolicies(db, { status: 'active' });
  const nearly: NearMiss[] = [];
  let reason = 'there is no access policy yet';
  for (const { name, revision, text } of texts) {
    const verdict = evaluate(checkPolicy(name, text), question, scopeRelations);
    if (verdict.effect === 'allow') {
      return { ...verdict, ref: { policy: name, revision, rule: verdict.rule.name } };
    }
    if (verdict.rule !== null) return { ...verdict, ref: { policy: name, revision, rule: verdict.rule } };
    nearly.push(...verdict.nearly);
    reason = verdict.reason;
  }
  return { effect: 'deny', rule: null, reason, nearly, ref: null };
}

/** What connecting asks for, and what the policy says to it. */
export interface OnConnectWish {
  readonly scope: string;
  readonly seconds: number;
  readonly decision: Decision;
}

/** Of the rules that have connecting ask, the first whose wish is allowed, else the first; null where none is about them. */
export async function onConnectWish(
  db: StateDb,
  question: Omit<AccessQuestion, 'scope' | 'seconds'>,
): Promise<OnConnectWish | null> {
  let first: OnConnectWish | null = null;
  for (const { name, text } of await listPolicies(db, { status: 'active' })) {
    for (const rule of checkPolicy(name, text).rules) {
      if (rule.effect === 'deny' || rule.onConnect === null) continue;
      const { onConnect: wish } = rule;
      if (!isAbout(rule, { ...question, scope: wish.scope })) continue;
      const decision = await decide(db, { ...question, ...wish });
      if (decision.effect === 'allow') return { ...wish, decision };
      first ??= { ...wish, decision };
    }
  }
  return first;
}

/** Whether people may make grants on their own word: while there is no policy, and where one says so. */
export async function directGrants(db: StateDb): Promise<boolean> {
  const texts = await listPolicies(db, { status: 'active' });
  return texts.length === 0 || texts.some(({ name, text }) => checkPolicy(name, text).directGrants);
}

export interface CaseResult {
  readonly name: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly got: string;
}

/** Runs the cases of a text against its own rules. */
export function runCases(policy: PolicyDocument): CaseResult[] {
  return policy.cases.map(({ name, ask, expect }) => {
    const verdict = evaluate(policy, questionOf(ask), scopeRelations);
    const decision =
      verdict.effect === 'deny' ? 'denied' : verdict.rule.approvals.length === 0 ? 'at once' : 'approval';
    const rule = verdict.effect === 'deny' ? verdict.rule : verdict.rule.name;
    const passed = decision === expect.decision && (expect.rule === undefined || expect.rule === rule);
    const words = (what: string, by: string | null | undefined): string => (by ? `${what} by ${by}` : what);
    return { name, passed, expected: words(expect.decision, expect.rule), got: words(decision, rule) };
  });
}

function questionOf(ask: PolicyDocument['cases'][number]['ask']): AccessQuestion {
  const { principal, resource } = ask;
  return {
    principal: {
      name: principal.name,
      kind: principal.kind ?? 'service_account',
      environment: principal.environment ?? 'production',
      tags: principal.tags ?? {},
      sponsor: principal.sponsored === true ? 'a third party' : null,
    },
    claims: principal.claims ?? {},
    resource: {
      name: resource.name,
      protocol: protocolOfScope(ask.scope),
      environment: resource.environment ?? 'production',
      classification: resource.classification ?? 'internal',
    },
    scope: validateAnyScope(ask.scope),
    seconds: durationSeconds(ask.for) ?? 0,
    nowMs: ask.at === undefined ? Date.now() : Date.parse(ask.at),
    source: ask.source ?? null,
    ticket: ask.ticket ?? null,
    justification: ask.justification ?? null,
    emergency: ask.emergency ?? false,
  };
}
