/**
 * What recording adds to a statement, by durability, and how long a record waits for a signed checkpoint meanwhile:
 *
 *   npm run bench -- ledger-latency [--rounds 3] [--seconds 3] [--clients 1,8,64] [--mode extended] [--json]
 *
 * pgbench's select-only script through the bare relay (`bench/relay.ts`), through Postern with durability `process` and with
 * `power`, in turns. *Added* is the difference of the median latencies to the relay's in the same round. *Checkpoint lag* is the age of the
 * newest record that lies under the published checkpoint, looked at ten times a second.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ensureDebianPackages, PGBENCH } from '../scripts/need.ts';
import { parseCheckpoint } from '../src/ledger/checkpoint.ts';
import { readEntry, TileStore } from '../src/ledger/tiles.ts';
import { startPostgres } from '../test/support/postgres.ts';
import type { BenchDatabase, Leg } from './support/leg.ts';
import { LEGS } from './support/legs.ts';
import { fill, type Measurement, type Mode, measure } from './support/pgbench.ts';
import { startPostern } from './support/postern.ts';
import { median, medianRatio } from './support/statistics.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '1,8,64' },
    mode: { type: 'string', default: 'extended' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(given.rounds);
const seconds = Number(given.seconds);
const LOOK_MS = 100;

interface Sample extends Measurement {
  /** Milliseconds; empty for the relay. */
  readonly lags: readonly number[];
}

interface Row {
  readonly clients: number;
  readonly leg: string;
  readonly tps: number;
  readonly toRelay: number;
  readonly latencyMicros: number;
  readonly addedMicros: number;
  readonly lagMillis: number | null;
  readonly longestLagMillis: number | null;
}

ensureDebianPackages([PGBENCH]);
const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
const postgres = await startPostgres({
  databases: ['bench'],
  hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'],
});
const legs = new Map<string, Leg & { readonly dataDir?: string }>();
try {
  const caFile = join(directory, 'server-ca.crt');
  writeFileSync(caFile, postgres.caPem);
  const bench: BenchDatabase = { postgres, database: 'bench', caFile, directory };
  const relay = await leg('relay', bench);
  await fill(await leg('direct', bench), 10);
  legs.set('relay', relay);
  legs.set('process', await startPostern(bench, false, 'process'));
  legs.set('power', await startPostern(bench, false, 'power'));
  const rows: Row[] = [];
  for (const word of given.clients.split(',')) rows.push(...(await compare(Number(word))));
  const result = { rounds, seconds, mode: given.mode, rows };
  process.stdout.write(given.json ? `${JSON.stringify(result, null, 2)}\n` : table(rows));
} finally {
  for (const one of legs.values()) await one.stop();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

function leg(name: string, bench: BenchDatabase): Promise<Leg> {
  const start = LEGS[name];
  if (start === undefined) throw new Error(`no leg ${name}`);
  return start(bench);
}

async function compare(clients: number): Promise<Row[]> {
  const samples = new Map<string, Sample[]>([...legs.keys()].map((name) => [name, []]));
  // Not counted: caches fill and code is compiled.
  for (const one of legs.values()) await measure(one, given.mode as Mode, clients, seconds, directory);
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`${clients} clients, round ${round + 1} of ${rounds}\n`);
    for (const [name, one] of legs) samples.get(name)?.push(await sample(one, clients));
  }
  const latencies = (name: string): number[] =>
    (samples.get(name) ?? []).map(({ latencyMicros }) => latencyMicros ?? Number.NaN);
  const tps = (name: string): number[] => (samples.get(name) ?? []).map((one) => one.tps);
  return [...samples].map(([name, taken]) => {
    const lags = taken.flatMap((one) => one.lags);
    const base = latencies('relay');
    return {
      clients,
      leg: name,
      tps: Math.round(median(tps(name))),
      toRelay: Number(medianRatio(tps(name), tps('relay')).toFixed(2)),
      latencyMicros: Math.round(median(latencies(name))),
      addedMicros: Math.round(median(latencies(name).map((value, i) => value - (base[i] as number)))),
      lagMillis: lags.length === 0 ? null : Math.round(median(lags)),
      longestLagMillis: lags.length === 0 ? null : Math.round(Math.max(...lags)),
    };
  });
}

async function sample(one: Leg & { readonly dataDir?: string }, clients: number): Promise<Sample> {
  const lags: number[] = [];
  const begun = Date.now();
  const timer = setInterval(() => {
    const { dataDir } = one;
    // In the first two seconds the newest record may be of before.
    if (dataDir === undefined || Date.now() - begun < 2000) return;
    if (Date.now() - begun < seconds * 1000) lags.push(lagOf(dataDir));
  }, LOOK_MS);
  try {
    return { ...(await measure(one, given.mode as Mode, clients, seconds, directory)), lags };
  } finally {
    clearInterval(timer);
  }
}

/** Milliseconds since the newest record under the checkpoint was written. */
function lagOf(dataDir: string): number {
  const note = readFileSync(join(dataDir, 'log', 'checkpoint'), 'utf8');
  const { size } = parseCheckpoint(note.slice(0, note.indexOf('\n\n') + 1));
  const entry = readEntry(new TileStore(join(dataDir, 'log')), size - 1, size);
  return Date.now() - Date.parse((JSON.parse(entry.toString()) as { time: string }).time);
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: ['clients', 'leg', 'tps', '÷ relay', 'p50 µs', 'added µs', 'checkpoint lag ms', 'longest'],
    colAligns: ['right', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    out.push([
      ...[row.clients, row.leg, row.tps, row.toRelay.toFixed(2), row.latencyMicros, row.addedMicros],
      ...[row.lagMillis ?? '', row.longestLagMillis ?? ''],
    ]);
  }
  return `${out.toString()}\nMedians of ${rounds} interleaved rounds of ${seconds} s, pgbench -S -M ${given.mode}.\n`;
}
