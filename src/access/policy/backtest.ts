/**
 * What a change of the policy would have made of what was done: each class of statement that was seen is asked for, of the policy as it is
 * and as it would be. Circumstances of a request (its ticket, its hour) are not known of commands, so each policy is taken at its best.
 */
import type { Ref } from '../../core/record.ts';
import type { Principal, Resource } from '../../store/entities.ts';
import { type scopeRelations, smallestScope } from '../scopes.ts';
import { approvalWords } from './approvals.ts';
import type { PolicyDocument } from './document.ts';
import { evaluateAtBest } from './evaluate.ts';

/** A class of statements of one principal on one resource. */
export interface SeenClass {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly allowed: number;
  readonly lastAllowed: string | null;
}

export interface BacktestRow {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly scope: string;
  readonly commands: number;
  /** `at once by nightly`, `1 of owner by writing`, `denied by nobody-reads-salaries`, `denied: no rule`. */
  readonly before: string;
  readonly after: string;
  readonly change: 'denied' | 'allowed' | 'otherwise';
  /** Record id of one such command. */
  readonly example: string | null;
}

export interface Backtest {
  /** Commands that were let through in the time, and of how many classes. */
  readonly commands: number;
  readonly classes: number;
  /** Commands whose verbs and objects could not be told apart: they were asked for as a whole. */
  readonly unresolved: number;
  /** Commands that need no scope. */
  readonly free: number;
  readonly same: number;
  /** Those that come out otherwise, the most used first. */
  readonly rows: readonly BacktestRow[];
}

export interface BacktestWorld {
  principal(id: string): Principal | undefined;
  resource(id: string): Resource | undefined;
  /** Text of the statement of a record; null where it is kept no more. */
  statement(record: string): Promise<string | null>;
}

export async function backtest(
  seen: Iterable<SeenClass>,
  before: Pick<PolicyDocument, 'rules'>,
  after: Pick<PolicyDocument, 'rules'>,
  world: BacktestWorld,
  relations: typeof scopeRelations,
): Promise<Backtest> {
  const rows: BacktestRow[] = [];
  const total = { commands: 0, classes: 0, unresolved: 0, free: 0, same: 0 };
  for (const { principal, resource, verbs, objects, allowed, lastAllowed } of seen) {
    const who = world.principal(principal.id);
    const where = world.resource(resource.id);
    if (allowed === 0 || who === undefined || where === undefined) continue;
    total.commands += allowed;
    total.classes += 1;
    const text = async () => (lastAllowed === null ? null : world.statement(lastAllowed));
    const { scope, unresolved } = await smallestScope(where, [{ verbs, objects, commands: allowed, text }]);
    total.unresolved += unresolved;
    if (scope === null) {
      total.free += allowed;
      continue;
    }
    const [was, becomes] = [before, after].map((policy) => {
      const subject = { principal: who, resource: where, scope, claims: null };
      return said(evaluateAtBest(policy, subject, relations));
    }) as [Said, Said];
    if (was.words === becomes.words) {
      total.same += allowed;
      continue;
    }
    const change = was.allows === becomes.allows ? 'otherwise' : becomes.allows ? 'allowed' : 'denied';
    const [left, right] = [was.words, becomes.words];
    rows.push({
      principal,
      resource,
      scope,
      commands: allowed,
      before: left,
      after: right,
      change,
      example: lastAllowed,
    });
  }
  return { ...total, rows: rows.sort((a, b) => b.commands - a.commands) };
}

interface Said {
  readonly allows: boolean;
  readonly words: string;
}

function said(verdict: ReturnType<typeof evaluateAtBest>): Said {
  if (verdict.effect === 'deny') {
    return { allows: false, words: verdict.rule === null ? 'denied: no rule' : `denied by ${verdict.rule}` };
  }
  const { approvals, name } = verdict.rule;
  const how = approvals.length === 0 ? 'at once' : approvals.map(approvalWords).join(' and ');
  return { allows: true, words: `${how} by ${name}` };
}
