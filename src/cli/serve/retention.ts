import type { Control } from '../../access/control.ts';
import type { Activity } from '../../activity/activity.ts';
import { SYSTEM } from '../../identity/persons.ts';
import { repeat } from './repeat.ts';

const EVERY_MS = 3_600_000;

/**
 * Destroys the texts whose time of retention is over, now and every hour, and finishes erasures that were interrupted. What
 * fails is told and tried again with the next.
 *
 * @returns stops it; resolves when the run under way is done
 */
export function startRetention(
  control: Control,
  activity: Activity,
  log: (message: string) => void,
): () => Promise<void> {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    try {
      await control.erasures.settle();
      const policy = await control.retention.policy();
      const resourcesOf = (principal: string, day: string): Promise<readonly string[]> =>
        activity.resourcesOf(principal, day);
      const { erased, held } = await control.erasures.retain(SYSTEM, policy, resourcesOf, {
        dryRun: false,
        signal: stop.signal,
      });
      if (erased.length + held.length > 0) {
        log(`retention: ${erased.length} principal-days erased, ${held.length} kept by legal holds`);
      }
    } catch (error) {
      log(`retention: ${String(error)}`);
    }
  };
  const end = repeat(EVERY_MS, run);
  return () => {
    stop.abort();
    return end();
  };
}
