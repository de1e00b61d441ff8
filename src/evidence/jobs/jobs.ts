/**
 * Evidence packages are made one at a time, beside everything else: who asked for one may leave and fetch it later, and a server
 * that ends meanwhile makes it again after its next start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Ref } from '../../core/record.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import { type EvidenceJob, hasEnded } from './job.ts';
import { JobFiles, type WrittenPackage } from './job-files.ts';
import { checkQueue, checkRoom, type JobLimits } from './job-limits.ts';

/** What making a package tells, and asks. */
export interface JobHooks {
  readonly onProgress: (done: number, total: number) => void;
}

export interface EvidenceJobsOptions {
  /** Where jobs and packages are kept. */
  readonly dir: string;
  /** Where packages are put together; emptied at every start. */
  readonly workDir: string;
  readonly limits: JobLimits;
  /** Writes a package into an empty folder. */
  readonly make: (
    params: EvidenceJob['params'],
    outDir: string,
    by: Ref,
    hooks: JobHooks,
  ) => Promise<unknown>;
  /** The signed checkpoint of a package that was made. */
  readonly checkpointOf: (outDir: string) => string | null;
  readonly zip: (dir: string, out: Writable) => Promise<unknown>;
  /** Told what went wrong that is nobody's doing. */
  readonly log: (message: string) => void;
}

export interface NewJob {
  readonly params: EvidenceJob['params'];
  readonly recorded: EvidenceJob['recorded'];
  readonly requestedBy: Ref;
  readonly schedule?: EvidenceJob['schedule'];
}

/** So often a job is begun before it is given up. */
const ATTEMPTS = 3;
/** What became of more jobs than this is forgotten, the oldest first. */
const REMEMBERED = 1000;
/** Part of the work, in per cent, before the package is packed. */
const MADE = 85;
/** Bytes between two looks at how much room there is. */
const LOOK_EVERY = 16 * 1024 * 1024;

class Stopped extends Error {}

export class EvidenceJobs {
  readonly #options: EvidenceJobsOptions;
  readonly #files: JobFiles;
  readonly #jobs = new Map<string, EvidenceJob>();
  readonly #waiters = new Map<string, (() => void)[]>();
  readonly #unwanted = new Set<string>();
  /** Jobs under way that have to begin anew. */
  readonly #again = new Set<string>();
  /** Who asked for those that are being recorded. */
  readonly #asking: string[] = [];
  #turn: Promise<void> | null = null;
  #closing = false;

