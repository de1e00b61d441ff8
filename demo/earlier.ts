import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../test/support/processes.ts';

/** Ends the gateway of an earlier demo, if it still runs, and removes what that demo left in the directory. */
export async function removeEarlier(directory: string): Promise<void> {
  const data = join(directory, 'data');
  const pid = gatewayOf(data);
  if (pid !== null) {
    process.kill(pid, 'SIGTERM');
    try {
      await until(() => gatewayOf(data, pid) === null, 'the earlier gateway ends', 15_000);
    } catch {
      process.kill(pid, 'SIGKILL');
      await until(() => gatewayOf(data, pid) === null, 'the earlier gateway ends', 5000);
    }
  }
  rmSync(directory, { recursive: true, force: true });
}

/** Process id of the `postern serve` that runs with this data directory; null where there is none. */
function gatewayOf(data: string, known?: number): number | null {
  const pid = known ?? pidIn(join(data, 'run.json'));
  if (pid === null) return null;
  try {
    // The number in the file may belong to another program by now: only what is ours is ended.
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('serve') && words.includes(data) ? pid : null;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

function pidIn(file: string): number | null {
  try {
    const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid?: unknown };
    return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1 ? pid : null;
  } catch {
    // No file, or half of one: no gateway that was ready.
    return null;
  }
}
