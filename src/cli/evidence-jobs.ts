import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type EvidenceJob, hasEnded, JOB_STATUSES } from '../evidence/jobs/job.ts';
import { type ApiClient, path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, printJson, printList } from './support/output.ts';
import { fetchPackage, isPassing, megabytes } from './support/package-download.ts';
import { shellQuote } from './support/postgres-env.ts';
import { Progress } from './support/progress.ts';
import type { Column } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

/** The API answers how far a job is at once; so often it is asked. */
const LOOK_MS = [100, 200, 400, 800, 1500];
/** A server that starts again is waited for so long. */
const AWAY_MS = 120_000;

/** `postern evidence jobs`, `fetch`, `cancel`. */
export function registerJobs(evidence: Command): void {
  jobs(evidence);
  fetch(evidence);
  cancel(evidence);
}

/** Refuses a path where something is, or whose folder is not there: before anything is made, since an export is recorded. */
export function checkOut(out: string): void {
  if (existsSync(out))
    throw usageError(`${out} exists already`, 'Evidence is never written over: name another path.');
  const folder = dirname(resolve(out));
  if (!existsSync(folder)) throw usageError(`there is no folder ${folder}`);
}

/** Has a package made and fetches it. Whoever interrupts this keeps the job. */
export async function exportTo(
  api: ApiClient,
  body: object,
  out: string | null,
  json: boolean,
): Promise<void> {
  const job = await api.post<EvidenceJob>('/v1/evidence/jobs', body);
  if (out === null) {
    if (json) return printJson(job);
    note(`The package is being made, job ${job.id}.`);
    note(`Fetch it with: postern evidence fetch ${job.id} --out FILE.zip`);
    return;
  }
  const leave = (): void => {
    note(
      `\nThe package goes on being made. Fetch it with: postern evidence fetch ${job.id} --out ${shellQuote(out)}`,
    );
    process.exit(130);
  };
  process.once('SIGINT', leave);
  try {
    await fetchTo(api, job.id, out, json);
  } finally {
    process.off('SIGINT', leave);
  }
}

async function fetchTo(api: ApiClient, id: string, out: string, json: boolean): Promise<void> {
  const progress = new Progress();
  const job = await ended(api, id, progress);
  if (job.error !== null) {
    throw new CliError(job.error.code, job.error.message, job.error.hint ?? undefined);
  }
  if (job.status !== 'done')
    throw new CliError('POSTERN_CONFLICT', `there is no package of this job: it is ${job.status}`);
  await fetchPackage(api, job, out, progress);
  if (json)
    return printJson({ file: out, bytes: job.bytes, record: job.record, job: id, sha256: job.sha256 });
  note(`${safeLine(out)}: ${megabytes(job.bytes ?? 0)}, record ${safeLine(job.record)}`);
  note(`Verify it with: postern verify ${safeLine(shellQuote(out))}`);
}

/** The job when nothing more becomes of it. A server that is away for a while is waited for. */
async function ended(api: ApiClient, id: string, progress: Progress): Promise<EvidenceJob> {
  let away = 0;
  try {
    for (let look = 0; ; look++) {
      try {
        const job = await api.get<EvidenceJob>(path`/v1/evidence/jobs/${id}`);
        if (hasEnded(job)) return job;
        away = 0;
        progress.show(`${job.percent} %, ${job.step}`);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (away > 0 && Date.now() - away > AWAY_MS) throw error;
        away ||= Date.now();
        progress.show('the server does not answer; the package is made after its next start');
      }
      await sleep(LOOK_MS[Math.min(look, LOOK_MS.length - 1)] as number);
    }
  } finally {
    progress.clear();
  }
}

const COLUMNS: readonly Column<EvidenceJob>[] = [
  { title: 'job', value: ({ id }) => id },
  { title: 'asked for', value: ({ requestedAt }) => formatTime(requestedAt) },
  {
    title: 'by',
    value: ({ requestedBy, schedule }) =>
      schedule === null ? requestedBy.name : `schedule ${schedule.name}`,
    shrinkTo: 10,
  },
  { title: 'about', value: about, shrinkTo: 12 },
  {
    title: 'status',
    value: ({ status, percent, step }) => (status === 'running' ? `${percent} %, ${step}` : status),
  },
  { title: 'size', value: ({ bytes }) => (bytes === null ? '' : megabytes(bytes)), align: 'right' },
  {
    title: 'kept until',
    value: ({ status, expiresAt }) => (status === 'done' && expiresAt !== null ? formatTime(expiresAt) : ''),
  },
];

function about({ recorded, error }: EvidenceJob): string {
  if (error !== null) return error.message;
  const { framework, period } = recorded as { framework?: { id?: string }; period?: { name?: string } };
  return [framework?.id, period?.name].filter((part) => part !== undefined).join(', ') || 'everything';
}

function jobs(parent: Command): void {
  const command = parent
    .command('jobs')
    .description('list evidence packages that are being made, wait to be fetched, or were, the newest first')
    .addOption(new Option('--status <status>', 'only these').choices(JOB_STATUSES));
  connected<{ status?: string }>(command, async ({ api, options }) => {
    const found = await api.all<EvidenceJob>('/v1/evidence/jobs', {
      ...(options.status && { status: options.status }),
    });
    await printList(found, COLUMNS, { json: options.json, empty: 'There is no such job.' });
  });
}

function fetch(parent: Command): void {
  const command = parent
    .command('fetch <job>')
    .description('wait for an evidence package, where it is still being made, and fetch it')
    .requiredOption('--out <path>', 'where to: a new file.zip, or a new folder');
  examples(command, 'postern evidence fetch 01a201b4-a792-7000-aa88-0d2e5e185f80 --out 2026-Q3.zip');
  connected<{ out: string }>(command, async ({ api, options, args }) => {
    checkOut(options.out);
    await fetchTo(api, args[0] as string, options.out, options.json === true);
  });
}

function cancel(parent: Command): void {
  const command = parent
    .command('cancel <job>')
    .description('stop the making of an evidence package, or remove one that waits to be fetched');
  connected(command, async ({ api, options, args }) => {
    const job = await api.post<EvidenceJob>(path`/v1/evidence/jobs/${args[0] as string}/cancel`, {});
    if (options.json) return printJson(job);
    note(`Job ${job.id} is cancelled.`);
  });
}
