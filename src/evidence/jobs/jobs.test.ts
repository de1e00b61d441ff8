/** Packages are made one at a time, again after a crash, and never shown before they are whole. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EvidenceJob } from './job.ts';
import { evidenceJobs, ROOMY } from './jobs.fixture.ts';
import type { EvidenceJobsOptions } from './jobs.ts';

const ANA = { id: 'ana', name: 'Ana Admin' };
const BEN = { id: 'ben', name: 'Ben Auditor' };
const recorded = async (): Promise<string> => 'record-1';

function folder(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-jobs-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Something that waits until it is let go on. */
function gate(): { readonly open: () => void; readonly wait: Promise<void> } {
  let open = (): void => undefined;
  const wait = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, wait };
}

const ask = (principal?: string, requestedBy = ANA) => ({ params: { principal }, recorded: {}, requestedBy });

test('jobs are made one at a time, in the order in which they were asked for, and their packages are whole', async (context) => {
  const dir = folder(context);
  const made: unknown[] = [];
  let at = 0;
  const jobs = evidenceJobs(dir, {
    make: async (params, outDir) => {
      assert.equal(++at, 1);
      writeFileSync(join(outDir, 'file'), 'x');
      await new Promise((done) => setImmediate(done));
      made.push(params.principal);
      at -= 1;
    },
  });
  const all: EvidenceJob[] = [];
  for (const n of ['1', '2', '3']) all.push(await jobs.create(ask(n), recorded));
  assert.throws(() => jobs.package(all[2]?.id ?? ''), /it is (waiting|running)/);
  for (const { id } of all) {
    const job = await jobs.ended(id);
    assert.deepEqual([job.status, job.percent, job.bytes, job.record], ['done', 100, 3, 'record-1']);
    assert.equal(readFileSync(jobs.package(id), 'utf8'), 'zip');
  }
  assert.deepEqual(made, ['1', '2', '3']);
  assert.deepEqual(readdirSync(join(dir, 'work')), []);
  assert.deepEqual(
    jobs.list().map(({ params }) => params.principal),
    ['3', '2', '1'],
  );
});

test('what is not recorded is not made, and what fails says why', async (context) => {
  const jobs = evidenceJobs(folder(context), {
    make: async () => {
      throw new Error('secret detail');
    },
  });
  await assert.rejects(
    jobs.create(ask(), async () => {
      throw new Error('no journal');
    }),
    /no journal/,
  );
  assert.deepEqual(jobs.list(), []);
  const { id } = await jobs.create(ask(), recorded);
  const { status, error } = await jobs.ended(id);
  assert.equal(status, 'failed');
  assert.deepEqual(error?.message, 'The package could not be made; the log of the server says why.');
  assert.throws(() => jobs.package(id), /it failed: The package could not be made/);
});

test('what the last process left half done is made again after the start, and never shown', async (context) => {
  const dir = folder(context);
  const held = gate();
  const make: EvidenceJobsOptions['make'] = async (_params, _out, _by, { onProgress }) => {
    onProgress(1, 2);
    await held.wait;
    onProgress(2, 2);
  };
  const first = evidenceJobs(dir, { make });
  const running = await first.create(ask('1'), recorded);
  const waiting = await first.create(ask('2'), recorded);
  // It is killed: nothing is closed. A package had been begun.
  writeFileSync(join(dir, 'evidence', `${running.id}.zip.partial`), 'half');
  const second = evidenceJobs(dir, {});
  assert.throws(() => second.package(running.id), /it is running/);
  second.start();
  for (const { id } of [running, waiting]) {
    assert.equal((await second.ended(id)).status, 'done');
    assert.equal(readFileSync(second.package(id), 'utf8'), 'zip');
  }
  assert.equal(second.get(running.id).attempts, 2);
  assert.equal(existsSync(join(dir, 'evidence', `${running.id}.zip.partial`)), false);
  held.open();
  await first.close();
});

test('a job during which the server ends again and again is given up', async (context) => {
  const dir = folder(context);
  const never = gate();
  const make = (): Promise<void> => never.wait;
  const { id } = await evidenceJobs(dir, { make }).create(ask(), recorded);
  for (let i = 0; i < 2; i++) evidenceJobs(dir, { make }).start();
  const last = evidenceJobs(dir, { make });
  last.start();
  assert.match(last.get(id).error?.message ?? '', /The server ended 3 times/);
});

test('a server that is closed leaves what is under way to the next', async (context) => {
  const dir = folder(context);
  const held = gate();
  const jobs = evidenceJobs(dir, {
    make: async (_params, _out, _by, { onProgress }) => {
      await held.wait;
      onProgress(1, 1);
    },
  });
  const { id } = await jobs.create(ask(), recorded);
  const ended = assert.rejects(jobs.ended(id), { code: 'POSTERN_SHUTTING_DOWN' });
  const closed = jobs.close();
  await ended;
  held.open();
  await closed;
  assert.equal(jobs.get(id).status, 'running');
  const next = evidenceJobs(dir, {});
  next.start();
  assert.equal((await next.ended(id)).status, 'done');
});

