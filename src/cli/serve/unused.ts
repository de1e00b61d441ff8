import type { Control } from '../../access/control.ts';
import type { Activity } from '../../activity/activity.ts';
import { repeat } from './repeat.ts';

const EVERY_MS = 60_000;

/**
 * Suspends principals that nobody uses, where the policy says so: now and every minute. The index is brought up to the log before,
 * or nothing is suspended: a use that is not in it yet must not count as none. What fails is told and tried again with the next.
 *
 * @param flush resolves when everything journalled before the call is in the index
 * @returns stops it; resolves when the run under way is done
 */
export function startUnused(
  control: Control,
  activity: Activity,
  flush: () => Promise<unknown>,
  log: (message: string) => void,
): () => Promise<void> {
  return repeat(EVERY_MS, async () => {
    try {
      if ((await control.lifecycle.policy()).unusedDays === null) return;
      await flush();
      const count = await control.lifecycle.suspendUnused((ids) => activity.lastUses(ids));
      if (count > 0) log(`lifecycle: ${count} principals suspended that nobody used`);
    } catch (error) {
      log(`lifecycle: ${String(error)}`);
    }
  });
}
