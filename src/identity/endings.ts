/** What ends along with something else: credentials that were exchanged for it, and what was done on somebody's word. */
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change } from '../store/changes.ts';
import { listDelegations } from '../store/delegation-queries.ts';
import type { Delegation } from '../store/entities.ts';
import { listLinks } from '../store/notify.ts';
import type { Link } from '../store/notify-entities.ts';
import { listCredentials } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { revokedCredential } from './new-credential.ts';

/** The change that takes back a word. */
export function revokedDelegation(before: Delegation, at: string, reason: string): Change {
  return {
    type: 'delegation.revoked',
    entity: 'delegation',
    before,
    after: { ...before, status: 'revoked', endReason: reason, endedAt: at },
    principal: before.actor,
    reason,
  };
}

/**
 * What stands on things that end now, and ends with them: credentials that were exchanged for a binding or a bearer token, and
 * delegations and credentials of a chain in which a person, principal, bearer token or delegation ends; and so on. And by what a
 * person who ends decided from elsewhere.
 *
 * @param ended ids of bindings, credentials, delegations, persons or principals; the ends of these themselves are the caller's
 */
async function endingsBehind(
  db: StateDb,
  ended: readonly string[],
  at: string,
  reason: string,
): Promise<Change[]> {
  const gone = new Set(ended);
  const changes: Change[] = [];
  const delegated = await listCredentials(db, { status: 'active', delegated: true, at });
  const delegations = await listDelegations(db, { status: 'active', at });
  // Each round finds what stands on what the round before ended; a chain is short, and so are the rounds.
  for (let round = [...gone]; round.length > 0; ) {
    const found: Change[] = [];
    for (const id of round) {
      for (const each of await listCredentials(db, { status: 'active', proof: id, at }))
        if (!gone.has(each.id)) found.push(revokedCredential(each, at, reason));
    }
    const stands = (chain: Delegation['chain']): boolean =>
      chain.some((each) => gone.has(each.id) || gone.has(each.delegation));
    for (const each of delegated)
      if (!gone.has(each.id) && stands(each.delegation)) found.push(revokedCredential(each, at, reason));
    for (const each of delegations) {
      const of = gone.has(each.subject.id) || (each.credential !== null && gone.has(each.credential));
      if (!gone.has(each.id) && (of || stands(each.chain))) found.push(revokedDelegation(each, at, reason));
    }
    round = [];
    for (const change of found) {
      if (gone.has(change.after.id)) continue;
      gone.add(change.after.id);
      round.push(change.after.id);
      changes.push(change);
    }
  }
  for (const id of ended) {
    for (const link of await listLinks(db, { status: 'active', person: id }))
      changes.push(endedLink(link, at, reason));
  }
  return changes;
}

/** The change that ends a link. */
export function endedLink(before: Link, at: string, reason: string): Change {
  const after: Link = { ...before, status: 'removed', endReason: reason, endedAt: at };
  return { type: 'link.removed', entity: 'link', before, after, reason };
}

/** What may end, on which others may stand. */
const STOOD_ON: ReadonlySet<string> = new Set(['person', 'principal', 'binding', 'credential', 'delegation']);

/** What ends along with what changes end, in whatever way it is ended. */
export async function endingsBehindChanges(
  db: StateDb,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const ended = changes.filter(({ entity, after }) => STOOD_ON.has(entity) && statusOf(after) !== 'active');
  const [first] = ended;
  if (first === undefined) return [];
  const { entity, after } = first;
  const what = 'name' in after ? `${after.name} is` : `the ${entity} ${after.id} was`;
  const ids = ended.map((each) => each.after.id);
  return endingsBehind(db, ids, rfc3339(nowMicros()), `${what} ${statusOf(after)}`);
}

const statusOf = (after: object): unknown => (after as { readonly status?: unknown }).status;