test('a job is cancelled while it waits, while it runs and when it is done, and its package is gone', async (context) => {
  const dir = folder(context);
  const held = gate();
  let begun = 0;
  const jobs = evidenceJobs(dir, {
    make: async (_params, _out, _by, { onProgress }) => {
      begun += 1;
      await held.wait;
      onProgress(1, 1);
    },
  });
  const running = await jobs.create(ask(), recorded);
  const waiting = await jobs.create(ask(), recorded);
  const last = await jobs.create(ask(), recorded);
  assert.equal(jobs.cancel(waiting.id).status, 'cancelled');
  assert.equal(jobs.cancel(running.id).status, 'cancelled');
  held.open();
  assert.equal((await jobs.ended(last.id)).status, 'done');
  assert.equal(begun, 2);
  assert.equal(jobs.get(running.id).status, 'cancelled');
  jobs.cancel(last.id);
  assert.throws(() => jobs.package(last.id), /it is cancelled/);
  assert.throws(() => jobs.cancel(last.id), /ended already/);
  assert.equal(
    readdirSync(join(dir, 'evidence')).some((name) => name.includes('zip')),
    false,
  );
});

test('when texts are erased, no package that may have them is kept, and what is being made begins anew', async (context) => {
  const dir = folder(context);
  const held = gate();
  let begun = 0;
  const jobs = evidenceJobs(dir, {
    make: async (params, _out, _by, { onProgress }) => {
      if (params.principal === 'slow' && ++begun === 1) await held.wait;
      onProgress(1, 1);
    },
  });
  const full = await jobs.create(ask(), recorded);
  const hashes = await jobs.create({ ...ask(), params: { statements: 'commitments' } }, recorded);
  for (const { id } of [full, hashes]) await jobs.ended(id);
  const slow = await jobs.create(ask('slow'), recorded);
  await new Promise((done) => setTimeout(done, 20));
  jobs.forgetTexts();
  assert.throws(() => jobs.package(full.id), /it is expired/);
  assert.equal(existsSync(join(dir, 'evidence', `${full.id}.zip`)), false);
  assert.equal(readFileSync(jobs.package(hashes.id), 'utf8'), 'zip');
  held.open();
  assert.equal((await jobs.ended(slow.id)).status, 'done');
  assert.equal(begun, 2);
  assert.equal(jobs.get(slow.id).attempts, 1);
});

test('nobody fills the queue: neither one person nor all together', async (context) => {
  const never = gate();
  const jobs = evidenceJobs(folder(context), { make: () => never.wait });
  for (let i = 0; i < 3; i++) await jobs.create(ask(), recorded);
  await assert.rejects(jobs.create(ask(), recorded), { code: 'POSTERN_TOO_MANY_REQUESTS' });
  for (let i = 0; i < 2; i++) await jobs.create(ask(undefined, BEN), recorded);
  await assert.rejects(jobs.create(ask(undefined, { id: 'c', name: 'C' }), recorded), {
    code: 'POSTERN_TOO_MANY_REQUESTS',
  });
});

test('asked for all at once, no more are taken than may wait', async (context) => {
  const never = gate();
  const jobs = evidenceJobs(folder(context), { make: () => never.wait });
  const slow = async (): Promise<string> => {
    await new Promise((done) => setImmediate(done));
    return 'r';
  };
  const asked = await Promise.allSettled(Array.from({ length: 9 }, () => jobs.create(ask(), slow)));
  assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 3);
});

test('no package is made where the disk has too little room for the records, or the packages take too much', async (context) => {
  const full = evidenceJobs(folder(context), { limits: { ...ROOMY, free: Number.MAX_SAFE_INTEGER } });
  const { id } = await full.create(ask(), recorded);
  assert.match((await full.ended(id)).error?.message ?? '', /too little room on the disk/);
  const small = evidenceJobs(folder(context), { limits: { ...ROOMY, bytes: 5 } });
  const told: (string | null)[] = [];
  for (let i = 0; i < 3; i++) {
    const job = await small.create(ask(), recorded);
    told.push((await small.ended(job.id)).error?.code ?? null);
  }
  // Three bytes each: the second goes beyond five, and the third finds them taken.
  assert.deepEqual(told, [null, null, 'POSTERN_CONFLICT']);
});

test('a package that is kept long enough is removed, and that it was there is remembered', async (context) => {
  const dir = folder(context);
  const jobs = evidenceJobs(dir, { limits: { ...ROOMY, keepMs: 1 } });
  const { id } = await jobs.create(ask(), recorded);
  await jobs.ended(id);
  await new Promise((done) => setTimeout(done, 5));
  assert.equal(jobs.list()[0]?.status, 'expired');
  assert.throws(() => jobs.package(id), /it is expired/);
  assert.equal(existsSync(join(dir, 'evidence', `${id}.zip`)), false);
});

test('that another than who asked for it fetches a package is new once', async (context) => {
  const dir = folder(context);
  const jobs = evidenceJobs(dir, {});
  const { id } = await jobs.create(ask(), recorded);
  await jobs.ended(id);
  assert.deepEqual([jobs.isNewTo(id, ANA), jobs.isNewTo(id, BEN)], [false, true]);
  jobs.fetched(id, BEN);
  assert.equal(jobs.isNewTo(id, BEN), false);
  assert.equal(evidenceJobs(dir, {}).isNewTo(id, BEN), false);
});
