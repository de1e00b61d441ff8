import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Activity } from '../activity/activity.ts';
import { LedgerService } from '../activity/ledger-service.ts';
import { assessLog } from '../evidence/assess-log.ts';
import { exportPackage } from '../evidence/export.ts';
import { evidenceJobs } from '../evidence/jobs/jobs.fixture.ts';
import { zipFolder } from '../evidence/zip.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { Keyring } from '../vault/keyring.ts';
import { type TestApi, testApi } from './api.fixture.ts';

/** The API over a real journal, log, index and evidence export. */
export async function real(context: TestContext): Promise<TestApi & { outDirs: string[] }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-real-'));
  context.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const keyring = await Keyring.open({ dataDir });
  const { keys } = keyring;
  const sink = JournalWriter.create(join(dataDir, 'journal'), 'control');
  const ledger = await LedgerService.start({ dataDir, keys });
  const activity = Activity.open({ dataDir, keys });
  const outDirs: string[] = [];
  const api = await testApi(
    context,
    {
      ledger,
      activity,
      assessEvidence: (params) => assessLog({ dataDir, params, workDir: dataDir }),
      evidence: evidenceJobs(dataDir, {
        zip: zipFolder,
        make: async (params, outDir, generatedBy) => {
          outDirs.push(outDir);
          await ledger.flush();
          return exportPackage({ dataDir, keys, params, generatedBy, outDir });
        },
      }),
    },
    { dataDir, keyring, sink },
  );
  context.after(async () => {
    await activity.close();
    await ledger.close();
    sink.close();
  });
  return { ...api, outDirs };
}
