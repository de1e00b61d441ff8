import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostern as start, type TestPostern } from '../../test/support/postern.ts';
import type { BenchDatabase, Leg } from './leg.ts';

/**
 * Postern as it is delivered, with one worker: every statement decided and recorded. Without TLS on both legs, as the
 * relay that it is compared with, or with TLS on both, as it is meant to be used.
 */
export async function startPostern(
  bench: BenchDatabase,
  withTls: boolean,
  durability: 'process' | 'power' = 'process',
): Promise<Leg & { readonly dataDir: string }> {
  const postern = await start({
    args: ['--workers', '1', '--postgres-tls', withTls ? 'require' : 'allow'],
  });
  try {
    const leg = await prepare(postern, bench, withTls, durability);
    return { ...leg, dataDir: postern.dataDir, stop: async () => void (await postern.stop()) };
  } catch (error) {
    await postern.stop('SIGKILL');
    throw error;
  }
}

async function prepare(
  postern: TestPostern,
  bench: BenchDatabase,
  withTls: boolean,
  durability: 'process' | 'power',
): Promise<Omit<Leg, 'stop'>> {
  const principal = 'bench';
  const resource = 'bench-db';
  const environment = 'test';
  await postern.call('POST', '/v1/principals', {
    ...{
      name: principal,
      kind: 'workload',
      owner: 'admin@example.com',
      backupOwner: 'backup@example.com',
      purpose: 'benchmark',
      environment,
    },
  });
  await postern.call('POST', '/v1/resources', {
    ...{ name: resource, protocol: 'postgres', environment, classification: 'internal', durability },
    ...{ host: bench.postgres.host, port: bench.postgres.port, database: bench.database },
    tls: withTls ? { mode: 'verify-full', ca: bench.postgres.caPem } : { mode: 'disable' },
    upstream: bench.postgres.superuser,
  });
  const grant = await postern.call<{ id: string }>('POST', '/v1/grants', {
    ...{ principal, resource, scope: 'select on public.pgbench_*', ttlSeconds: 7200 },
    ...{ ticket: 'BENCH-1', justification: 'benchmark' },
  });
  const issued = await postern.call<{ username: string; password: string }>('POST', '/v1/credentials', {
    ...{ principal, grant: grant.id, ttlSeconds: 7200 },
  });
  return {
    host: postern.postgres.host,
    port: postern.postgres.port,
    user: issued.username,
    password: issued.password,
    database: resource,
    caFile: withTls ? postern.caFile : null,
    middle: { relayPid: workerPid(postern), pid: postern.pid, settle: () => settle(postern) },
  };
}

function workerPid(postern: TestPostern): number {
  const { workers } = JSON.parse(readFileSync(join(postern.dataDir, 'run.json'), 'utf8')) as {
    workers: number[];
  };
  const [pid] = workers;
  if (pid === undefined || workers.length > 1)
    throw new Error(`expected one worker, found ${workers.length}`);
  return pid;
}

/** Until every record is in the log: this answer waits for that. */
async function settle(postern: TestPostern): Promise<void> {
  await postern.call('GET', '/v1/activity?limit=1');
}
