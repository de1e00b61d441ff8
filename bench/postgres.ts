/**
 * How fast a PostgreSQL statement gets through, compared: straight to the server, through the bare relay
 * (`bench/relay.ts`), through PgBouncer, through Postern. All legs take turns in every round, on the same
 * machine and server, so that each figure is a ratio within one run.
 *
 *   npm run bench -- postgres [--rounds 5] [--seconds 3] [--clients 1,8,64]
 *     [--modes simple,extended,prepared] [--legs direct,relay,...] [--scale 10] [--json]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ensureDebianPackages, PGBENCH } from '../scripts/need.ts';
import { startPostgres } from '../test/support/postgres.ts';
import type { Leg } from './support/leg.ts';
import { DEFAULT_LEGS, LEGS } from './support/legs.ts';
import { privateKib } from './support/memory.ts';
import { fill, type Measurement, type Mode, measure } from './support/pgbench.ts';
import { median, medianRatio } from './support/statistics.ts';

const MODES: readonly Mode[] = ['simple', 'extended', 'prepared'];

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '1,8,64' },
    modes: { type: 'string', default: MODES.join(',') },
    legs: { type: 'string', default: DEFAULT_LEGS.join(',') },
    scale: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});

const rounds = positive('rounds', given.rounds);
const seconds = positive('seconds', given.seconds);
const scale = positive('scale', given.scale);
const clientCounts = given.clients.split(',').map((word) => positive('clients', word));
const modes = given.modes.split(',').map((word) => oneOf('modes', word, MODES));
const legNames = given.legs.split(',').map((word) => oneOf('legs', word, Object.keys(LEGS)));

interface Row {
  readonly mode: Mode;
  readonly clients: number;
  readonly leg: string;
  readonly tps: number;
  readonly toRelay: number | null;
  readonly toDirect: number | null;
  readonly relayCpuMicros: number | null;
  readonly cpuMicros: number | null;
  readonly latencyMicros: number | null;
  readonly slowMicros: number | null;
  /** Private memory of the process that relays after the rounds, in MiB. */
  readonly memoryMib: number | null;
}

ensureDebianPackages([PGBENCH]);
const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
const postgres = await startPostgres({
  databases: ['bench'],
  hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'],
});
const legs = new Map<string, Leg>();
try {
  const caFile = join(directory, 'server-ca.crt');
  writeFileSync(caFile, postgres.caPem);
  const bench = { postgres, database: 'bench', caFile, directory };
  const direct = await (LEGS.direct as (typeof LEGS)[string])(bench);
  say(`filling the database (scale ${scale})`);
  await fill(direct, scale);
  for (const name of legNames) legs.set(name, await (LEGS[name] as (typeof LEGS)[string])(bench));
  const rows: Row[] = [];
  for (const mode of modes) {
    for (const clients of clientCounts) rows.push(...(await compare(mode, clients)));
  }
  process.stdout.write(
    given.json ? `${JSON.stringify({ rounds, seconds, scale, rows }, null, 2)}\n` : table(rows),
  );
} finally {
  for (const leg of legs.values()) await leg.stop();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function compare(mode: Mode, clients: number): Promise<Row[]> {
  const results = new Map<string, Measurement[]>(legNames.map((name) => [name, []]));
  // Not counted: caches fill and code is compiled.
  for (const leg of legs.values()) await measure(leg, mode, clients, 3, directory);
  for (let round = 0; round < rounds; round++) {
    say(`${mode}, ${clients} clients, round ${round + 1} of ${rounds}`);
    // Each round begins with another leg, so that none always runs in the wake of the same one.
    const order = legNames.map((_, i) => legNames[(i + round) % legNames.length] as string);
    for (const name of order) {
      const leg = legs.get(name) as Leg;
      results.get(name)?.push(await measure(leg, mode, clients, seconds, directory));
    }
  }
  const tpsOf = (name: string): number[] | undefined => results.get(name)?.map((one) => one.tps);
  const ratio = (tps: readonly number[], to: readonly number[] | undefined): number | null =>
    to === undefined ? null : medianRatio(tps, to);
  return [...results].map(([leg, measured]) => {
    const tps = measured.map((one) => one.tps);
    return {
      mode,
      clients,
      leg,
      tps: median(tps),
      toRelay: ratio(tps, tpsOf('relay')),
      toDirect: ratio(tps, tpsOf('direct')),
      relayCpuMicros: medianOrNull(measured.map((one) => one.relayCpuMicros)),
      cpuMicros: medianOrNull(measured.map((one) => one.cpuMicros)),
      latencyMicros: medianOrNull(measured.map((one) => one.latencyMicros)),
      slowMicros: medianOrNull(measured.map((one) => one.slowMicros)),
      memoryMib: memoryOf(legs.get(leg) as Leg),
    };
  });
}

function memoryOf({ middle }: Leg): number | null {
  return middle === null ? null : privateKib(middle.relayPid) / 1024;
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: [
      ...[
        'mode',
        'clients',
        'leg',
        'tps',
        '÷ relay',
        '÷ direct',
        'CPU µs',
        '… all',
        'p50 µs',
        'p99 µs',
        'MiB',
      ],
    ],
    colAligns: ['left', 'right', 'left', ...Array.from({ length: 8 }, () => 'right' as const)],
    style: { head: [], border: [], compact: true },
  });
  const figure = (value: number | null, digits: number): string => value?.toFixed(digits) ?? '';
  for (const row of rows) {
    out.push([
      row.mode,
      row.clients,
      row.leg,
      figure(row.tps, 0),
      figure(row.toRelay, 2),
      figure(row.toDirect, 2),
      figure(row.relayCpuMicros, 1),
      figure(row.cpuMicros, 1),
      figure(row.latencyMicros, 0),
      figure(row.slowMicros, 0),
      figure(row.memoryMib, 0),
    ]);
  }
  return `${out.toString()}\nMedians of ${rounds} interleaved rounds of ${seconds} s. CPU per statement: of the process that relays, and of all in the middle. MiB: private memory of the process that relays. One idle session: npm run bench -- idle.\n`;
}

function positive(name: string, word: string): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: "${word}" is not a positive whole number`);
  return value;
}

function oneOf<T extends string>(name: string, word: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === word);
  if (found === undefined) throw new Error(`--${name}: "${word}" is none of ${allowed.join(', ')}`);
  return found;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
