import type { Member, Populations } from './populations.ts';

/** Something doubtful about who answers for a principal, or whether anybody uses it. */
export interface OwnershipFinding {
  readonly principal: string;
  readonly code: 'no-backup-owner' | 'owner-disabled' | 'backup-owner-disabled' | 'unused';
  readonly text: string;
  readonly leaf: number;
}

/** What counts as unused where nobody has said. */
const UNUSED_DAYS = 90;
const DAY_MS = 86_400_000;

/**
 * What is doubtful about the active principals, by the records alone. Not used counts from the last session, or from when a principal
 * was made or resumed; one with an open session is used.
 *
 * @param at RFC 3339: the time as of which disuse is counted
 */
export function ownershipFindings(populations: Populations, at: string): OwnershipFinding[] {
  const found: OwnershipFinding[] = [];
  const days = populations.unusedDays ?? UNUSED_DAYS;
  const busy = new Set<unknown>();
  for (const { status, principal } of populations.rows('sessions')) {
    if (status === 'open') busy.add((principal as { readonly id?: unknown } | null)?.id);
  }
  for (const [id, { state, lastLeaf: leaf }] of populations.members('principal')) {
    if (state.status !== 'active') continue;
    const say = (code: OwnershipFinding['code'], text: string): void => {
      found.push({ principal: String(state.name), code, text, leaf });
    };
    const [owner, backup] = [personOf(populations, state.owner), personOf(populations, state.backupOwner)];
    if (isDisabled(owner))
      say('owner-disabled', `${String(owner.state.name)}, who answers for it, is disabled.`);
    if (state.backupOwner === null || state.backupOwner === undefined) {
      say('no-backup-owner', 'Nobody answers for it when its owner cannot.');
    } else if (isDisabled(backup)) {
      say('backup-owner-disabled', `${String(backup.state.name)}, its backup owner, is disabled.`);
    }
    const last = populations.lastUseOf(id);
    const since = [last, state.activeSince, state.createdAt]
      .map((time) => (typeof time === 'string' ? Date.parse(time) : Number.NaN))
      .filter((time) => !Number.isNaN(time));
    if (busy.has(id) || since.length === 0 || Math.max(...since) > Date.parse(at) - days * DAY_MS) continue;
    say(
      'unused',
      `Not used for more than ${days} days (${last === null ? 'never used' : `last on ${last.slice(0, 10)}`}).`,
    );
  }
  return found;
}

function personOf(populations: Populations, ref: unknown): Member | undefined {
  const id = (ref as { readonly id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' ? populations.members('person').get(id) : undefined;
}

const isDisabled = (person: Member | undefined): person is Member => person?.state.status === 'disabled';
