import type { Control } from '../../access/control.ts';
import type { ReconcileWorld } from '../../access/reconcile/reconciliations.ts';
import { SYSTEM } from '../../identity/persons.ts';
import { repeat } from './repeat.ts';

const LOOK_MS = 60_000;

/**
 * Compares each resource with what Postern knows, so often, one after the other. What fails is in the log, told, and tried again when it is due.
 *
 * @returns stops it; resolves when the run under way is done
 */
export function startReconciling(
  control: Control,
  world: ReconcileWorld,
  everyMs: number,
  log: (message: string) => void,
): () => Promise<void> {
  return repeat(LOOK_MS, async () => {
    try {
      for (const { id, name } of await control.reconciliations.due(everyMs)) {
        const { status, why } = await control.reconciliations.run(SYSTEM, id, world);
        if (status === 'failed') log(`${name} could not be compared with what is known of it: ${why}`);
      }
    } catch (error) {
      log(`reconciliation: ${String(error)}`);
    }
  });
}
