/** Makes the packages of schedules: one of each period that is over, once, however often the server was away. */
import { constants, copyFileSync, existsSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../../core/errors.ts';
import { SYSTEM } from '../../identity/persons.ts';
import type { EvidenceSchedule } from '../../store/entities.ts';
import { writePrivate } from '../../store/files.ts';
import { chooseFramework } from '../assess/choose.ts';
import type { Period } from '../assess/types.ts';
import { duePeriods } from './due-periods.ts';
import { type EvidenceJob, hasEnded } from './job.ts';
import type { EvidenceJobs } from './jobs.ts';

export interface SchedulerOptions {
  readonly jobs: EvidenceJobs;
  /** Where it remembers which periods are done. */
  readonly file: string;
  /** Folders to which packages may be put, by the configuration. */
  readonly folders: readonly string[];
  /** Writes down that a package is taken. */
  readonly record: (recorded: object) => Promise<string>;
  readonly log: (message: string) => void;
}

/** A period of which no package could be made is tried again after this, in milliseconds. */
const AGAIN_MS = 3_600_000;

/**
 * Whether a folder is one to which packages may be put.
 *
 * @throws PosternError POSTERN_INVALID where it is not, with what is
 */
export function checkFolder(to: string, folders: readonly string[]): void {
  const real = existsSync(to) ? realpathSync(to) : null;
  const allowed = folders.filter((folder) => existsSync(folder)).map((folder) => realpathSync(folder));
  if (real !== null && allowed.some((folder) => real === folder || real.startsWith(`${folder}/`))) return;
  throw new PosternError(
    'POSTERN_INVALID',
    `Packages may not be put to ${JSON.stringify(to.slice(0, 200))} on this server.`,
    folders.length === 0
      ? 'Name the folders that they may be put to in the configuration of the server: evidence.folders.'
      : `They may be put to: ${folders.join(', ')}.`,
  );
}

export class EvidenceScheduler {
  readonly #options: SchedulerOptions;
  /** By schedule: when the last period ended that is done. */
  readonly #done: Map<string, string>;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { file } = options;
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '{}';
    this.#done = new Map(Object.entries(JSON.parse(text) as Record<string, string>));
  }

  /** Looks at all schedules; one that fails keeps no other from its turn. @param now milliseconds */
  async look(schedules: readonly EvidenceSchedule[], now: number): Promise<void> {
    for (const schedule of schedules) {
      try {
        await this.#lookAt(schedule, now);
      } catch (error) {
        this.#options.log(`evidence schedule ${schedule.name}: ${(error as Error).message}`);
      }
    }
  }

  /** The period whose package is made next, and from when on. @param now milliseconds */
  next(schedule: EvidenceSchedule, now: number): Period | null {
    return this.#due(schedule, now)[0] ?? null;
  }

  #due(schedule: EvidenceSchedule, now: number): Period[] {
    return duePeriods(schedule, this.#done.get(schedule.id) ?? schedule.createdAt, now);
  }

  async #lookAt(schedule: EvidenceSchedule, now: number): Promise<void> {
    for (const period of this.#due(schedule, now)) {
      const job = this.#jobOf(schedule, period);
      if (job === null || this.#isToTryAgain(job, now)) return this.#ask(schedule, period);
      // The next period comes when this one is done.
      if (job.status !== 'done') return;
      if (schedule.to !== null) this.#deliver(schedule, period, job);
      this.#finish(schedule, period);
    }
  }

  /** The last job of a period. */
  #jobOf(schedule: EvidenceSchedule, period: Period): EvidenceJob | null {
    const all = this.#options.jobs.list();
    return all.find((job) => job.schedule?.id === schedule.id && job.schedule.period === period.name) ?? null;
  }

  #isToTryAgain(job: EvidenceJob, now: number): boolean {
    return hasEnded(job) && job.status !== 'done' && now - Date.parse(job.endedAt ?? '') > AGAIN_MS;
  }

  async #ask(schedule: EvidenceSchedule, period: Period): Promise<void> {
    const { id, name, statements, parts } = schedule;
    const choice = {
      ...(schedule.framework !== null && { framework: schedule.framework }),
      period: period.name,
    };
    const { framework } = chooseFramework({ ...choice, zone: schedule.zone });
    const said = { statements, parts, period };
    const recorded = { ...said, ...(framework !== null && { framework: framework.ref }), schedule: name };
    const params = { ...said, ...(framework !== null && { framework }) };
    const requestedBy = { id: SYSTEM.id, name: SYSTEM.name };
    await this.#options.jobs.create(
      { params, recorded, requestedBy, schedule: { id, name, period: period.name } },
      (job) => this.#options.record({ ...recorded, job }),
    );
  }

  /** Puts the package to its folder, where it appears only when it is whole. One that is there already stays. */
  #deliver({ name, to }: EvidenceSchedule, period: Period, job: EvidenceJob): void {
    const folder = to as string;
    checkFolder(folder, this.#options.folders);
    const path = join(folder, `${name}-${period.name}.zip`);
    if (existsSync(path)) return;
    const partial = `${path}.partial`;
    rmSync(partial, { force: true });
    copyFileSync(this.#options.jobs.package(job.id), partial, constants.COPYFILE_EXCL);
    renameSync(partial, path);
    this.#options.log(`evidence schedule ${name}: ${path}`);
  }

  #finish({ id }: EvidenceSchedule, { until }: Period): void {
    this.#done.set(id, until);
    writePrivate(this.#options.file, `${JSON.stringify(Object.fromEntries(this.#done))}\n`);
  }
}
