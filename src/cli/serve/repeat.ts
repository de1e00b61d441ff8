/**
 * Runs something now and every so often, never twice at a time.
 *
 * @param run tells of its failures itself
 * @returns stops it; resolves when the run under way is done
 */
export function repeat(everyMs: number, run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  const begin = (): void => {
    running ??= run().finally(() => {
      running = null;
    });
  };
  begin();
  const timer = setInterval(begin, everyMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
