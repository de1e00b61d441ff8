/** What a reconciliation found, against what was found before: what is new, what is open again, and what is gone. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { uuidv7 } from '../../core/ids.ts';
import type { Ref } from '../../core/record.ts';
import type { Change } from '../../store/changes.ts';
import type { Unmanaged } from '../../store/entities.ts';
import type { Found } from './compare.ts';

/** New findings in one run; the next tells of the rest. */
const NEW_MAX = 500;

/** What says of an account how much it could do. When it was connected and how much it ran is told, and is not what it is. */
const OF_ACCOUNT = [
  ...['login', 'superuser', 'createRole', 'createDb', 'replication', 'bypassRls', 'password', 'validUntil'],
  ...['memberOf', 'mark'],
];

export interface Merged {
  readonly changes: readonly Change[];
  /** New ones that are not told yet. */
  readonly untold: number;
}

/**
 * @param at RFC 3339, now
 * @param allAccounts whether an account that is not among them is gone
 * @param active whether a person (id) is active, of those who answer for what was adopted
 */
export function merge(
  resource: Ref,
  known: readonly Unmanaged[],
  found: readonly Found[],
  at: string,
  allAccounts: boolean,
  active: (person: string) => boolean,
): Merged {
  const byKey = new Map(known.map((each) => [`${each.kind} ${each.key}`, each]));
  const seen = new Set<string>();
  const changes: Change[] = [];
  let untold = 0;
  for (const each of found) {
    const key = `${each.kind} ${each.key}`;
    seen.add(key);
    const before = byKey.get(key);
    if (before === undefined) {
      if (changes.length >= NEW_MAX) untold += 1;
      else changes.push(told(null, created(resource, each, at)));
      continue;
    }
    const why = reopens(before, each, at, active);
    if (why !== null) {
      changes.push(
        told(before, { ...renewed(before, each, at), status: 'open', reopened: why, disposition: null }, why),
      );
    } else if (before.status === 'open' && changed(before, each)) {
      changes.push(told(before, renewed(before, each, at)));
    }
  }
  for (const before of known) {
    if (!allAccounts || before.kind !== 'account' || before.status === 'gone') continue;
    if (seen.has(`account ${before.key}`)) continue;
    const after: Unmanaged = { ...before, status: 'gone', lastToldAt: at };
    const reason = 'the account is not there any more';
    changes.push({ type: 'unmanaged.gone', entity: 'unmanaged', before, after, reason });
  }
  return { changes, untold };
}

function created(resource: Ref, { kind, key, subject, details }: Found, at: string): Unmanaged {
  return {
    id: uuidv7(),
    resource: { id: resource.id, name: resource.name },
    ...{ kind, key, subject, details },
    firstSeenAt: at,
    lastToldAt: at,
    status: 'open',
    reopened: null,
    disposition: null,
  };
}

const renewed = (before: Unmanaged, { subject, details }: Found, at: string): Unmanaged => ({
  ...before,
  ...{ subject, details },
  lastToldAt: at,
});

const told = (before: Unmanaged | null, after: Unmanaged, reason?: string): Change => ({
  type: 'unmanaged.found',
  entity: 'unmanaged',
  before,
  after,
  reason,
});

/** Why what was dealt with is open again; null where it is not. */
function reopens(
  { kind, status, details, disposition }: Unmanaged,
  found: Found,
  at: string,
  active: (person: string) => boolean,
): string | null {
  if (status === 'open') return null;
  if (status === 'gone' || status === 'remediated') return 'it is there again';
  if (disposition?.until != null && disposition.until <= at) return 'it was accepted until now';
  if (disposition?.owner != null && !active(disposition.owner.id)) {
    return `${disposition.owner.name}, who answers for it, is disabled`;
  }
  if (kind !== 'account') return null;
  const more = OF_ACCOUNT.filter((name) => !isDeepStrictEqual(details[name], found.details[name]));
  return more.length === 0 ? null : `it has changed: ${more.join(', ')}`;
}

/** Whether there is something to tell of what is open anyway. */
function changed({ kind, details }: Unmanaged, found: Found): boolean {
  if (kind === 'statements') return true;
  if (kind === 'connection') return false;
  return OF_ACCOUNT.some((name) => !isDeepStrictEqual(details[name], found.details[name]));
}
