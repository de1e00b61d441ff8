import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages, findCommand, PGBOUNCER } from '../../scripts/need.ts';
import { makeServerCertificate } from '../../test/support/certificates.ts';
import { giveTo, serverAccount } from '../../test/support/postgres-files.ts';
import { freePort, start, waitForPort } from '../../test/support/processes.ts';
import type { BenchDatabase, Leg, StartLeg } from './leg.ts';
import { startPostern } from './postern.ts';

const RELAY = fileURLToPath(new URL('../relay.ts', import.meta.url));

const straight = (bench: BenchDatabase): Omit<Leg, 'caFile'> => ({
  host: bench.postgres.host,
  port: bench.postgres.port,
  ...bench.postgres.superuser,
  database: bench.database,
  middle: null,
  stop: async () => undefined,
});

/** No middle. */
const startDirect: StartLeg = async (bench) => ({ ...straight(bench), caFile: null });

const startDirectTls: StartLeg = async (bench) => ({ ...straight(bench), caFile: bench.caFile });

/** The baseline: see `bench/relay.ts`. */
const startRelay: StartLeg = (bench) => relay(bench, [], null);

/** The same with TLS on both legs: what is left of the difference to Postern is Postern's own. */
const startRelayTls: StartLeg = async (bench) => {
  const { caPem, certPem, keyPem } = await makeServerCertificate();
  const file = (name: string, pem: string): string => {
    const path = join(bench.directory, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  return relay(bench, [file('relay.crt', certPem), file('relay.key', keyPem)], file('relay-ca.crt', caPem));
};

async function relay(bench: BenchDatabase, files: readonly string[], caFile: string | null): Promise<Leg> {
  const port = await freePort();
  const running = await start(process.execPath, [RELAY, String(port), String(bench.postgres.port), ...files]);
  await running.waitFor(/listening/);
  return {
    ...straight(bench),
    port,
    caFile,
    middle: { relayPid: running.pid, pid: running.pid, settle: async () => undefined },
    stop: async () => void (await running.stop()),
  };
}

/** PgBouncer in session mode, SCRAM-SHA-256 on both legs, no TLS. */
const startPgBouncer: StartLeg = async (bench) => {
  ensureDebianPackages([PGBOUNCER]);
  const account = serverAccount();
  const port = await freePort();
  const { user, password } = bench.postgres.superuser;
  const users = join(bench.directory, 'users.txt');
  writeFileSync(users, `"${user}" "${password}"\n`, { mode: 0o600 });
  giveTo(users, account);
  const config = join(bench.directory, 'pgbouncer.ini');
  writeFileSync(
    config,
    `[databases]
${bench.database} = host=127.0.0.1 port=${bench.postgres.port} dbname=${bench.database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = session
max_client_conn = 200
default_pool_size = 150
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
`,
  );
  giveTo(config, account);
  chmodSync(bench.directory, 0o711);
  const running = await start(findCommand('pgbouncer') as string, [config], { ...account });
  await waitForPort(port);
  return {
    ...straight(bench),
    port,
    caFile: null,
    middle: { relayPid: running.pid, pid: running.pid, settle: async () => undefined },
    stop: async () => void (await running.stop('SIGINT')),
  };
};

/** Everything that can be compared, by the name to give to `--legs`. */
export const LEGS: Readonly<Record<string, StartLeg>> = {
  direct: startDirect,
  'direct-tls': startDirectTls,
  relay: startRelay,
  'relay-tls': startRelayTls,
  pgbouncer: startPgBouncer,
  postern: (bench) => startPostern(bench, false),
  'postern-tls': (bench) => startPostern(bench, true),
};

/** What is compared when nothing else is asked for. */
export const DEFAULT_LEGS: readonly string[] = Object.keys(LEGS);