  constructor(options: EvidenceJobsOptions) {
    this.#options = options;
    this.#files = new JobFiles(options.dir);
    for (const job of this.#files.load()) this.#jobs.set(job.id, job);
  }

  /** Goes on with what the last process left. */
  start(): void {
    for (const job of this.#jobs.values()) {
      if (job.status !== 'running') continue;
      if (job.attempts < ATTEMPTS) this.#put({ ...job, status: 'waiting', step: 'waiting' });
      else {
        const message = `The server ended ${ATTEMPTS} times while the package was being made.`;
        this.#end(job, { status: 'failed', error: { code: 'POSTERN_INTERNAL', message, hint: null } });
      }
    }
    this.#work();
  }

  /**
   * Has a package made.
   *
   * @param record writes down that somebody takes it; answers the record's id
   * @throws PosternError POSTERN_TOO_MANY_REQUESTS where too many wait; what `record` throws
   */
  async create(
    { params, recorded, requestedBy, schedule = null }: NewJob,
    record: (job: string) => Promise<string>,
  ): Promise<EvidenceJob> {
    this.sweep();
    this.#checkQueue(requestedBy);
    const id = uuidv7();
    this.#asking.push(requestedBy.id);
    const recordId = await record(id).finally(() => {
      this.#asking.splice(this.#asking.indexOf(requestedBy.id), 1);
    });
    const job: EvidenceJob = {
      id,
      status: 'waiting',
      params,
      recorded,
      requestedBy,
      schedule,
      requestedAt: this.#now(),
      startedAt: null,
      endedAt: null,
      percent: 0,
      step: 'waiting',
      attempts: 0,
      record: recordId,
      bytes: null,
      sha256: null,
      checkpoint: null,
      expiresAt: null,
      error: null,
      fetchedBy: [],
    };
    this.#files.save(job);
    this.#jobs.set(id, job);
    this.#work();
    return job;
  }

  #checkQueue(by: Ref): void {
    const waiting = [...this.#jobs.values()].filter((job) => !hasEnded(job)).map((job) => job.requestedBy.id);
    checkQueue([...waiting, ...this.#asking], by, this.#options.limits);
  }

  /** Checkpoints of the packages that were made, the last first. */
  *checkpoints(): Generator<string> {
    for (const { checkpoint } of [...this.#jobs.values()].reverse())
      if (checkpoint !== null) yield checkpoint;
  }

  /** The newest first. */
  list(): readonly EvidenceJob[] {
    this.sweep();
    return [...this.#jobs.values()].reverse();
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  get(id: string): EvidenceJob {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new PosternError('POSTERN_NOT_FOUND', 'There is no such evidence job.');
    return job;
  }

  /**
   * Resolves when nothing more becomes of the job by itself.
   *
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_SHUTTING_DOWN
   */
  async ended(id: string): Promise<EvidenceJob> {
    while (!hasEnded(this.get(id))) {
      if (this.#closing) {
        const message = 'The server ends. The package is made after its next start.';
        throw new PosternError('POSTERN_SHUTTING_DOWN', message);
      }
      await new Promise<void>((resolve) => {
        this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), resolve]);
      });
    }
    return this.get(id);
  }

  /** Path of the package. @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT where it is not there, or not any more */
  package(id: string): string {
    const job = this.get(id);
    if (job.status === 'done') return this.#files.package(id);
    const why = job.error === null ? `it is ${job.status}` : `it failed: ${job.error.message}`;
    throw new PosternError('POSTERN_CONFLICT', `The package of this job is not there: ${why}.`);
  }

  /** Whether somebody neither asked for the package nor has fetched it yet: that they take it is to be recorded. */
  isNewTo(id: string, by: Ref): boolean {
    const job = this.get(id);
    return job.requestedBy.id !== by.id && !job.fetchedBy.includes(by.id);
  }

  /** Remembers who fetches a package. */
  fetched(id: string, by: Ref): void {
    const job = this.get(id);
    if (this.isNewTo(id, by)) this.#put({ ...job, fetchedBy: [...job.fetchedBy, by.id] });
  }

  /** Stops a job, or removes its package. @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT where there is neither */
  cancel(id: string): EvidenceJob {
    const job = this.get(id);
    if (hasEnded(job) && job.status !== 'done')
      throw new PosternError('POSTERN_CONFLICT', `The job has ended already: it is ${job.status}.`);
    if (job.status === 'running') this.#unwanted.add(id);
    this.#files.removePackage(id);
    return this.#end(job, { status: 'cancelled' });
  }

  /** After texts were destroyed: no package that may have them is kept, and what is being made is begun anew. */
  forgetTexts(): void {
    for (const job of this.#jobs.values()) {
      if (job.params.statements === 'commitments') continue;
      if (job.status === 'running') this.#again.add(job.id);
      if (job.status !== 'done') continue;
      this.#files.removePackage(job.id);
      this.#put({ ...job, status: 'expired', step: 'removed, since texts were erased' });
    }
  }

  /** Removes packages that were kept long enough. */
  sweep(): void {
    const now = Date.now();
    for (const job of this.#jobs.values()) {
      if (job.status !== 'done' || job.expiresAt === null || Date.parse(job.expiresAt) > now) continue;
      this.#files.removePackage(job.id);
      this.#put({ ...job, status: 'expired' });
    }
    for (const job of this.#jobs.values()) {
      if (this.#jobs.size <= REMEMBERED) break;
      if (!hasEnded(job) || job.status === 'done') continue;
      this.#files.forget(job.id);
      this.#jobs.delete(job.id);
    }
  }

  /** Leaves what is under way for the next start. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const resolve of [...this.#waiters.values()].flat()) resolve();
    this.#waiters.clear();
    await this.#turn;
  }

  #work(): void {
    this.#turn ??= this.#all().finally(() => {
      this.#turn = null;
    });
  }

  async #all(): Promise<void> {
    for (;;) {
      const next = [...this.#jobs.values()].find(({ status }) => status === 'waiting');
      if (next === undefined || this.#closing) return;
      await this.#run(next);
    }
  }

  async #run(waiting: EvidenceJob): Promise<void> {
    const { id } = waiting;
    const started = { attempts: waiting.attempts + 1, startedAt: this.#now(), percent: 0 };
    this.#put({ ...waiting, ...started, status: 'running', step: 'reading the log' });
    try {
      const written = await this.#make(waiting);
      this.#goOn(id);
      const expiresAt = rfc3339((Date.now() + this.#options.limits.keepMs) * 1000);
      if (hasEnded(this.get(id))) this.#files.removePackage(id);
      else this.#end(this.get(id), { ...written, status: 'done', percent: 100, step: 'done', expiresAt });
    } catch (error) {
      this.#failed(id, error);
    } finally {
      this.#unwanted.delete(id);
      this.#again.delete(id);
    }
  }

  async #make({
    id,
    params,
    requestedBy,
  }: EvidenceJob): Promise<WrittenPackage & Pick<EvidenceJob, 'checkpoint'>> {
    this.#checkRoom();
    const folder = await mkdtemp(join(this.#options.workDir, 'evidence-'));
    try {
      const onProgress = (done: number, total: number): void => this.#progress(id, done, total);
      await this.#options.make(params, folder, requestedBy, { onProgress });
      this.#goOn(id);
      this.#say(id, MADE, 'packing');
      const checkpoint = this.#options.checkpointOf(folder);
      return { ...(await this.#pack(id, folder)), checkpoint };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #pack(id: string, folder: string): Promise<WrittenPackage> {
    let looked = 0;
    const onBytes = (bytes: number): void => {
      this.#goOn(id);
      if (bytes - looked < LOOK_EVERY) return;
      looked = bytes;
      this.#checkRoom(bytes);
    };
    return this.#files.write(id, (out) => this.#options.zip(folder, out), onBytes);
  }

  #progress(id: string, done: number, total: number): void {
    this.#goOn(id);
    const percent = total === 0 ? MADE - 10 : Math.floor(((MADE - 10) * done) / total);
    if (percent <= this.get(id).percent) return;
    this.#checkRoom();
    this.#say(id, percent, done >= total ? 'writing reports' : 'reading the log');
  }

  /** Not on the disk: how far a job was is of no use to the next process. */
  #say(id: string, percent: number, step: string): void {
    this.#jobs.set(id, { ...this.get(id), percent, step });
  }

  #goOn(id: string): void {
    if (this.#closing || this.#unwanted.has(id) || this.#again.has(id)) throw new Stopped();
  }

  /** @param more bytes of a package that is not counted yet */
  #checkRoom(more = 0): void {
    const done = [...this.#jobs.values()].filter(({ status }) => status === 'done');
    const kept = done.reduce((sum, { bytes }) => sum + (bytes ?? 0), more);
    checkRoom(kept, this.#files.free(), this.#options.limits);
  }

  #failed(id: string, error: unknown): void {
    // What was stopped for the end of the server stays as it is, to be made again.
    if (error instanceof Stopped && this.#closing) return;
    const job = this.get(id);
    const again = error instanceof Stopped && this.#again.has(id);
    if (again || hasEnded(job)) this.#files.removePackage(id);
    if (hasEnded(job)) return;
    if (again) {
      this.#put({ ...job, status: 'waiting', step: 'waiting', attempts: job.attempts - 1, percent: 0 });
      return;
    }
    const known = error instanceof PosternError ? error : null;
    if (known === null) this.#options.log(`evidence job ${id}: ${String(error)}`);
    const {
      code = 'POSTERN_INTERNAL',
      message = 'The package could not be made; the log of the server says why.',
      hint = null,
    } = known ?? {};
    this.#end(job, { status: 'failed', error: { code, message, hint: hint ?? null } });
  }

  #end(job: EvidenceJob, how: Partial<EvidenceJob>): EvidenceJob {
    const ended = { ...job, ...how, endedAt: this.#now() };
    this.#put(ended);
    for (const resolve of this.#waiters.get(job.id) ?? []) resolve();
    this.#waiters.delete(job.id);
    return ended;
  }

  /** What cannot be written now is true all the same; the next process then makes the package again. */
  #put(job: EvidenceJob): void {
    this.#jobs.set(job.id, job);
    try {
      this.#files.save(job);
    } catch (error) {
      this.#options.log(`evidence job ${job.id}: its state cannot be written: ${String(error)}`);
    }
  }

  #now(): string {
    return rfc3339(nowMicros());
  }
}
