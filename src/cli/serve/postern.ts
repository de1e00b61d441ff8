import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from '../../access/control.ts';
import { Activity } from '../../activity/activity.ts';
import { findLeaf } from '../../activity/find-leaf.ts';
import { namingIndexDamage } from '../../activity/index-damage.ts';
import { LedgerService } from '../../activity/ledger-service.ts';
import { SinkService } from '../../activity/sinks/sink-service.ts';
import { Witnessing } from '../../activity/witnessing.ts';
import { reconcileWorld } from '../../api/reconcile-world.ts';
import { createApi } from '../../api/server.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { ChangeRecord } from '../../core/record.ts';
import type { Delta } from '../../core/views.ts';
import { assessLog } from '../../evidence/assess-log.ts';
import { exportPackage } from '../../evidence/export.ts';
import { FILES } from '../../evidence/format.ts';
import { earlierCheckpoint } from '../../evidence/jobs/earlier-checkpoint.ts';
import { EvidenceJobs } from '../../evidence/jobs/jobs.ts';
import { zipFolder } from '../../evidence/zip.ts';
import { Supervisor } from '../../gateway/supervisor.ts';
import { JournalWriter, listJournals, readJournal } from '../../ledger/journal.ts';
import { PublishedLog } from '../../ledger/published-log.ts';
import { ensureDirectory, writePrivate } from '../../store/files.ts';
import { DataLock } from '../../store/lock.ts';
import { ensureTls } from '../../vault/ca.ts';
import { Keyring } from '../../vault/keyring.ts';
import { openMasterKey } from '../../vault/master-key.ts';
import { SecretSources } from '../../vault/sources/sources.ts';
import { startAlerts } from './alerts.ts';
import type { ServeConfig } from './config.ts';
import { startEvidenceSchedules } from './evidence-schedules.ts';
import { succeedEnded } from './journals.ts';
import { fetchLogKey } from './log-key.ts';
import { startReconciling } from './reconcile.ts';
import { startRetention } from './retention.ts';
import { startUnused } from './unused.ts';

/** A running Postern. */
export interface Postern {
  readonly api: { readonly host: string; readonly port: number };
  readonly postgres: { readonly host: string; readonly port: number };
  /** Null: nothing listens for HTTP. */
  readonly http: { readonly host: string; readonly port: number } | null;
  /** One-time token for the first administrator; null when there is one. */
  readonly setupToken: string | null;
  readonly caFile: string;
  /** Drains, closes, and leaves the data directory ready for the next start. */
  close(): Promise<void>;
}

/** How long an export waits for the cosignatures of its checkpoint. */
const WITNESS_WAIT_MS = 5000;

export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/**
 * Starts everything in the order in which it is needed: the lock on the data directory, keys, what the last process left in its
 * journals, the log, the workers, the API. A failure on the way undoes what was done.
 */
