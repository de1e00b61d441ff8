/** Jobs in a folder for tests; they make nothing but what they are told to. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EvidenceJobs, type EvidenceJobsOptions } from './jobs.ts';

export const ROOMY: EvidenceJobsOptions['limits'] = {
  waiting: 5,
  waitingOfOne: 3,
  bytes: 1e9,
  free: 0,
  keepMs: 3_600_000,
};

export function evidenceJobs(dataDir: string, more: Partial<EvidenceJobsOptions>): EvidenceJobs {
  const workDir = join(dataDir, 'work');
  mkdirSync(workDir, { recursive: true });
  return new EvidenceJobs({
    dir: join(dataDir, 'evidence'),
    workDir,
    limits: ROOMY,
    make: async () => undefined,
    checkpointOf: () => null,
    zip: async (_dir, out) => void out.end('zip'),
    log: () => undefined,
    ...more,
  });
}
