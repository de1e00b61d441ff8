import type { LifeRecord } from '../activity/activity.ts';
import type { ApiDeps } from './deps.ts';

/** Records that are read at a time. */
const PAGE = 500;

interface Answering {
  readonly owner?: { readonly id?: unknown } | null;
  readonly backupOwner?: { readonly id?: unknown } | null;
}

/**
 * Whether a person was owner or backup owner of a principal at any leaf of a range, both ends included. The index must have come
 * so far.
 *
 * @param principal id
 * @param person id
 */
export function answeredIn(
  activity: Pick<ApiDeps['activity'], 'history'>,
  principal: string,
  person: string,
  from: number,
  to: number,
): boolean {
  let answers = false;
  for (const { leaf, change } of lifeOf(activity, principal)) {
    if (change.entity !== 'principal') continue;
    // What held until now held up to the leaf before this one.
    if (answers && leaf > from) return true;
    if (leaf > to) return false;
    const { owner, backupOwner } = change.after as Answering;
    answers = owner?.id === person || backupOwner?.id === person;
  }
  return answers;
}

function* lifeOf(activity: Pick<ApiDeps['activity'], 'history'>, principal: string): Generator<LifeRecord> {
  for (let after = -1; ; ) {
    const records = activity.history(principal, after, PAGE);
    yield* records;
    const last = records.at(-1);
    if (last === undefined || records.length < PAGE) return;
    after = last.leaf;
  }
}
