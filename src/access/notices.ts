/** Who has to be told what about the people who answer for a principal. */
import { uuidv7 } from '../core/ids.ts';
import type { Change } from '../store/changes.ts';
import type { Notice, PersonRef, Principal } from '../store/entities.ts';
import { listNotices } from '../store/notices.ts';
import { listPrincipals } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

type Wanted = Pick<Notice, 'kind' | 'to' | 'text' | 'effectiveAt'>;

/**
 * The changes after which each of these principals has the notice that it needs, and no other.
 *
 * @param gone ids of people who are disabled
 */
export async function noticeChanges(
  db: StateDb,
  principals: readonly Principal[],
  gone: ReadonlySet<string>,
  at: string,
): Promise<Change[]> {
  const changes: Change[] = [];
  if (principals.length === 0) return changes;
  const open = Map.groupBy(await listNotices(db, { status: 'open' }), ({ principal }) => principal.id);
  for (const principal of principals) {
    const wanted = wantedFor(principal, gone);
    let there = false;
    for (const notice of open.get(principal.id) ?? []) {
      if (notice.kind === wanted?.kind && notice.to?.id === wanted.to?.id) there = true;
      else changes.push(ended(notice, at, 'who answers for it has changed again'));
    }
    if (wanted !== null && !there) changes.push(given(principal, wanted, at));
  }
  return changes;
}

/** The ends of notices about principals for which active people answer, or which are retired. */
export async function answeredNotices(db: StateDb, at: string): Promise<Change[]> {
  const open = await listNotices(db, { status: 'open' });
  if (open.length === 0) return [];
  const unsettled = new Set((await listPrincipals(db, { unsettled: true })).map(({ id }) => id));
  return open
    .filter(({ principal }) => !unsettled.has(principal.id))
    .map((notice) => ended(notice, at, 'active people answer for it, or it is retired'));
}

function wantedFor(principal: Principal, gone: ReadonlySet<string>): Wanted | null {
  const { name, owner, backupOwner, rehomeBy: effectiveAt, status } = principal;
  const backup: PersonRef | null = backupOwner !== null && !gone.has(backupOwner.id) ? backupOwner : null;
  if (!gone.has(owner.id)) {
    if (backup !== null || backupOwner === null) return null;
    const text = `${backupOwner.name}, backup owner of ${name}, was disabled. It needs another backup owner.`;
    return { kind: 'backup_owner_left', to: owner, text, effectiveAt: null };
  }
  const end =
    effectiveAt === null
      ? `${name} is ${status}.`
      : `Unless another owner is named, ${name} is suspended at ${effectiveAt.slice(0, 19)}Z.`;
  if (backup !== null) {
    const text = `${owner.name}, owner of ${name}, was disabled. You are its backup owner. ${end}`;
    return { kind: 'owner_left', to: backup, text, effectiveAt };
  }
  const text = `${owner.name}, owner of ${name}, was disabled, and it has no active backup owner. ${end}`;
  return { kind: 'nobody_left', to: null, text, effectiveAt };
}

function given(principal: Principal, wanted: Wanted, at: string): Change {
  const about = { id: principal.id, name: principal.name };
  const open = { status: 'open', endReason: null, endedAt: null, createdAt: at } as const;
  const after: Notice = { id: uuidv7(), principal: about, ...wanted, ...open };
  return { type: 'notice.given', entity: 'notice', before: null, after, principal: about };
}

function ended(before: Notice, at: string, reason: string): Change {
  const after: Notice = { ...before, status: 'ended', endReason: reason, endedAt: at };
  return { type: 'notice.ended', entity: 'notice', before, after, principal: before.principal, reason };
}
