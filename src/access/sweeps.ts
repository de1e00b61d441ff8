import type { ChangeLog } from '../store/changes.ts';

const EVERY_MS = 250;

/**
 * Makes the records of what ends by itself: grants past their end, principals past their expiry or without an owner, people's sessions. The gateway does
 * not wait for it (workers compare with the clock); a sweep that fails is tried again with the next. Carries out first
 * what is recorded and not yet in state.
 *
 * @param onError told once per series of failures, and with null when sweeping works again
 * @returns stops the sweeps; resolves when the one under way is done
 */
export function startSweeps(
  changes: ChangeLog,
  expiries: readonly (() => Promise<unknown>)[],
  onError: (error: unknown) => void,
): () => Promise<void> {
  let failing = false;
  let running: Promise<void> | null = null;
  const sweep = async (): Promise<void> => {
    try {
      await changes.settle();
      for (const expire of expiries) await expire();
      if (failing) onError(null);
      failing = false;
    } catch (error) {
      if (!failing) onError(error);
      failing = true;
    }
  };
  const timer = setInterval(() => {
    running ??= sweep().finally(() => {
      running = null;
    });
  }, EVERY_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
