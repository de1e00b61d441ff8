/** Each period has its package, once, whatever happens to the server. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EvidenceSchedule } from '../../store/entities.ts';
import { duePeriods } from './due-periods.ts';
import { evidenceJobs } from './jobs.fixture.ts';
import type { EvidenceJobs } from './jobs.ts';
import { checkFolder, EvidenceScheduler } from './scheduler.ts';

const SCHEDULE: EvidenceSchedule = {
  id: 's-1',
  name: 'quarterly',
  every: 'quarter',
  at: '06:00',
  zone: 'UTC',
  framework: 'nist-800-53',
  statements: 'masked',
  parts: [],
  to: null,
  status: 'active',
  statusReason: null,
  createdAt: '2026-05-15T00:00:00.000000Z',
};

function folder(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-schedule-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function scheduler(dir: string, jobs: EvidenceJobs, folders: readonly string[] = []) {
  const recorded: object[] = [];
  const told: string[] = [];
  const made = new EvidenceScheduler({
    jobs,
    file: join(dir, 'schedules.json'),
    folders,
    record: async (what) => `r-${recorded.push(what)}`,
    log: (message) => void told.push(message),
  });
  return { recorded, told, made };
}

const at = (time: string): number => Date.parse(time);
const settled = async (jobs: EvidenceJobs): Promise<void> => {
  for (const { id } of jobs.list()) await jobs.ended(id);
};

test('a period is due at its hour after it is over, from the one in which the schedule was made, in its zone', () => {
  const names = (schedule: Partial<EvidenceSchedule>, now: string, from = SCHEDULE.createdAt) =>
    duePeriods({ ...SCHEDULE, ...schedule }, from, at(now)).map(({ name }) => name);
  assert.deepEqual(names({}, '2026-07-01T05:59:59Z'), []);
  assert.deepEqual(names({}, '2026-07-01T06:00:00Z'), ['2026-Q2']);
  assert.deepEqual(names({}, '2027-01-02T00:00:00Z'), ['2026-Q2', '2026-Q3', '2026-Q4']);
  assert.deepEqual(names({}, '2027-01-02T00:00:00Z', '2026-10-01T00:00:00.000000Z'), ['2026-Q4']);
  assert.deepEqual(names({ every: 'month' }, '2026-08-01T06:00:00Z'), ['2026-05', '2026-06', '2026-07']);
  assert.deepEqual(names({ every: 'year' }, '2027-01-01T06:00:00Z'), ['2026']);
  // In Auckland the year begins when it is eleven in the morning of the day before in UTC.
  const auckland = { zone: 'Pacific/Auckland', at: '00:00', every: 'year' } as const;
  assert.deepEqual(names(auckland, '2026-12-31T11:00:00Z'), ['2026']);
  assert.deepEqual(names(auckland, '2026-12-31T10:59:00Z'), []);
  assert.deepEqual(names(auckland, '2026-12-31T11:00:00Z', '2025-12-31T11:00:00Z'), ['2026']);
});

test('what was missed while the server was away is made up, one after the other, each once and recorded', async (context) => {
  const dir = folder(context);
  const made: unknown[] = [];
  const make = async (params: { readonly period?: { readonly name: string } | undefined }): Promise<void> =>
    void made.push(params.period?.name);
  const jobs = evidenceJobs(dir, { make });
  const now = at('2027-01-05T00:00:00Z');
  const { made: first, recorded } = scheduler(dir, jobs);
  for (let i = 0; i < 4; i++) {
    await first.look([SCHEDULE], now);
    await first.look([SCHEDULE], now);
    await settled(jobs);
  }
  assert.deepEqual(made, ['2026-Q2', '2026-Q3', '2026-Q4']);
  assert.equal(recorded.length, 3);
  assert.equal((recorded[0] as { schedule: string }).schedule, 'quarterly');
  // Another process knows it, even where the jobs are forgotten.
  const other = join(dir, 'other');
  mkdirSync(other);
  const later = scheduler(dir, evidenceJobs(other, { make }));
  await later.made.look([SCHEDULE], now);
  assert.equal(later.recorded.length, 0);
  assert.equal(later.made.next(SCHEDULE, at('2027-04-02T00:00:00Z'))?.name, '2027-Q1');
});

test('a package that could not be made is tried again after an hour, and no period is passed over', async (context) => {
  const dir = folder(context);
  let broken = true;
  const jobs = evidenceJobs(dir, {
    make: async () => {
      if (broken) throw new Error('disk');
    },
  });
  const { made } = scheduler(dir, jobs);
  const now = Date.now();
  const schedule = { ...SCHEDULE, createdAt: new Date(now - 200 * 86_400_000).toISOString() };
  await made.look([schedule], now);
  await settled(jobs);
  await made.look([schedule], now);
  assert.equal(jobs.list().length, 1);
  broken = false;
  await made.look([schedule], now + 3_700_000);
  await settled(jobs);
  assert.deepEqual(
    jobs.list().map(({ status, schedule: of }) => [status, of?.period]),
    [
      ['done', jobs.list()[1]?.schedule?.period],
      ['failed', jobs.list()[0]?.schedule?.period],
    ],
  );
});

test('a package is put to its folder whole, and never over one that is there', async (context) => {
  const dir = folder(context);
  const to = join(dir, 'out');
  mkdirSync(to);
  const jobs = evidenceJobs(dir, {});
  const { made } = scheduler(dir, jobs, [to]);
  const schedule = { ...SCHEDULE, to };
  const now = at('2026-07-02T00:00:00Z');
  await made.look([schedule], now);
  await settled(jobs);
  await made.look([schedule], now);
  assert.deepEqual(readdirSync(to), ['quarterly-2026-Q2.zip']);
  assert.equal(readFileSync(join(to, 'quarterly-2026-Q2.zip'), 'utf8'), 'zip');
});

test('nothing is put to a folder that the configuration does not name, or that leads elsewhere', async (context) => {
  const dir = folder(context);
  const [allowed, other] = [join(dir, 'allowed'), join(dir, 'allowed-not')];
  for (const each of [allowed, other, join(allowed, 'below')]) mkdirSync(each);
  symlinkSync(other, join(allowed, 'link'));
  checkFolder(allowed, [allowed]);
  checkFolder(join(allowed, 'below'), [allowed]);
  for (const to of [
    other,
    join(allowed, 'link'),
    join(allowed, '..'),
    join(allowed, 'absent'),
    '/',
    'allowed',
  ]) {
    assert.throws(() => checkFolder(to, [allowed]), { code: 'POSTERN_INVALID' }, to);
  }
  assert.throws(() => checkFolder(allowed, []), /may not be put/);
  // A folder that was replaced by a link after the schedule was made.
  const jobs = evidenceJobs(dir, {});
  const { made, told } = scheduler(dir, jobs, [allowed]);
  const schedule = { ...SCHEDULE, to: join(allowed, 'link') };
  await made.look([schedule], at('2026-07-02T00:00:00Z'));
  await settled(jobs);
  await made.look([schedule], at('2026-07-02T00:00:00Z'));
  assert.match(told.join(), /may not be put to/);
  assert.deepEqual(readdirSync(other), []);
});
