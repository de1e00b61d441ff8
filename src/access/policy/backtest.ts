/**
 * What a change of the policy would have made of what was done: each class of statement that was seen is asked for, of the policy as it is
 * and as it would be. Circumstances of a request (its ticket, its hour) are not known of commands, so each policy is taken at its best.
 */
import { PosternError } from '../../core/errors.ts';
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
  readonly denied: number;
  readonly lastAllowed: string | null;
}

export interface BacktestRow {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly scope: string;
  readonly commands: number;
  /** Whether they were refused, and not let through. */
  readonly refused: boolean;
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
  /** Commands that were refused in the time, give or take a thousand records of the log. */
  readonly refused: number;
  /** Of what was let through all that comes out otherwise, of what was refused all that could be asked for then. The most used first. */
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
  const total = { commands: 0, classes: 0, unresolved: 0, free: 0, same: 0, refused: 0 };
  for (const { principal, resource, verbs, objects, allowed, denied, lastAllowed } of seen) {
    const who = world.principal(principal.id);
    const where = world.resource(resource.id);
    if (who === undefined || where === undefined) continue;
    const judge = (scope: string): [Said, Said] => {
      const subject = { principal: who, resource: where, scope, claims: null };
      return [before, after].map((policy) => said(evaluateAtBest(policy, subject, relations))) as [
        Said,
        Said,
      ];
    };
    if (denied > 0) {
      total.refused += denied;
      const scope = await refusedScope(where, { verbs, objects, commands: denied });
      const [was, becomes] = scope === null ? [] : judge(scope);
      if (scope !== null && was?.allows === false && becomes?.allows === true) {
        const words = { before: was.words, after: becomes.words, change: 'allowed' } as const;
        rows.push({ principal, resource, scope, commands: denied, refused: true, ...words, example: null });
      }
    }
    if (allowed === 0) continue;
    total.commands += allowed;
    total.classes += 1;
    const text = async () => (lastAllowed === null ? null : world.statement(lastAllowed));
    const { scope, unresolved } = await smallestScope(where, [{ verbs, objects, commands: allowed, text }]);
    total.unresolved += unresolved;
    if (scope === null) {
      total.free += allowed;
      continue;
    }
    const [was, becomes] = judge(scope);
    if (was.words === becomes.words) {
      total.same += allowed;
      continue;
    }
    const change = was.allows === becomes.allows ? 'otherwise' : becomes.allows ? 'allowed' : 'denied';
    const words = { before: was.words, after: becomes.words, change } as const;
    rows.push({
      principal,
      resource,
      scope,
      commands: allowed,
      refused: false,
      ...words,
      example: lastAllowed,
    });
  }
  return { ...total, rows: rows.sort((a, b) => b.commands - a.commands) };
}

/** The scope that refused commands would have needed; null where there is none. Their text is not read: what was refused may be anything. */
async function refusedScope(
  resource: Resource,
  observation: Pick<SeenClass, 'verbs' | 'objects'> & { readonly commands: number },
): Promise<string | null> {
  try {
    return (await smallestScope(resource, [{ ...observation, text: async () => null }])).scope;
  } catch (error) {
    // No scope gives it.
    if (error instanceof PosternError && error.code === 'POSTERN_INVALID') return null;
    throw error;
  }
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
