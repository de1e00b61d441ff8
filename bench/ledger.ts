/**
 * How many records a second the ledger takes and gives: `npm run bench -- ledger [--records N] [--rounds N] [--json]`.
 *
 * - journal: append and flush, with 1, 8 and 64 records in a flush; for 1, also with an fdatasync after each (`power`)
 * - sequencer: journals to leaves, payloads, bundles, tiles and a signed checkpoint, all synced
 * - verify: full re-derivation of that log
 *
 * Each figure is the median of the rounds; CPU is that of the process, in microseconds per record.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { uuidv7 } from '../src/core/ids.ts';
import type { Payload } from '../src/core/record.ts';
import { nowMicros, rfc3339 } from '../src/core/time.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { PayloadStore } from '../src/ledger/payloads.ts';
import { Sequencer } from '../src/ledger/sequencer.ts';
import { verifyLog } from '../src/ledger/verify.ts';
import { median } from './support/statistics.ts';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const records = Number(values.records);

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

/** Intents and outcomes as the gateway writes them, from 20 principals with 100 distinct statements. */
function makeRecords(): { readonly json: string; readonly payloads: readonly Payload[] | undefined }[] {
  const statements = Array.from({ length: 100 }, (_, i) =>
    Buffer.from(`insert into ledger.entries (account, amount, note) values ($1, $2, $3) /* ${i} */`),
  );
  const session = uuidv7();
  const resource = { id: uuidv7(), name: 'ledger-db' };
  const principals = Array.from({ length: 20 }, (_, i) => ({ id: uuidv7(), name: `nightly-batch-${i}` }));
  return Array.from({ length: records }, (_, i) => {
    const principal = principals[i % principals.length];
    const base = { id: uuidv7(), time: rfc3339(nowMicros()) };
    const actor = { kind: 'principal', ...principal };
    const intent = i % 2 === 0;
    const json = intent
      ? {
          ...base,
          type: 'command.intent',
          actor,
          principal,
          session,
          resource,
          protocol: 'postgres',
          verbs: ['insert', 'select'],
          objects: ['ledger.accounts', 'ledger.entries'],
          fingerprint: 'a0ead580058af585',
          grant: session,
          decision: { effect: 'allow', rule: 'insert, select on ledger.*' },
        }
      : {
          ...base,
          type: 'command.outcome',
          actor,
          principal,
          session,
          resource,
          intent: session,
          status: 'ok',
          code: 'INSERT 0 1',
          rows: 1,
          bytes: 15,
          durationUs: 180,
        };
    const data = statements[i % statements.length] as Buffer;
    return {
      json: JSON.stringify(json),
      payloads: intent ? [{ kind: 'statement' as const, data }] : undefined,
    };
  });
}

function journalRun(dir: string, input: ReturnType<typeof makeRecords>, perFlush: number): void {
  const writer = JournalWriter.create(join(dir, 'journal'), 'bench');
  for (let i = 0; i < input.length; ) {
    for (const end = Math.min(i + perFlush, input.length); i < end; i++) {
      const record = input[i] as (typeof input)[number];
      writer.append(record.json, record.payloads);
    }
    writer.flush();
  }
  writer.close();
}

async function powerRun(dir: string, input: ReturnType<typeof makeRecords>): Promise<void> {
  const writer = JournalWriter.create(join(dir, 'journal'), 'power');
  for (const { json, payloads } of input) {
    writer.append(json, payloads);
    writer.flush();
    await writer.sync();
  }
  writer.close();
}

async function inTemporary<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function round(): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  for (const perFlush of [1, 8]) {
    const input = makeRecords();
    await inTemporary(async (dir) => {
      samples.set(
        `journal, ${perFlush} per flush`,
        await measure(records, () => journalRun(dir, input, perFlush)),
      );
    });
  }
  const few = makeRecords().slice(0, Math.min(2000, records));
  await inTemporary(async (dir) => {
    samples.set('journal, 1 per flush, power', await measure(few.length, () => powerRun(dir, few)));
  });
  await inTemporary(async (dir) => {
    const input = makeRecords();
    samples.set('journal, 64 per flush', await measure(records, () => journalRun(dir, input, 64)));
    const payloads = PayloadStore.open(join(dir, 'payloads.db'), Buffer.alloc(32, 7));
    const sequencer = Sequencer.open({ dir, payloads });
    const sequence = (): void => {
      while (sequencer.step() > 0);
      sequencer.checkpointNow();
    };
    samples.set('sequencer', await measure(records, sequence));
    const { vkey } = sequencer;
    sequencer.close();
    payloads.close();
    const verify = (): void => {
      for (const finding of verifyLog({ dir: join(dir, 'log'), vkey })) throw new Error(finding.message);
    };
    samples.set('verify', await measure(records, verify));
  });
  return samples;
}

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
if (values.json) {
  process.stdout.write(`${JSON.stringify({ records, rounds: rounds.length, results }, null, 2)}\n`);
} else {
  for (const { what, perSecond, cpuMicros } of results) {
    process.stdout.write(
      `${what.padEnd(30)} ${perSecond.toLocaleString('en').padStart(10)} records/s ${cpuMicros.toFixed(2).padStart(8)} µs CPU\n`,
    );
  }
}
