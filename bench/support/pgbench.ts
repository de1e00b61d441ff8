import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../test/support/processes.ts';
import { cpuMicros, cpuMicrosOfTree } from './cpu.ts';
import type { Leg, Middle } from './leg.ts';
import { median, quantile } from './statistics.ts';

export type Mode = 'simple' | 'extended' | 'prepared';

export interface Measurement {
  readonly tps: number;
  /** Median over a sample of the statements, in microseconds; null when the sample was empty. */
  readonly latencyMicros: number | null;
  /** What 99 in 100 statements of the sample did not exceed. */
  readonly slowMicros: number | null;
  /** Processor time per statement of the process that relays, in microseconds; null without a middle. */
  readonly relayCpuMicros: number | null;
  /** The same of all processes in the middle, until they have nothing left to do. */
  readonly cpuMicros: number | null;
}

/** Fills the database with pgbench's tables: 100,000 accounts per unit of scale. */
export async function fill(leg: Leg, scale: number): Promise<void> {
  await pgbench(leg, ['-i', '-q', '-s', String(scale)], 300_000);
}

/**
 * Runs the select-only script for `seconds`.
 *
 * @param more further arguments of pgbench, such as `-C` for a new connection each time
 */
export async function measure(
  leg: Leg,
  mode: Mode,
  clients: number,
  seconds: number,
  directory: string,
  more: readonly string[] = [],
): Promise<Measurement> {
  const logs = mkdtempSync(join(directory, 'log-'));
  const before = cpu(leg.middle);
  const threads = String(Math.min(clients, 2));
  const output = await pgbench(
    leg,
    [
      ...['-n', '-S', '-M', mode, '-c', String(clients), '-j', threads, '-T', String(seconds)],
      ...['-l', '--sampling-rate', '0.02', '--log-prefix', join(logs, 'log'), ...more],
    ],
    seconds * 1000 + 60_000,
  );
  await leg.middle?.settle();
  const after = cpu(leg.middle);
  const statements = number(output, /transactions actually processed: (\d+)/);
  if (number(output, /failed transactions: (\d+)/) > 0) throw new Error(`pgbench had failures:\n${output}`);
  const latencies = readdirSync(logs)
    .flatMap((name) => readFileSync(join(logs, name), 'utf8').trim().split('\n'))
    .filter((line) => line !== '')
    .map((line) => Number(line.split(' ')[2]));
  rmSync(logs, { recursive: true });
  return {
    tps: number(output, /tps = ([\d.]+)/),
    latencyMicros: latencies.length === 0 ? null : median(latencies),
    slowMicros: latencies.length === 0 ? null : quantile(latencies, 0.99),
    relayCpuMicros: after && before && (after.relay - before.relay) / statements,
    cpuMicros: after && before && (after.all - before.all) / statements,
  };
}

function cpu(middle: Middle | null): { relay: number; all: number } | null {
  return middle && { relay: cpuMicros(middle.relayPid), all: cpuMicrosOfTree(middle.pid) };
}

async function pgbench(leg: Leg, args: readonly string[], timeoutMs: number): Promise<string> {
  const result = await run('pgbench', args, {
    timeoutMs,
    env: {
      PATH: process.env.PATH,
      PGHOST: leg.host,
      PGPORT: String(leg.port),
      PGUSER: leg.user,
      PGPASSWORD: leg.password,
      PGDATABASE: leg.database,
      // A relay with TLS of its own cannot pass on a proof that is bound to the server's.
      PGCHANNELBINDING: 'disable',
      ...(leg.caFile === null
        ? { PGSSLMODE: 'disable' }
        : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: leg.caFile }),
    },
  });
  if (result.code !== 0)
    throw new Error(`pgbench failed (${result.code}):\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

function number(text: string, pattern: RegExp): number {
  const found = text.match(pattern)?.[1];
  if (found === undefined) throw new Error(`pgbench does not say ${pattern}:\n${text}`);
  return Number(found);
}
