/**
 * The clients of the conformance matrix, as they come from their packages. Each runs one script, with nothing but libpq's
 * environment variables (or the connection string that the script makes of them) to tell it where to go.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Needed } from '../../scripts/need.ts';
import { run } from '../support/processes.ts';
import { NEWEST_PYTHON_ENV } from './newest.ts';
import type { Side } from './stage.ts';

const SCRIPTS = fileURLToPath(new URL('./scripts/', import.meta.url));
const script = (name: string): string => join(SCRIPTS, name);

export interface Client {
  /** As in docs/clients.md. */
  readonly name: string;
  readonly needs: readonly Needed[];
  readonly command: readonly [program: string, ...args: string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Steps that its transcript must hold, beside those of every client. */
  readonly steps: readonly string[];
}

const PYTHON = '/usr/bin/python3';
const JDBC_JAR = '/usr/share/java/postgresql.jar';

/** What every script does. */
export const COMMON_STEPS = [
  'connect',
  'types',
  'large',
  'prepared',
  'cursor',
  'savepoint',
  'error',
  'refused',
];

export const CLIENTS: readonly Client[] = [
  {
    name: 'node-postgres',
    needs: [],
    command: [process.execPath, '--no-deprecation', script('node-postgres.ts')],
    steps: ['parameters', 'batch', 'cancel', 'notify'],
  },
  {
    name: 'postgres.js',
    needs: [],
    command: [process.execPath, script('postgres-js.ts')],
    steps: ['parameters', 'pipeline', 'batch', 'copy out', 'cancel', 'notify'],
  },
  {
    name: 'psycopg 2',
    needs: [{ file: '/usr/lib/python3/dist-packages/psycopg2/__init__.py', package: 'python3-psycopg2' }],
    command: [PYTHON, script('psycopg-2.py')],
    steps: ['parameters', 'batch', 'copy in', 'copy out', 'cancel'],
  },
  {
    name: 'psycopg 3',
    needs: [{ file: '/usr/lib/python3/dist-packages/psycopg/__init__.py', package: 'python3-psycopg' }],
    command: [PYTHON, script('psycopg-3.py')],
    steps: ['parameters', 'pipeline', 'pipeline error', 'batch', 'copy in', 'copy out', 'cancel', 'notify'],
  },
  {
    name: 'psycopg 3, the newest',
    needs: [{ file: '/usr/lib/python3/dist-packages/psycopg/__init__.py', package: 'python3-psycopg' }],
    command: [PYTHON, script('psycopg-3.py')],
    // What libpq 18 can do and does not do of its own accord.
    env: {
      ...NEWEST_PYTHON_ENV,
      PGMAXPROTOCOLVERSION: '3.2',
      PGSSLNEGOTIATION: 'direct',
      PGREQUIREAUTH: 'scram-sha-256',
    },
    steps: ['parameters', 'pipeline', 'pipeline error', 'batch', 'copy in', 'copy out', 'cancel', 'notify'],
  },
  {
    name: 'asyncpg',
    needs: [{ file: '/usr/share/doc/python3-asyncpg', package: 'python3-asyncpg' }],
    command: [PYTHON, script('asyncpg-client.py')],
    steps: ['parameters', 'batch', 'copy in', 'copy out', 'cancel', 'notify', 'reset', 'pool'],
  },
  {
    name: 'JDBC',
    needs: [
      { command: 'javac', package: 'default-jdk-headless' },
      { file: JDBC_JAR, package: 'libpostgresql-jdbc-java' },
    ],
    command: ['java', '-Duser.timezone=UTC', '-cp', JDBC_JAR, script('Jdbc.java')],
    steps: ['parameters', 'batch', 'function', 'copy in', 'copy out', 'cancel', 'metadata', 'notify'],
  },
  {
    name: 'Perl DBD::Pg',
    needs: [{ file: '/usr/share/doc/libdbd-pg-perl', package: 'libdbd-pg-perl' }],
    command: ['/usr/bin/perl', script('dbd-pg.pl')],
    steps: ['parameters', 'batch', 'copy in', 'copy out', 'cancel', 'metadata', 'notify'],
  },
  {
    name: 'PHP PDO',
    needs: [
      { command: 'php', package: 'php-cli' },
      { file: '/usr/share/doc/php-pgsql', package: 'php-pgsql' },
    ],
    command: ['php', script('pdo.php')],
    steps: ['parameters', 'batch', 'copy in', 'copy out', 'cancel', 'metadata', 'notify'],
  },
  {
    name: 'Ruby pg',
    needs: [
      { command: 'ruby', package: 'ruby' },
      { file: '/usr/share/doc/ruby-pg', package: 'ruby-pg' },
    ],
    command: ['/usr/bin/ruby', script('ruby-pg.rb')],
    steps: ['parameters', 'pipeline', 'batch', 'copy in', 'copy out', 'cancel', 'notify', 'reset'],
  },
  {
    name: 'ODBC',
    needs: [
      { file: '/usr/share/doc/odbc-postgresql', package: 'odbc-postgresql' },
      { file: '/usr/share/doc/python3-pyodbc', package: 'python3-pyodbc' },
    ],
    command: [PYTHON, script('odbc.py')],
    steps: ['parameters', 'batch', 'cancel', 'metadata'],
  },
];

export interface Played {
  readonly stdout: string;
  /** Begins with the version. */
  readonly stderr: string;
}

/** Runs a client's script to its end, which must be good. */
export async function play(client: Client, side: Side): Promise<Played> {
  const [program, ...args] = client.command;
  const ended = await run(program, args, { env: { ...side.env, ...client.env }, timeoutMs: 120_000 });
  assert.equal(ended.code, 0, `${side.name}: ${ended.signal}\n${ended.stdout.slice(-2000)}\n${ended.stderr}`);
  return { stdout: side.neutral(ended.stdout), stderr: side.neutral(ended.stderr) };
}

/** Runs psql's script; standard error follows standard output. */
export async function psqlSession(side: Side, psql = 'psql', env: NodeJS.ProcessEnv = {}): Promise<string> {
  const args = ['--no-psqlrc', '--file', script('psql.sql')];
  const ended = await run(psql, args, { env: { ...side.env, ...env }, timeoutMs: 120_000 });
  assert.equal(ended.code, 0, `${side.name}: ${ended.signal}\n${ended.stdout.slice(-2000)}\n${ended.stderr}`);
  assert.match(ended.stdout, /\nend\n$/);
  return side.neutral(`${ended.stdout}${ended.stderr}`);
}
