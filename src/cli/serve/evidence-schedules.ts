import { join } from 'node:path';
import type { Control } from '../../access/control.ts';
import type { EvidenceJobs } from '../../evidence/jobs/jobs.ts';
import { EvidenceScheduler } from '../../evidence/jobs/scheduler.ts';
import { SYSTEM } from '../../identity/persons.ts';
import { repeat } from './repeat.ts';

const EVERY_MS = 30_000;

/** What schedules of evidence need of the server. */
export interface ScheduledEvidence {
  readonly control: Control;
  readonly jobs: EvidenceJobs;
  readonly dataDir: string;
  /** To which packages may be put. */
  readonly folders: readonly string[];
  readonly log: (message: string) => void;
}

/**
 * Has the packages made that are due, now and every half minute.
 *
 * @returns stops it; resolves when the look under way is done
 */
export function startEvidenceSchedules({
  control,
  jobs,
  dataDir,
  folders,
  log,
}: ScheduledEvidence): () => Promise<void> {
  const scheduler = new EvidenceScheduler({
    jobs,
    file: join(dataDir, 'evidence', 'schedules.done'),
    folders,
    record: (recorded) => control.recordExport(SYSTEM, recorded),
    log,
  });
  return repeat(EVERY_MS, async () => {
    try {
      await scheduler.look(await control.evidenceSchedules.list({ status: 'active' }), Date.now());
    } catch (error) {
      log(`evidence schedules: ${String(error)}`);
    }
  });
}