export async function startPostern(config: ServeConfig, log: (message: string) => void): Promise<Postern> {
  const undo: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const running = await start(config, log, undo);
    return { ...running, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  config: ServeConfig,
  log: (message: string) => void,
  undo: (() => unknown)[],
): Promise<Omit<Postern, 'close'>> {
  const dataDir = config.data;
  const journalDir = join(dataDir, 'journal');
  const lock = DataLock.acquire(dataDir);
  undo.push(() => lock.release());
  const keyring = await Keyring.open({
    dataDir,
    source: config.masterKey,
    former: config.formerMasterKey,
  });
  const { keys } = keyring;
  const tls = await ensureTls(dataDir, config.names);
  // Before any other process is started: none of them is to see the key.
  const logKey = config.logKey === null ? null : await fetchLogKey(config.logKey);

  const journal = JournalWriter.create(journalDir, 'control');
  undo.push(() => journal.close());
  let supervisor: Supervisor | null = null;
  let ledger: LedgerService | null = null;
  let jobs: EvidenceJobs | null = null;
  const api = { ...config.api };
  const publicUrl = (): string => config.publicUrl ?? `https://localhost:${api.port}`;
  const control = await Control.open({
    dataDir,
    issuer: publicUrl,
    keyring,
    sources: new SecretSources(config.secretSources),
    sourceRefreshMs: config.secretRefreshMs,
    sourceStaleMs: config.secretStaleMs,
    nextMasterKey: async () => {
      const source = config.rereadMasterKey();
      return source === null ? null : openMasterKey(source);
    },
    door: async (resource, change) =>
      (await supervisor?.credential(resource, change)) ?? {
        outcome: 'failed',
        why: 'no gateway worker answers',
      },
    keysChanged: async () => ledger?.useKeys(),
    platforms: config.platforms,
    sink: journal,
    leftover: leftover(journalDir),
    publish: async (delta: Delta) => {
      ledger?.wake();
      await supervisor?.apply(delta);
    },
    emptyJournals: async () => {
      // Packages may have the texts in them for which this is done.
      jobs?.forgetTexts();
      journal.rotate();
      await supervisor?.rotateJournals();
      succeedEnded(journalDir, config.workers);
      await ledger?.flush();
    },
    onFault: (what, error) => log(error === null ? `${what}: works again` : `${what}: ${String(error)}`),
  });
  ledger = await LedgerService.start({ dataDir, keys, logKey });
  undo.push(() => ledger?.close());
  undo.push(() => control.close());
  ledger.onFault((fault) => {
    log(fault === null ? 'the log grows again' : `the log does not grow: ${fault}`);
    const detail = fault ?? 'it grows again';
    void control.notifier.tellAdmins({
      kind: 'ledger.fault',
      event: `fault ${uuidv7()}`,
      fields: { detail },
    });
  });
  ledger.onLoss((loss) => {
    log(`LOST: ${loss}`);
    const event = `lost ${createHash('sha256').update(loss).digest('hex')}`;
    void control.notifier.tellAdmins({ kind: 'ledger.lost', event, fields: { detail: loss } });
  });
  const activity = Activity.open({ dataDir, keys });
  undo.push(() => activity.close());

  const sequenced = ledger;
  const witnessing = Witnessing.open({
    dataDir,
    witnesses: config.witnesses,
    policy: config.policy,
    intervalMs: config.witnessMs,
    log: () => sequenced.status(),
    say: log,
  });
  undo.push(() => witnessing.close());

  const sinks = await SinkService.start({
    dataDir,
    list: () => control.sinks.list(),
    open: (id) => control.sinks.open(id),
    record: (type, sink, delivery) => control.recordSink(type, sink, delivery),
    say: log,
  });
  control.sinks.onChange(() => sinks.changed());
  undo.push(() => sinks.close());

  const { node } = process.versions;
  // That it cannot be written keeps nobody from starting: then nothing is let through anyway.
  const recordService = (type: 'service.started' | 'service.stopped'): Promise<void> =>
    control
      .recordService(type, { version: VERSION, node })
      .catch((error: unknown) => log(`${type} could not be recorded: ${String(error)}`));
  await recordService('service.started');
  // After the last session has ended.
  undo.push(() => recordService('service.stopped'));

  // Before the first snapshot: a resource whose password is not known yet is open to nobody.
  await control.sourced.start();
  supervisor = await Supervisor.start({
    workers: config.workers,
    journalDir,
    listen: { postgres: config.postgres, http: config.http },
    limits: config.limits,
    tlsRequired: config.postgres.tls === 'require',
    tls,
    scramSecret: control.scramSaltSecret,
    maskKey: control.maskKey,
    snapshot: () => control.snapshot(),
    passwordRefused: (resource) => control.sourced.refused(resource),
    askKeys: (issuer) => control.askKeys(issuer),
    askAccess: (ask) => control.onConnect.ask(ask),
    log,
  });
  const gateway = supervisor;
  undo.push(() => gateway.close(config.graceSeconds * 1000));

  // What a process that was killed left behind may hold decrypted statements.
  const workDir = join(dataDir, 'work');
  rmSync(workDir, { recursive: true, force: true });
  ensureDirectory(workDir);

  const evidence = new EvidenceJobs({
    dir: join(dataDir, 'evidence'),
    workDir,
    limits: config.evidence,
    make: async (params, outDir, generatedBy, { onProgress }) => {
      await sequenced.flush();
      const { size } = sequenced.status();
      const cosigned = await witnessing.freshen(WITNESS_WAIT_MS);
      const { policy } = config;
      const previous = earlierCheckpoint(evidence.checkpoints(), sequenced.status().vkey, size, log);
      const options = { dataDir, keys, logKey, params, generatedBy, outDir, policy, onProgress, previous };
      if (cosigned === null) return exportPackage(options);
      const { note } = cosigned;
      return exportPackage({ ...options, ...(cosigned.size >= size ? { asOf: note } : { cosigned: note }) });
    },
    checkpointOf: (dir) => readFileSync(join(dir, FILES.checkpoint), 'utf8'),
    zip: zipFolder,
    log,
  });
  jobs = evidence;

  const addresses = { api, ...gateway.listen };
  const published = new PublishedLog(join(dataDir, 'log'));
  const app = await createApi({
    control,
    activity,
    ledger,
    witnesses: witnessing,
    sinks,
    keyOverlapDays: config.keyOverlapDays,
    assessEvidence: (params) => assessLog({ dataDir, params, workDir }),
    evidence,
    evidenceFolders: config.evidenceFolders,
    log: published,
    findLeaf: (id) =>
      namingIndexDamage(() =>
        findLeaf(join(dataDir, 'index.db'), id, (from, to) => published.leaves(from, to)),
      ),
    gateway,
    tls,
    addresses: () => addresses,
    publicUrl,
    version: VERSION,
    logger: {
      warn: (fields, message) => log(`${message} ${JSON.stringify(fields)}`),
      error: (fields, message) => log(`${message} ${JSON.stringify(fields)}`),
    },
  });
  await app.listen(config.api);
  undo.push(() => app.close());
  const bound = app.server.address();
  if (bound !== null && typeof bound === 'object') addresses.api.port = bound.port;

  control.start();
  evidence.start();
  undo.push(() => evidence.close());
  undo.push(
    startEvidenceSchedules({ control, jobs: evidence, dataDir, folders: config.evidenceFolders, log }),
  );
  undo.push(startRetention(control, activity, log));
  undo.push(await startAlerts({ dataDir, control, ledger, log }));
  undo.push(startUnused(control, activity, () => sequenced.flush(), log));
  if (config.reconcileMs > 0) {
    const world = reconcileWorld({ activity, gateway, ledger: sequenced });
    undo.push(startReconciling(control, world, config.reconcileMs, log));
  }
  witnessing.start();
  const runFile = join(dataDir, 'run.json');
  writePrivate(runFile, `${JSON.stringify({ pid: process.pid, workers: gateway.pids(), ...addresses })}\n`);
  undo.push(() => rmSync(runFile, { force: true }));
  return {
    ...addresses,
    setupToken: await control.setup.mint(config.setUp),
    caFile: join(dataDir, 'ca', 'ca.crt'),
  };
}

/** Changes that stand in the control process's journals: the last of them may not have reached the state tables. */
function* leftover(journalDir: string): Generator<ChangeRecord> {
  for (const file of listJournals(journalDir)) {
    if (file.name !== 'control') continue;
    let offset = 0;
    for (;;) {
      const slice = readJournal(file.path, offset);
      for (const { json } of slice.records) {
        const record = JSON.parse(json) as ChangeRecord;
        if (record.change !== undefined) yield record;
      }
      if (slice.state !== 'end' || !slice.more) break;
      offset = slice.nextOffset;
    }
  }
}
