/**
 * How much ran at a server as Postern's users, against what is recorded. Every figure errs to the same side: what ran is at least
 * so much, what is recorded at most, so that a difference that is left was run past Postern. Pure.
 */
import type { OwnTraces, UpstreamFacts } from '../../core/upstream-facts.ts';
import type { Reconciliation, ReconciliationCounts, StatementBalance } from '../../store/entities.ts';
import type { Found, OwnFacts } from './compare.ts';

/** Statements that were let through at a server, by its resources' records. */
export type Recorded = ReconciliationCounts['recorded'];

/** A connection that was busy at one of the two instants may have had so many statements under way that are in one count only. */
const PER_BUSY = 100;
const LEAST_SLACK = 10;
/** A command of which it cannot be told is taken for so many statements. */
const PER_UNRESOLVED = 100;

export interface Balance {
  readonly counts: ReconciliationCounts | null;
  readonly balances: readonly StatementBalance[];
  readonly found: readonly Found[];
  readonly bounds: readonly string[];
}

/**
 * @param before what was recorded before the server was asked, and `after` afterwards: what runs meanwhile is recorded in any case
 * @param last the last in which statements were counted, from which is counted on
 */
export function balance(
  facts: UpstreamFacts,
  own: OwnFacts & {
    readonly asked: readonly OwnTraces[] | null;
    readonly askedAfter: readonly OwnTraces[] | null;
  },
  recorded: { readonly before: Recorded; readonly after: Recorded },
  busy: number,
  last: Reconciliation | undefined,
): Balance {
  const { statements } = facts;
  const none = (why: string): Balance => ({
    ...{ counts: null, balances: [], found: [] },
    bounds: [`Statements were not counted: ${why}.`],
  });
  if (statements === null) return none(facts.statementsWhy ?? 'the server does not say');
  if (statements.nested) return none('those within functions are counted too, and cannot be told apart');
  if (own.asked === null || own.askedAfter === null) return none('a gateway worker did not answer');
  if (facts.accounts.some(({ mark }) => mark === 'other')) {
    return none('another Postern makes roles at this server');
  }
  const counts: ReconciliationCounts = {
    calls: callsOf(facts, own),
    resetAt: statements.resetAt,
    recorded: recorded.before,
    asked: Object.fromEntries(own.asked.map(({ boot, asked }) => [boot, asked])),
    busy,
  };
  if (last?.counts == null) {
    return { counts, balances: [], found: [], bounds: ['Statements are counted from now on.'] };
  }
  const asked = askedSince(last.counts, own.askedAfter);
  if (asked === null) {
    const why =
      'Statements were not compared: a gateway worker has ended since, and what it asked itself is not known.';
    return { counts, balances: [], found: [], bounds: [why] };
  }
  // Where one login is both, all that it ran is compared with all that is known.
  const shared = own.admins.some((user) => own.users.includes(user));
  const slack = LEAST_SLACK + PER_BUSY * (last.counts.busy + busy);
  const same = last.counts.resetAt === counts.resetAt;
  const ran = (users: 'sessions' | 'admin'): number => {
    const [now, then] = [counts.calls[users], last.counts?.calls[users] ?? 0];
    // After a reset, or where entries were thrown out, at least what there is now.
    return same && now >= then ? now - then : now;
  };
  const balances: StatementBalance[] = [
    {
      users: 'sessions',
      since: last.at,
      ran: ran('sessions'),
      recorded: recordedSince(last.counts.recorded, recorded.after),
      own: asked.others + (shared ? asked.admin : 0),
      slack,
    },
  ];
  if (own.admins.length > 0 && !shared) {
    balances.push({
      ...{ users: 'admin', since: last.at, ran: ran('admin'), recorded: 0, own: asked.admin, slack },
    });
  }
  return { counts, balances, found: balances.flatMap(foundIn), bounds: [] };
}

/** At most. A kind of command may become one of which it cannot be told, and then counts for more. */
function recordedSince(then: Recorded, now: Recorded): number {
  const unresolved = Math.max(0, now.unresolved - then.unresolved);
  return Math.max(0, now.statements - then.statements + unresolved * PER_UNRESOLVED);
}

/** Executions as Postern's users. A role that is gone counts as one of a session: they all go. */
function callsOf(facts: UpstreamFacts, own: OwnFacts): { sessions: number; admin: number } {
  const roles = new Set(facts.accounts.flatMap(({ mark, oid }) => (mark === null ? [] : [oid])));
  const sum = { sessions: 0, admin: 0 };
  for (const { oid, user, calls } of facts.statements?.calls ?? []) {
    if (user === null || own.users.includes(user) || roles.has(oid)) sum.sessions += calls;
    else if (own.admins.includes(user)) sum.admin += calls;
  }
  return sum;
}

/** Null where a worker ended since: it asked no one knows what. */
function askedSince(
  last: ReconciliationCounts,
  now: readonly OwnTraces[],
): { admin: number; others: number } | null {
  const sum = { admin: 0, others: 0 };
  if (Object.keys(last.asked).some((boot) => now.every((each) => each.boot !== boot))) return null;
  for (const { boot, asked } of now) {
    const then = last.asked[boot] ?? { admin: 0, others: 0 };
    sum.admin += asked.admin - then.admin;
    sum.others += asked.others - then.others;
  }
  return sum;
}

function foundIn({ users, since, ran, recorded, own, slack }: StatementBalance): Found[] {
  const past = ran - recorded - own;
  if (past <= slack) return [];
  const who = users === 'admin' ? 'the administering user' : 'the upstream user or roles of sessions';
  return [
    {
      kind: 'statements',
      key: users,
      subject: `at least ${past - slack} statements as ${who}`,
      details: { since, ran, recorded, own, slack, past },
    },
  ];
}
