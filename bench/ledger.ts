/**
 * How many records a second the ledger takes and gives:
 * `npm run bench -- ledger [--records N] [--rounds N] [--rate N] [--seconds N] [--dir DIR] [--json]`.
 *
 * - journal: append and flush, with 1, 8 and 64 records in a flush; for 1, also with an fdatasync after each (`power`)
 * - sequencer: journals to leaves, payloads, bundles, tiles and a signed checkpoint, all synced; the same where each statement
 *   has bind values of its own
 * - index: the log to the activity index
 * - verify: full re-derivation of that log
 * - sustained: a thread writes the journal at a rate, and the threads of sequencer and index do what they do in the control
 *   process; how old the oldest record is that a checkpoint covers for the first time
 *
 * Each figure is the median of the rounds; CPU is that of the process, in microseconds per record. Nothing is deleted before
 * all is measured, and the folder should not lie below a busy `/tmp`: ext4 passes over lately deleted inodes one by one when
 * a file is made.
 */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { IndexFollower } from '../src/activity/index-follower.ts';
import { LedgerService } from '../src/activity/ledger-service.ts';
import { DataKeys } from '../src/core/data-keys.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { PayloadStore } from '../src/ledger/payloads.ts';
import { Sequencer } from '../src/ledger/sequencer.ts';
import { verifyLog } from '../src/ledger/verify.ts';
import type { Load } from './support/journal-load.ts';
import { type BenchRecord, recordMaker } from './support/records.ts';
import { median } from './support/statistics.ts';

// As the sequencer's thread has it (`LedgerService`).
setFlagsFromString('--max-semi-space-size=64');

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '10' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
/** Records of a step, as the sequencer's thread takes them when it is behind. */
const STEP = 20_000;
const records = Number(values.records);
const root = mkdtempSync(join(values.dir, 'postern-bench-'));

interface Sample {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

async function measure(count: number, work: () => void | Promise<void>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuMicros: (user + system) / count };
}

const makeRecords = (withValues: boolean): BenchRecord[] =>
  Array.from({ length: records }, recordMaker(withValues));
const KEYS = DataKeys.of(Buffer.alloc(32, 7));

function journalRun(dir: string, input: readonly BenchRecord[], perFlush: number): void {
  const writer = JournalWriter.create(join(dir, 'journal'), 'bench');
  for (let i = 0; i < input.length; ) {
    for (const end = Math.min(i + perFlush, input.length); i < end; i++) {
      const record = input[i] as BenchRecord;
      writer.append(record.json, record.payloads);
    }
    writer.flush();
  }
  writer.close();
}

async function powerRun(dir: string, input: readonly BenchRecord[]): Promise<void> {
  const writer = JournalWriter.create(join(dir, 'journal'), 'power');
  for (const { json, payloads } of input) {
    writer.append(json, payloads);
    writer.flush();
    await writer.sync();
  }
  writer.close();
}

const newFolder = (): string => mkdtempSync(join(root, 'run-'));

async function round(): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  const input = makeRecords(false);
  for (const perFlush of [1, 8]) {
    const work = (): void => journalRun(newFolder(), input, perFlush);
    samples.set(`journal, ${perFlush} per flush`, await measure(records, work));
  }
  const few = input.slice(0, Math.min(2000, records));
  samples.set('journal, 1 per flush, power', await measure(few.length, () => powerRun(newFolder(), few)));
  for (const withValues of [false, true]) {
    const dir = newFolder();
    const own = withValues ? makeRecords(true) : input;
    samples.set('journal, 64 per flush', await measure(records, () => journalRun(dir, own, 64)));
    const payloads = PayloadStore.open(join(dir, 'payloads.db'), KEYS);
    const sequencer = Sequencer.open({ dir, payloads });
    const sequence = (): void => {
      while (sequencer.step(STEP) > 0);
      sequencer.checkpointNow();
    };
    samples.set(`sequencer${withValues ? ', bind values' : ''}`, await measure(records, sequence));
    const { vkey, size } = sequencer;
    sequencer.close();
    payloads.close();
    samples.set('index', await measure(records, () => IndexFollower.open(dir, size).close()));
    const verify = (): void => {
      for (const finding of verifyLog({ dir: join(dir, 'log'), vkey })) throw new Error(finding.message);
    };
    samples.set('verify', await measure(records, verify));
  }
  return samples;
}

interface Sustained {
  readonly offered: number;
  /** Until everything was in log and index. */
  readonly taken: number;
  /** Of journal, sequencer and index. */
  readonly cpuMicros: number;
  /** Age of the oldest record that a checkpoint covers for the first time, milliseconds. */
  readonly lagMs: { readonly median: number; readonly max: number };
}

async function sustained(withValues: boolean): Promise<Sustained> {
  const dir = newFolder();
  const service = await LedgerService.start({ dataDir: dir, keys: KEYS });
  const load: Load = {
    dir: join(dir, 'journal'),
    perSecond: Number(values.rate),
    seconds: Number(values.seconds),
    withValues,
  };
  const first = service.status().size;
  const usage = process.cpuUsage();
  const start = performance.now();
  const writer = new Worker(new URL('./support/journal-load.ts', import.meta.url), { workerData: load });
  const lags: number[] = [];
  let covered = first;
  const look = setInterval(() => {
    const { size } = service.status();
    if (size === covered) return;
    // The writer keeps to its rate, so the time of a record follows from its number.
    lags.push(performance.now() - start - ((covered - first) / load.perSecond) * 1000);
    covered = size;
  }, 10);
  const [written] = (await once(writer, 'message')) as [number];
  await service.flush();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(usage);
  clearInterval(look);
  await service.close();
  return {
    offered: load.perSecond,
    taken: Math.round(written / seconds),
    cpuMicros: (user + system) / written,
    lagMs: { median: Math.round(median(lags)), max: Math.round(Math.max(...lags)) },
  };
}

try {
  const rounds: Map<string, Sample>[] = [];
  for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round());
  const results = [...(rounds[0]?.keys() ?? [])].map((what) => {
    const samples = rounds.flatMap((one) => one.get(what) ?? []);
    return {
      what,
      perSecond: Math.round(median(samples.map(({ perSecond }) => perSecond))),
      cpuMicros: Number(median(samples.map(({ cpuMicros }) => cpuMicros)).toFixed(2)),
    };
  });
  const steady = {
    sustained: await sustained(false),
    'sustained, bind values': await sustained(true),
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ records, rounds: rounds.length, results, steady }, null, 2)}\n`);
  } else {
    for (const { what, perSecond, cpuMicros } of results) {
      process.stdout.write(
        `${what.padEnd(30)} ${perSecond.toLocaleString('en').padStart(10)} records/s ${cpuMicros.toFixed(2).padStart(8)} µs CPU\n`,
      );
    }
    for (const [what, { offered, taken, cpuMicros, lagMs }] of Object.entries(steady)) {
      process.stdout.write(
        `${what}: ${taken.toLocaleString('en')} of ${offered.toLocaleString('en')} records/s, ` +
          `${cpuMicros.toFixed(2)} µs CPU, checkpoint lag ${lagMs.median} ms, at most ${lagMs.max} ms\n`,
      );
    }
  }
} finally {
  rmSync(root, { recursive: true });
}
