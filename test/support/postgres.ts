/**
 * A real PostgreSQL (18 unless asked for another) for tests, demo and benchmarks: on 127.0.0.1, with TLS by an authority of its own and
 * SCRAM-SHA-256, in a temporary directory that is gone when it ends. It ends with the process that started it,
 * however that one ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { makeServerCertificate } from './certificates.ts';
import {
  type Account,
  findPrograms,
  giveTo,
  makeDataDirectory,
  makeServerDirectory,
  SERVER_ENV,
  serverAccount,
} from './postgres-files.ts';
import { freePort } from './processes.ts';

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Default: true, and then nothing but TLS is accepted. */
  readonly tls?: boolean;
  /** Databases to create. */
  readonly databases?: readonly string[];
  /** Lines of pg_hba.conf to put before the default ones. */
  readonly hba?: readonly string[];
  /** The directory `native` of another version's package. Default: PostgreSQL 18. */
  readonly native?: string;
  /** Server settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface TestPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  /** Certificate of the authority to trust, PEM; empty without TLS. */
  readonly caPem: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** Process id of the server. */
  readonly pid: number;
  /** Runs SQL as superuser on a connection of its own; the rows of the last statement. */
  query<Row extends object = Record<string, unknown>>(sql: string, database?: string): Promise<Row[]>;
  /** Ends the server (disconnecting its clients) and removes its files. */
  stop(): Promise<void>;
}

/**
 * Runs beside the server: ends it when our end of the pipe on standard input closes, be it by `stop` or by the
 * death of this process, and removes its directory.
 */
const SUPERVISOR = `
directory=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ cat >/dev/null; kill -INT "$server"; } <&3 2>/dev/null &
watcher=$!
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
[ "$code" -ne 0 ] || rm -rf "$directory"
exit "$code"
`;

const ATTEMPTS = 5;

/**
 * Starts a server.
 *
 * @throws Error with the end of the server's log when it does not start
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const account = serverAccount();
  const directory = makeServerDirectory(account);
  try {
    const programs = findPrograms(account, directory, options.native);
    const data = makeDataDirectory(programs, account, directory);
    const tls = options.tls ?? true;
    const caPem = tls ? await installCertificate(data.path, account) : '';
    writeFileSync(join(data.path, 'pg_hba.conf'), hbaFile(options.hba ?? [], tls));
    const server = await launch(programs.postgres, data.path, directory, account, options);
    const postgres = new Server(server, data.path, directory, caPem, data.password);
    await postgres.prepare(options.databases ?? []);
    return postgres;
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function installCertificate(dataDir: string, account: Account | null): Promise<string> {
  const { caPem, certPem, keyPem } = await makeServerCertificate();
  for (const [name, pem] of [
    ['server.crt', certPem],
    ['server.key', keyPem],
  ] as const) {
    writeFileSync(join(dataDir, name), pem, { mode: 0o600 });
    giveTo(join(dataDir, name), account);
  }
  return caPem;
}

function hbaFile(lines: readonly string[], tls: boolean): string {
  return `${[...lines, `${tls ? 'hostssl' : 'hostnossl'} all all 127.0.0.1/32 scram-sha-256`].join('\n')}\n`;
}

interface Launched {
  readonly child: ChildProcess;
  readonly port: number;
  readonly pid: number;
}

async function launch(
  program: string,
  dataDir: string,
  directory: string,
  account: Account | null,
  options: PostgresOptions,
): Promise<Launched> {
  const logFile = join(directory, 'postgres.log');
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const log = openSync(logFile, 'w', 0o600);
    const child = spawn(
      '/bin/sh',
      ['-c', SUPERVISOR, 'supervisor', directory, program, '-D', dataDir, ...serverSettings(port, options)],
      // Its own process group: Ctrl-C is for us, and we end the server in our order.
      { cwd: directory, env: SERVER_ENV, stdio: ['pipe', log, log], detached: true, ...account },
    );
    closeSync(log);
    const pid = await ready(child, dataDir);
    if (pid !== null) {
      // A forgotten server must not keep the process alive that started it.
      child.unref();
      (child.stdin as Socket).unref();
      return { child, port, pid };
    }
    const words = readFileSync(logFile, 'utf8');
    // Between our look at the free port and the server's start somebody else may have taken it.
    const taken = options.port === undefined && words.includes('Address already in use');
    if (!taken || attempt === ATTEMPTS) throw new Error(`PostgreSQL does not start:\n${words.slice(-4000)}`);
  }
}

function serverSettings(port: number, options: PostgresOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ssl: (options.tls ?? true) ? 'on' : 'off',
    password_encryption: 'scram-sha-256',
    max_connections: '200',
    timezone: 'UTC',
    // Nothing in it is worth a wait for the disk.
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** The server's process id once it accepts connections; null when it ended instead. */
async function ready(child: ChildProcess, dataDir: string): Promise<number | null> {
  let failure: Error | null = null;
  child.once('error', (error) => {
    failure = error;
  });
  const statusFile = join(dataDir, 'postmaster.pid');
  for (let waited = 0; waited < 30_000; waited += 10) {
    if (failure !== null) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) return null;
    if (existsSync(statusFile)) {
      const lines = readFileSync(statusFile, 'utf8').split('\n');
      if (lines[7]?.trim() === 'ready') return Number(lines[0]);
    }
    await sleep(10);
  }
  child.stdin?.destroy();
  throw new Error('PostgreSQL did not become ready within 30 s');
}

class Server implements TestPostgres {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly superuser = { user: 'postgres', password: randomBytes(24).toString('base64url') };
  readonly caPem: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #password: string;

  constructor(launched: Launched, dataDir: string, directory: string, caPem: string, password: string) {
    this.#child = launched.child;
    this.port = launched.port;
    this.pid = launched.pid;
    this.caPem = caPem;
    this.dataDir = dataDir;
    this.logFile = join(directory, 'postgres.log');
    this.#directory = directory;
    this.#password = password;
  }

  async prepare(databases: readonly string[]): Promise<void> {
    try {
      await this.query(`ALTER ROLE postgres PASSWORD '${this.superuser.password}'`);
      this.#password = this.superuser.password;
      for (const name of databases) await this.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async query<Row extends object>(sql: string, database = 'postgres'): Promise<Row[]> {
    const client = new pg.Client({
      host: this.host,
      port: this.port,
      user: this.superuser.user,
      password: this.#password,
      database,
      ssl: this.caPem === '' ? false : { ca: this.caPem },
    });
    await client.connect();
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
      return (Array.isArray(result) ? result.at(-1)?.rows : result.rows) as Row[];
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      child.ref();
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.stdin?.end();
      const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
