/**
 * How many records a second the ledger takes and gives:
 * `npm run bench -- ledger [--records N] [--rounds N] [--rate N] [--seconds N] [--dir DIR] [--json]`.
 *
 * - journal: append and flush, with 1, 8 and 64 records in a flush; for 1, also with an fdatasync after each (`power`)
 * - sequencer: journals to leaves, payloads, bundles, tiles and a signed checkpoint, all synced; then the same with the
 *   activity index, which the sequencer's thread feeds
 * - verify: full re-derivation of that log
 * - sustained: a thread writes the journal at a rate, the sequencer takes it in and signs a checkpoint each second; how old
 *   the oldest record is that a checkpoint covers for the first time
 *
 * Each figure is the median of the rounds; CPU is that of the process, in microseconds per record. Nothing is deleted before
 * all is measured: ext4 passes over lately deleted inodes one by one when a file is made.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
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

const makeRecords = (): BenchRecord[] => Array.from({ length: records }, recordMaker());

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

function openLog(dir: string): { sequencer: Sequencer; close: () => void } {
  const payloads = PayloadStore.open(join(dir, 'payloads.db'), Buffer.alloc(32, 7));
  const sequencer = Sequencer.open({ dir, payloads });
  const close = (): void => {
    for (const part of [sequencer, payloads]) part.close();
  };
  return { sequencer, close };
}

async function round(): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  const input = makeRecords();
  for (const perFlush of [1, 8]) {
    const work = (): void => journalRun(newFolder(), input, perFlush);
    samples.set(`journal, ${perFlush} per flush`, await measure(records, work));
  }
  const few = input.slice(0, Math.min(2000, records));
  samples.set('journal, 1 per flush, power', await measure(few.length, () => powerRun(newFolder(), few)));
  for (const what of ['sequencer']) {
    const dir = newFolder();
    samples.set('journal, 64 per flush', await measure(records, () => journalRun(dir, input, 64)));
    const { sequencer, close } = openLog(dir);
    const sequence = (): void => {
      while (sequencer.step() > 0);
      sequencer.checkpointNow();
    };
    samples.set(what, await measure(records, sequence));
    const { vkey } = sequencer;
    close();
    const verify = (): void => {
      for (const finding of verifyLog({ dir: join(dir, 'log'), vkey })) throw new Error(finding.message);
    };
    samples.set('verify', await measure(records, verify));
  }
  return samples;
}

interface Sustained {
  readonly offered: number;
  readonly taken: number;
  readonly cpuMicros: number;
  /** Age of the oldest record that a checkpoint covers for the first time, milliseconds. */
  readonly lagMs: { readonly median: number; readonly max: number };
}

async function sustained(): Promise<Sustained> {
  const dir = newFolder();
  const { sequencer, close } = openLog(dir);
  const load: Load = {
    dir: join(dir, 'journal'),
    perSecond: Number(values.rate),
    seconds: Number(values.seconds),
  };
  const start = performance.now();
  const writer = new Worker(new URL('./support/journal-load.ts', import.meta.url), { workerData: load });
  let written = Number.POSITIVE_INFINITY;
  writer.once('message', (count: number) => {
    written = count;
  });
  const first = sequencer.size;
  const lags: number[] = [];
  let signedAt = start;
  const usage = process.cpuUsage();
  while (sequencer.size - first < written) {
    sequencer.step();
    const now = performance.now();
    if (now - signedAt >= 1000 || sequencer.size - first >= written) {
      const covered = sequencer.checkpoint === null ? 0 : coveredBy(sequencer.checkpoint) - first;
      sequencer.checkpointNow();
      // The writer keeps to its rate, so the time of a record follows from its number.
      lags.push(performance.now() - start - (Math.max(covered, 0) / load.perSecond) * 1000);
      signedAt = now;
    }
    await sleep(sequencer.behind ? 0 : 50);
  }
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(usage);
  close();
  return {
    offered: load.perSecond,
    taken: Math.round(written / seconds),
    cpuMicros: (user + system) / written,
    lagMs: { median: Math.round(median(lags)), max: Math.round(Math.max(...lags)) },
  };
}

function coveredBy(note: string): number {
  return Number(note.split('\n')[1]);
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
    'journal and sequencer': await sustained(),
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
        `sustained: ${what}: ${taken.toLocaleString('en')} of ${offered.toLocaleString('en')} records/s, ` +
          `${cpuMicros.toFixed(2)} µs CPU, checkpoint lag ${lagMs.median} ms, at most ${lagMs.max} ms\n`,
      );
    }
  }
} finally {
  rmSync(root, { recursive: true });
}
