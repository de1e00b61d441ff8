/**
 * How many sessions a second can be opened, compared: straight to the server and through Postern, TLS and SCRAM-SHA-256 on.
 *
 *   npm run bench -- sessions [--rounds 5] [--seconds 4] [--clients 1,4,16] [--json]
 *
 * pgbench opens a connection for each of its select-only transactions (`-C`), so a session is TCP, TLS, the proof, one statement
 * and the end; through Postern it is all that twice, with four records. Postern runs with one worker.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ensureDebianPackages, PGBENCH } from '../scripts/need.ts';
import { startPostgres } from '../test/support/postgres.ts';
import type { BenchDatabase, Leg } from './support/leg.ts';
import { LEGS } from './support/legs.ts';
import { fill, type Measurement, measure } from './support/pgbench.ts';
import { median, medianRatio } from './support/statistics.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    clients: { type: 'string', default: '1,4,16' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(given.rounds);
const seconds = Number(given.seconds);
const NAMES = ['direct-tls', 'postern-tls'] as const;

interface Row {
  readonly clients: number;
  readonly leg: string;
  readonly sessionsPerSecond: number;
  readonly toDirect: number;
  /** Of Postern's worker, for each session, in microseconds. */
  readonly workerCpuMicros: number | null;
  /** Of all of Postern's processes. */
  readonly cpuMicros: number | null;
}

ensureDebianPackages([PGBENCH]);
const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
const postgres = await startPostgres({ databases: ['bench'] });
const legs = new Map<string, Leg>();
try {
  const caFile = join(directory, 'server-ca.crt');
  writeFileSync(caFile, postgres.caPem);
  const bench: BenchDatabase = { postgres, database: 'bench', caFile, directory };
  for (const name of NAMES) legs.set(name, await (LEGS[name] as (typeof LEGS)[string])(bench));
  await fill(legs.get('direct-tls') as Leg, 1);
  const rows: Row[] = [];
  for (const word of given.clients.split(',')) rows.push(...(await compare(Number(word))));
  const result = { rounds, seconds, rows };
  process.stdout.write(given.json ? `${JSON.stringify(result, null, 2)}\n` : table(rows));
} finally {
  for (const leg of legs.values()) await leg.stop();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function compare(clients: number): Promise<Row[]> {
  const once = (leg: Leg): Promise<Measurement> =>
    measure(leg, 'simple', clients, seconds, directory, ['-C']);
  // Not counted: caches fill and code is compiled.
  for (const leg of legs.values()) await once(leg);
  const samples = new Map<string, Measurement[]>([...legs.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`${clients} clients, round ${round + 1} of ${rounds}\n`);
    for (const [name, leg] of legs) samples.get(name)?.push(await once(leg));
  }
  const rates = (name: string): number[] => (samples.get(name) ?? []).map(({ tps }) => tps);
  const mean = (values: readonly (number | null)[]): number | null => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : Math.round(median(known));
  };
  return [...samples].map(([leg, taken]) => ({
    clients,
    leg,
    sessionsPerSecond: Math.round(median(rates(leg))),
    toDirect: Number(medianRatio(rates(leg), rates('direct-tls')).toFixed(2)),
    workerCpuMicros: mean(taken.map(({ relayCpuMicros }) => relayCpuMicros)),
    cpuMicros: mean(taken.map(({ cpuMicros }) => cpuMicros)),
  }));
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: ['clients', 'leg', 'sessions/s', '÷ direct', 'CPU worker µs', 'CPU all µs'],
    colAligns: ['right', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    out.push([
      ...[row.clients, row.leg, row.sessionsPerSecond, row.toDirect.toFixed(2)],
      ...[row.workerCpuMicros ?? '', row.cpuMicros ?? ''],
    ]);
  }
  return `${out.toString()}\nMedians of ${rounds} interleaved rounds of ${seconds} s, pgbench -S -C.\n`;
}
