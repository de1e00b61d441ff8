/** What was seen of principals, for questions about what they need. */
import type { ObservedClass } from '../activity/observed.ts';
import { PosternError } from '../core/errors.ts';
import { checkTime } from '../identity/input.ts';
import type { ApiDeps } from './deps.ts';

/** The text of a record's statement; null where it is kept no more. */
export async function statementOf(deps: Pick<ApiDeps, 'activity'>, record: string): Promise<string | null> {
  try {
    return (await deps.activity.record(record)).statement;
  } catch (error) {
    if (error instanceof PosternError && error.code === 'POSTERN_NOT_FOUND') return null;
    throw error;
  }
}

/** What was let through since then; nothing where the log knows no such principal or resource yet. */
export function seenOf(
  deps: ApiDeps,
  filter: {
    readonly principal?: string | undefined;
    readonly resource?: string | undefined;
    readonly since?: string | undefined;
  },
): readonly ObservedClass[] {
  // Records have microseconds, in UTC; a time that is given may have neither.
  const from = filter.since === undefined ? '' : checkTime(filter.since, 'time');
  return observedOf(deps, filter).filter(
    ({ lastAllowedAt }) => lastAllowedAt !== null && lastAllowedAt >= from,
  );
}

/** What was asked for, refused or not; nothing where the log knows no such principal or resource yet. */
export function observedOf(
  deps: Pick<ApiDeps, 'activity'>,
  filter: {
    readonly principal?: string | undefined;
    readonly resource?: string | undefined;
    readonly since?: string | undefined;
  },
): readonly ObservedClass[] {
  try {
    return deps.activity.observed(filter);
  } catch (error) {
    if (error instanceof PosternError && error.code === 'POSTERN_NOT_FOUND') return [];
    throw error;
  }
}
