import type { Control } from '../../access/control.ts';
import { WatchService } from '../../activity/anomaly/watch-service.ts';
import type { LedgerService } from '../../activity/ledger-service.ts';

/**
 * Puts the rules of alerts in force, where they are not yet, and watches the log by them. That this cannot be recorded at present keeps
 * nobody from starting: it is tried again at the next start, and nothing is let through meanwhile anyway.
 *
 * @returns stops it; resolves when what is being recorded is recorded
 */
export async function startAlerts({
  dataDir,
  control,
  ledger,
  log,
}: {
  readonly dataDir: string;
  readonly control: Control;
  readonly ledger: LedgerService;
  readonly log: (message: string) => void;
}): Promise<() => Promise<void>> {
  await control.alerts.begin().catch((error: unknown) => log(`alerts: ${String(error)}`));
  const watch = new WatchService({
    dataDir,
    size: ledger.status().size,
    take: async (findings) => {
      for (const { id, rule, principal } of await control.alerts.take(findings)) {
        log(`ALERT ${id}: ${rule} of ${principal.name}`);
      }
    },
    onFault: (fault) =>
      log(fault === null ? 'alerts are raised again' : `alerts are not raised at present: ${fault}`),
  });
  ledger.onSize((size) => watch.follow(size));
  return () => watch.close();
}
